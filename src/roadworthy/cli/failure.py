"""Says what went wrong: one message and what to do, on standard error; a traceback only with `--debug`."""

import errno
import json
import sys
import traceback
from typing import Any

from roadworthy.errors import Bug, RoadworthyError, SettingsError, UserError

USAGE = 2
FAILED = 1


def report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Print the error; returns the exit code."""
    if debug:
        traceback.print_exception(error)
    told = error if isinstance(error, RoadworthyError) else _translated(error)
    if told is None:
        told = Bug(
            f"An unexpected {type(error).__name__}: {_first_line(error)}",
            hint="" if debug else "Run the same command with --debug to see where.",
        )
    if as_json:
        print_error(told.code, told.message, told.hint, _details(told))
    else:
        print_text(told.message, told.hint)
    return USAGE if isinstance(told, UserError) else FAILED


def print_error(code: str, message: str, hint: str, details: Any = None) -> None:
    """An error for programs."""
    document: dict[str, Any] = {"code": code, "message": message, "hint": hint, "details": details or {}}
    sys.stderr.write(json.dumps(document, default=str) + "\n")


def print_text(message: str, hint: str = "") -> None:
    """An error for people."""
    from roadworthy.cli.terminal import clean

    lines = [clean(line, most=2000) for line in message.splitlines()] or ["something failed"]
    sys.stderr.write(f"error: {lines[0]}\n")
    sys.stderr.writelines(f"       {line}\n" for line in lines[1:])
    if hint:
        sys.stderr.write(f"  hint: {clean(hint, most=2000)}\n")


def _details(error: RoadworthyError) -> dict[str, Any]:
    details = dict(error.details)
    if isinstance(error, SettingsError):
        details["faults"] = [
            {"message": fault.message, "file": fault.file, "line": fault.line, "key": fault.key}
            for fault in error.faults
        ]
    kind = getattr(error, "kind", None)
    if kind is not None:
        details["kind"] = str(kind)
    return details


def _translated(error: BaseException) -> RoadworthyError | None:
    if isinstance(error, RecursionError):
        return UserError("The value is nested too deeply.", hint="Flatten it.")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return RoadworthyError("The disk is full.", hint="Free some space; nothing that was stored is lost.")
    if isinstance(error, OSError) and error.strerror:
        what = f" {error.filename!r}" if error.filename else ""
        return RoadworthyError(f"The system refuses{what}: {error.strerror}.")
    return None


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else "no message"
