"""Which machine and process this is, and whether another process of this machine still lives."""

import os
import socket
from pathlib import Path


def host_name() -> str:
    """Names a place where process numbers mean the same: machine, boot, and process name space."""
    parts = [socket.gethostname()]
    for name in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        path = Path(name)
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:
            parts.append("")
    return "/".join(parts)


def process_name() -> str:
    """This process, told apart from a later one with the same number."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def is_dead(host: str, process: str) -> bool:
    """True when the process surely does not live any more; False also means: cannot be known from here."""
    if host != host_name():
        return False
    number, _, started = process.partition(":")
    if not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    now_started = _started(int(number))
    return bool(started and now_started) and started != now_started


def _started(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    if fields[0] == "Z":  # dead, but not yet collected by its parent
        return "gone"
    return fields[19]
