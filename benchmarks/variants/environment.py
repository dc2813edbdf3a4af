"""The peers' own environments: each made from a lock file, and kept in the user's cache until that changes.

`peers.txt` is `peers.in` resolved by `uv pip compile --universal --generate-hashes`, and so are the gateways'
(`litellm_proxy.txt`, `mlflow_gateway.txt`), which cannot be installed side by side, and the evaluations'
(`evals_peers.txt`). litellm is pinned: its releases 1.82.7 and 1.82.8 (March 2026) were poisoned, and
`peers.in` names one that came much later.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
LOCK = BENCHMARKS / "peers.txt"
TIMEOUT_SECONDS = 600


def peers_python(lock: Path = LOCK) -> Path:
    """The interpreter of the environment of a lock file, which is made if it is not there.

    Raises:
        OSError: It cannot be written.
        subprocess.SubprocessError: The packages cannot be installed.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    kind = version if lock == LOCK else f"{lock.stem}-{version}"
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roadworthy-benchmarks"
    folder = base / f"{kind}-{digest}"
    if not (folder / "ready").exists():
        base.mkdir(parents=True, exist_ok=True)
        for outdated in base.glob(f"{kind}-*"):
            shutil.rmtree(outdated)
        _make(base, folder, lock)
    return _python(folder)


def _make(base: Path, folder: Path, lock_file: Path) -> None:
    """Make it beside its place and move it there, so that no half of one is ever found."""
    with tempfile.TemporaryDirectory(dir=base) as made:
        place = Path(made) / "environment"
        uv = shutil.which("uv") or shutil.which("uv", path=str(BENCHMARKS.parent / ".uv" / "bin"))
        lock = ["--require-hashes", "--requirement", str(lock_file)]
        if uv:
            _run(uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(place))
            install = ["pip", "install", "--quiet", "--compile-bytecode", "--python", str(_python(place))]
            _run(uv, *install, *lock)
        else:
            _run(sys.executable, "-m", "venv", str(place))
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run(str(_python(place)), *install, *lock)
        (place / "ready").touch()
        place.rename(folder)


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=TIMEOUT_SECONDS)
