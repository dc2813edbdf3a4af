"""`roadworthy serve` and `worker` as processes of their own, in a project in the test's folder."""

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roadworthy.access import Grant, Principal, Role
from roadworthy.app import App


class Served:
    """A `roadworthy serve` or `worker`."""

    def __init__(self, folder: Path, *words: str) -> None:
        program = [sys.executable, "-m", "roadworthy.cli.main", *words, "--project", str(folder)]
        self.process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self.log: list[str] = []
        self._reading = threading.Thread(target=lambda: self.log.extend(self.process.stderr))
        self._reading.start()

    def url(self) -> str:
        """Where it serves, or tells its health."""
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.match(r"(?:Serving|Health) at (\S+)", line):
                return found[1]
        raise AssertionError("".join(self.log))

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._reading.join(10)
        self.process.stdout.close()
        self.process.stderr.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start a process in the project; all of them are gone afterwards."""
    started: list[Served] = []

    def begin(*words: str) -> Served:
        started.append(Served(tmp_path, *words))
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def key(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Make the header of a new key."""

    def made(url: str = "") -> dict[str, str]:
        app = App.load(tmp_path, overrides={"database.url": url} if url else None)
        me, grants = Principal.terminal("t"), (Grant(Role.SERVICE), Grant(Role.OPERATOR))
        _, secret = asyncio.run(app.access.create_key(me, "k", grants=grants))
        app.database.close()
        return {"authorization": f"Bearer {secret}"}

    return made
