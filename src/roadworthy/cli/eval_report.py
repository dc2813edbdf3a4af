"""Where a report of `roadworthy eval` goes: to standard output, or into a file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.cli import terminal

if TYPE_CHECKING:
    from roadworthy.evals.reports import Report

FOLDER = Path(".roadworthy", "reports")


@dataclass(frozen=True, slots=True)
class Reporting:
    """A report that is asked for."""

    format: str
    output: Path | None

    @property
    def prints(self) -> bool:
        """Whether standard output is the report's, and nobody else's."""
        return self.output is None and self.format != "html"

    def write(self, reports: "Sequence[Report]", root: Path) -> None:
        """Write it, and say where it is. Raises `InvalidInput` where that cannot be written."""
        from roadworthy.evals.reports import FORMATS

        written = FORMATS[self.format]
        if self.prints:
            sys.stdout.write(written(reports))
        elif self.output is not None:
            write(self.output, written(reports))
        else:
            for one in reports:
                write(root / FOLDER / f"{one.suite}.html", written([one]))


def reporting(format_: str | None, output: Path | None) -> Reporting | None:
    """The report that options ask for; None where they ask for none. Raises `InvalidInput`."""
    from roadworthy.errors import InvalidInput, did_you_mean
    from roadworthy.evals.reports import FORMATS

    if format_ is None:
        if output is not None:
            raise InvalidInput("--output is where a report goes.", hint="Say which one: --report html")
        return None
    if format_ not in FORMATS:
        hint = did_you_mean(format_, FORMATS)
        raise InvalidInput(f"--report is one of {', '.join(FORMATS)}, not {format_!r}.", hint=hint)
    return Reporting(format_, output)


def write(path: Path, text: str) -> None:
    """Write a report, and say where it is. Raises `InvalidInput` where that cannot be written."""
    from roadworthy.errors import InvalidInput

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InvalidInput(f"The report {str(path)!r} cannot be written ({error.strerror}).") from error
    terminal.say(f"Report: {terminal.clean(str(path))}")
