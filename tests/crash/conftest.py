"""Worker processes to kill, and what lies outside of their database: a ledger, an outbox, gates."""

import asyncio
import contextlib
import importlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

PROJECT = Path(__file__).parent / "project"


class Lab:
    """One database, one folder outside of it, and the processes that work on them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.processes: list[subprocess.Popen[bytes]] = []
        for name in ("markers", "outbox"):
            (folder / name).mkdir()

    def worker(self, *, gates: str = "open", **settings: Any) -> subprocess.Popen[bytes]:
        """Start a worker; `settings` are those of `[workers]`."""
        environment = {
            **os.environ,
            "CRASH_FOLDER": str(self.folder),
            "CRASH_GATES": gates,
            "ROADWORTHY__DATABASE__URL": self.url,
            **{f"ROADWORTHY__WORKERS__{name.upper()}": str(value) for name, value in settings.items()},
        }
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "worker.py"], cwd=PROJECT, env=environment, stderr=log
            )
        self.processes.append(process)
        return process

    async def ready(self, *processes: subprocess.Popen[bytes]) -> None:
        """Wait until workers take runs."""
        await self.until(lambda: all((self.folder / f"ready-{one.pid}").exists() for one in processes))

    async def until(self, condition: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait for a condition."""
        give_up_at = time.monotonic() + seconds
        while not condition():
            died = any(one.poll() not in (None, -signal.SIGKILL) for one in self.processes)
            if died or time.monotonic() > give_up_at:
                pytest.fail(f"This did not happen within {seconds} s; the workers said:\n{self.log}")
            await asyncio.sleep(0.05)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process as a power cut would."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    async def freeze(self, process: subprocess.Popen[bytes]) -> None:
        """Stop a process as a suspended machine would, at a moment when it holds no lock in the database."""
        while True:
            process.send_signal(signal.SIGSTOP)
            if not _in_transaction(self.url):
                return
            process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0)

    @property
    def markers(self) -> set[str]:
        """The gates at which a run has arrived, as `step:phase`."""
        return {path.name for path in (self.folder / "markers").iterdir()}

    @property
    def log(self) -> str:
        """What the workers said."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def entries(self, file: str = "ledger.jsonl") -> list[dict[str, Any]]:
        """The lines of a file outside of the database."""
        return importlib.import_module("outside").entries(
            self.folder, file
        )  # the project's, on the path by now

    def done(self, run_id: str) -> Counter[str]:
        """How often each step of a run has done its work."""
        return Counter(str(entry["step"]) for entry in self.entries() if entry["run"] == run_id)

    def release(self) -> None:
        """Open the gates of the workers that live."""
        (self.folder / "released").touch()

    def stop(self) -> None:
        """End every process that was started here."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill(process)


def _in_transaction(url: str) -> bool:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        with contextlib.closing(sqlite3.connect(str(address.database), timeout=0.2)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%in trans%'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query).fetchone()
        return found is not None and found[0] > 0


@pytest.fixture
def make_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Lab]]:
    """Set up a laboratory on the database of an address; its processes are ended afterwards."""
    labs: list[Lab] = []

    def make(url: str) -> Lab:
        folder = tmp_path / "outside"
        folder.mkdir()
        monkeypatch.setenv("ROADWORTHY__DATABASE__URL", url)
        monkeypatch.syspath_prepend(PROJECT)
        labs.append(Lab(folder, url))
        return labs[-1]

    yield make
    for lab in labs:
        lab.stop()


@pytest.fixture
def lab(fresh_database_url: str, make_lab: Callable[[str], Lab]) -> Lab:
    """A laboratory on each kind of database."""
    return make_lab(fresh_database_url)


@pytest.fixture
def desk(lab: Lab) -> Iterator[ModuleType]:
    """The project, as a program that starts and watches runs but does no work."""
    yield from load_desk()


def load_desk() -> Iterator[ModuleType]:
    """Import the project anew, and forget it again."""
    yield importlib.import_module("desk")
    for name in ("desk", "outside"):
        sys.modules.pop(name, None)
