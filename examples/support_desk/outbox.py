"""The outside world of this example: a file of sent messages, in place of a mail server.

Like a good mail server it takes each message once per key, however often it is handed in, also after a kill.
"""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no fcntl; there, one process at a time may send
    fcntl = None


def deliver(path: Path, *, key: str, customer: str, message: str) -> bool:
    """Append the message under its key; False when the key was delivered before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"key": key, "customer": customer, "message": message}, ensure_ascii=False)
    with _locked(path) as file:
        sent = _read(file)
        if key in {entry["key"] for entry in _entries(sent)}:
            return False
        torn = bool(sent) and not sent.endswith(b"\n")  # a kill in the middle of a line
        os.write(file, (b"\n" if torn else b"") + line.encode() + b"\n")
        os.fsync(file)
        return True


def delivered(path: Path) -> list[dict[str, str]]:
    """All messages that were sent, oldest first."""
    return list(_entries(path.read_bytes())) if path.exists() else []


@contextmanager
def _locked(path: Path) -> Generator[int, None, None]:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)  # closing also unlocks


def _read(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    return b"".join(iter(lambda: os.read(file, 1 << 16), b""))


def _entries(sent: bytes) -> Iterator[dict[str, str]]:
    for line in sent.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # a torn line was never acknowledged, so it was not sent
