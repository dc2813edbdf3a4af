"""`docs/deploy.md`: its backup works while the database is open; its settings and commands exist."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import typer

from roadworthy import App
from roadworthy.cli.main import app
from roadworthy.settings import Sections

PAGE = (Path(__file__).parents[3] / "docs" / "deploy.md").read_text(encoding="utf-8")


def test_the_backup_holds_what_was_committed(shown_and_real, fits, tmp_path):
    """Also of a database that a process has open, with all that is in its write-ahead log."""
    (tmp_path / "roadworthy.toml").touch()
    project = App.load(tmp_path)
    project.open()
    try:
        for command, shown, real in shown_and_real("deploy.md"):
            if command.startswith("roadworthy"):
                assert fits(shown, real), (command, real)
            else:
                program = [sys.executable, *command.split()[1:]]
                subprocess.run(program, cwd=tmp_path, check=True, timeout=30)
    finally:
        project.database.close()
    with closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        assert backup.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert backup.execute("SELECT count(*) FROM prompt_versions").fetchone() == (0,)


def test_every_setting_and_command_of_the_page_exists():
    """Settings as `section.key` or as a variable, commands in the blocks."""
    sections = Sections.model_fields
    named = {tuple(one.split(".")) for one in re.findall(r"`([a-z_]+\.[a-z_]+)`", PAGE)}
    named |= {tuple(one.lower().split("__")) for one in re.findall(r"ROADWORTHY__([A-Z]+__[A-Z_]+)", PAGE)}
    files = {one for one in named if one[1] in ("yaml", "py", "toml", "txt")}
    assert len(named - files) > 5
    for section, key in named - files:
        assert key in sections[section].annotation.model_fields, (section, key)
    commands = typer.main.get_command(app).commands
    used = re.findall(r"^(?:.*[;&] |.*`)?roadworthy ([a-z]+)", PAGE, re.MULTILINE)
    assert used
    assert set(used) <= commands.keys()
