"""Runs the commands of a page: each `$ ` line of its console blocks, in a project of the page's own files."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from roadworthy.cli import terminal
from roadworthy.cli.main import execute

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def shown_and_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], list[tuple[str, str, str]]]:
    """For each command of a page: the command, what the page shows, and what it really prints.

    Spaces count as one; `…` on the page stands for anything on that line, alone on a line for any lines.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["roadworthy"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    terminal.console.cache_clear()

    def run(name: str) -> list[tuple[str, str, str]]:
        page = (DOCS / name).read_text(encoding="utf-8")
        for file, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", page, re.DOTALL):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text)
        found: list[tuple[str, str, str]] = []
        for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
            for part in block.split("$ ")[1:]:
                command, _, shown = part.partition("\n")
                capsys.readouterr()
                execute(shlex.split(command)[1:])
                out, err = capsys.readouterr()
                found.append((command, shown, out + err))
        return found

    return run


def fits(shown: str, real: str) -> bool:
    """Whether a command printed what the page shows."""
    lines = [" ".join(line.split()) for line in shown.strip().splitlines()]
    pattern = "\n".join("(?:.*\n)*?.*" if line == "…" else re.escape(line) for line in lines)
    pattern = pattern.replace("…", ".*")
    return (
        re.fullmatch(pattern, "\n".join(" ".join(line.split()) for line in real.strip().splitlines()))
        is not None
    )


@pytest.fixture(name="fits")
def fits_fixture() -> Callable[[str, str], bool]:
    """The comparison, for tests."""
    return fits
