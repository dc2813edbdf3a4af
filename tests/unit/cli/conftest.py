"""A made project, and the command line called in this process, as a test needs them."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from roadworthy.cli import terminal
from roadworthy.cli.main import execute


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


Call = Callable[..., Outcome]


@pytest.fixture
def roadworthy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Call a command in this process; variables it brings in are gone afterwards."""
    path, variables = list(sys.path), dict(os.environ)
    monkeypatch.setattr(sys, "argv", ["roadworthy"])
    terminal.console.cache_clear()

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        code = execute([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err or "--debug" in words
        return Outcome(code, out, err)

    yield call
    sys.path[:] = path
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)
    terminal.console.cache_clear()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `roadworthy init` makes it, with its database; to be copied."""
    folder = tmp_path_factory.mktemp("made") / "desk"
    assert execute(["init", str(folder)]) == 0
    assert execute(["db", "upgrade", "--project", str(folder)]) == 0
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, roadworthy: Call, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as `roadworthy init` makes it; the current folder."""
    folder = shutil.copytree(made, tmp_path / "desk")
    monkeypatch.chdir(folder)
    return folder
