"""`roadworthy init`: make a project that runs at once."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command, program


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(init)


def init(
    place: Place,
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
    name: Annotated[str | None, typer.Option(help="The project's name; else the folder's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project: settings, a workflow, a prompt with its evaluations, and a model that needs no key."""
    from roadworthy import __version__
    from roadworthy.cli import terminal
    from roadworthy.cli.starter import CI, FILES, SETTINGS

    del place
    called = _name(name if name is not None else folder.resolve().name)
    _require_empty(folder)
    for path, text in FILES.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        filled = {SETTINGS: {"name": json.dumps(called)}, CI: {"version": __version__}}.get(text)
        content = text.format_map(filled) if filled else text
        file.write_text(content, encoding="utf-8", newline="\n")
    commands = _next(folder)
    if as_json:
        terminal.print_json(
            {"project": called, "folder": str(folder), "files": list(FILES), "next": commands}
        )
        return
    terminal.say(f"Made {terminal.clean(str(folder))} with {len(FILES)} files. Next:")
    terminal.say()
    for line in commands:
        terminal.say(f"  {line}")


def _next(folder: Path) -> list[str]:
    """Commands that work as they stand."""
    enter = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    called = program()
    if enter and called != "roadworthy":
        called = str(Path(called).absolute())
    words = [
        ["run", "sort_message", "--input", '{"text": "Where is my parcel?"}'],
        ["batch", "run", "sort_message", "messages.jsonl", "--table"],
        ["eval", "sort-message"],
        ["runs", "list"],
        ["config", "check"],
    ]
    return [*enter, *(shlex.join([called, *one]) for one in words)]


def _name(text: str) -> str:
    from roadworthy.errors import InvalidInput

    if not text or not text.isprintable() or text != text.strip():
        raise InvalidInput(
            "A project's name is printable text on one line, without spaces at its ends.",
            hint="Give one with --name.",
        )
    return text


def _require_empty(folder: Path) -> None:
    from roadworthy.errors import InvalidInput

    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{str(folder)!r} is a file.", hint="Name a new or empty folder.")
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidInput(
            f"The folder {str(folder)!r} is not empty; nothing was written.", hint="Name a new folder."
        )
