"""`docs/cli.md` names every command and every option, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from roadworthy.cli.main import app

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
SHARED = {"--project", "--environment", "--debug", "--help"}


def commands(command: Any, path: tuple[str, ...] = ("roadworthy",)) -> Iterator[tuple[str, Any]]:
    """Every command below this one, by the heading it must have."""
    below = getattr(command, "commands", None)
    if below is None:
        words = [one.metavar or one.name for one in command.params if one.param_type_name == "argument"]
        yield " ".join([*path, *words]), command
        return
    for name, one in below.items():
        yield from commands(one, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_page_has_a_section_for_each_command_and_no_other():
    """Headings and commands are the same, in the same order."""
    assert re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("heading", COMMANDS)
def test_a_section_names_exactly_the_command_s_options(heading):
    """Each row of the table is an option of the command, and the other way round."""
    section = PAGE.split(f"### `{heading}`\n")[1].split("\n### ")[0]
    options = [one.opts[0] for one in COMMANDS[heading].params if one.param_type_name == "option"]
    assert re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE) == [
        name for name in options if name not in SHARED
    ]


@pytest.mark.parametrize("heading", COMMANDS)
def test_every_command_takes_the_shared_options(heading):
    """`--project`, `--environment` and `--debug` may stand after the name of any command."""
    options = {name for one in COMMANDS[heading].params for name in one.opts}
    assert options >= SHARED - {"--help"}


@pytest.mark.parametrize("heading", COMMANDS)
def test_every_command_and_option_has_a_help_text(heading):
    """Nobody has to read code to learn what an option does."""
    command = COMMANDS[heading]
    assert command.help
    assert all(one.help for one in command.params)
