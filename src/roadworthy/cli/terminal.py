"""What is printed, for people and for programs, safe against what it shows.

Texts from outside (tickets, answers, errors) are never read as markup, and what could steer a terminal is
written out. A stream that cannot show a character gets it escaped.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_PIPE_WIDTH = 200
"""Characters of a line where no terminal says how many it has."""

_WIDE_TERMINAL = 120
_SHORT_ID_CHARS = 24
"""Of an id: its prefix, its time, and enough chance to tell it from others of the same moment."""

STYLES = {
    "succeeded": "green",
    "skipped": "cyan",
    "rejected": "cyan",
    "approved": "green",
    "edited": "green",
    "running": "yellow",
    "queued": "dim",
    "waiting": "blue",
    "parked": "magenta",
    "dead": "red",
    "failed": "red",
    "cancelled": "magenta",
    "stopped": "magenta",
    "lost": "magenta",
    "invalid": "red",
    "alive": "green",
    "ok": "green",
    "error": "red",
    "warning": "yellow",
}
"""How a state looks."""


def prepare_streams() -> None:
    """Let no character that the terminal's encoding lacks end the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@cache
def console(*, errors: bool = False) -> "Console":
    """The console on standard output, or on standard error."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    fixed = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(stderr=errors, markup=False, emoji=False, highlight=False, soft_wrap=False, width=fixed)


def is_terminal() -> bool:
    """Whether a person watches standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def clean(value: object, *, lines: bool = False, most: int = 0) -> str:
    """A value as text that cannot steer a terminal: on one line unless `lines`, `most` characters at most."""
    from roadworthy.telemetry.logs import visible

    text = str(value)
    if most and len(text) > most:
        text = f"{text[: most - 3]}..."
    return visible(text, one_line=not lines)


def styled(state: object) -> "Text":
    """A state in its colour."""
    from rich.text import Text

    return Text(str(state), style=STYLES.get(str(state), ""))


def say(text: str = "", *, style: str = "", errors: bool = False) -> None:
    """Print a line that is already clean; it is wrapped by the terminal only, so that it can be copied."""
    console(errors=errors).print(text, style=style or None, soft_wrap=True)


def short_id(whole: str) -> str:
    """An id for a table: as much of it as commands need, where a terminal is narrow."""
    narrow = is_terminal() and console().width < _WIDE_TERMINAL
    return whole[:_SHORT_ID_CHARS] if narrow else whole


def table(*columns: str, right: Sequence[str] = (), whole: Sequence[str] = ()) -> "Table":
    """An empty table; columns named in `right` hold figures, and those in `whole` are not broken either."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=name in right or name in whole,
        )
    return made


def show(thing: object) -> None:
    """Print a table or a tree."""
    console().print(thing)


def print_json(document: object) -> None:
    """Print the one JSON document of a command; ASCII, so that every terminal and pipe takes it."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def short_json(value: object, most: int = 2000) -> str:
    """A JSON value on one line for people."""
    return clean(json.dumps(value, ensure_ascii=False), most=most)


def seconds(value: float | None) -> str:
    """A duration for a table."""
    return "" if value is None else f"{value:.1f}"


def usd(micro_usd: int, *, known: bool = True) -> str:
    """A cost for a table; `?` where a price is unknown."""
    if not known:
        return "?"
    return "0" if micro_usd == 0 else f"{micro_usd / 1_000_000:.6f}".rstrip("0")


def listing(items: Iterable[Any]) -> str:
    """Words, separated by commas."""
    return ", ".join(str(item) for item in items)
