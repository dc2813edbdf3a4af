"""Log lines: one JSON object a line for machines, or one line of text for people.

A line says when, how grave, who and what; which run, step, call and prompt version were at work; and the
fields of an event. Every value is scrubbed of secrets and cut to a bounded length, and characters that could
forge another line or steer a terminal are written out. `configure` sets up the logging of a process that we
own (the command line, a worker); a program that uses the library keeps its own, and may give its handlers one
of the formatters.
"""

import json
import logging
import math
import re
import sys
from decimal import Decimal
from typing import Any, Final, TextIO, cast

from roadworthy.records import iso
from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry.context import bound
from roadworthy.telemetry.failures import describe, safe_str
from roadworthy.telemetry.scrubber import Scrubber

ENVELOPE: Final = ("ts", "level", "logger", "message")
"""Keys of every JSON line; no event has a field of these names."""
QUIET: Final = (
    "alembic",
    "anthropic",
    "boto3",
    "botocore",
    "dbos",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "openai",
    "urllib3",
    "uvicorn",
)
"""Libraries that tell at `info` what our own events say better: only warnings of theirs are shown."""

_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line separators, marks that reorder or hide text, halves of characters."""
_UNSAFE_IN_LINE: Final = re.compile(rf"[\n\t]|{_UNSAFE.pattern}")
_PLAIN: Final = re.compile(r"[^\s\"=]+")


class CleanFields(dict[str, Any]):
    """Fields of an event, already scrubbed and cut."""


def visible(text: str, *, one_line: bool) -> str:
    r"""Unsafe characters written out, as `\x1b`; line breaks and tabs too where it must stay on one line."""
    if text.isprintable():  # then it has none, as most; the search takes four times as long
        return text
    return (_UNSAFE_IN_LINE if one_line else _UNSAFE).sub(lambda match: ascii(match[0])[1:-1], text)


class _Formatter(logging.Formatter):
    """What both formats share: which fields a record has, and that none of them says a secret."""

    def __init__(self, scrubber: Scrubber, *, capture_content: bool = False) -> None:
        super().__init__()
        self._scrubber = scrubber
        self._capture_content = capture_content

    def _message(self, record: logging.LogRecord) -> str:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit, or whose __str__ fails: say what there is
            text = f"{safe_str(record.msg)} {safe_str(record.args)}"
        return self._scrubber.clip(text)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            name: self._scrubber.clip(value) for name, value in bound.get().fields().items()
        }
        extra = getattr(record, "roadworthy", None)
        if isinstance(extra, CleanFields):
            fields |= extra
        elif record.exc_info and record.exc_info[1]:
            fields |= clean_error(record.exc_info[1], self._scrubber, capture_content=self._capture_content)
        return fields


class JsonFormatter(_Formatter):
    """One JSON object a line: `ENVELOPE`, then what is known of the work at hand, then the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one JSON object."""
        line: dict[str, Any] = {
            "ts": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            **self._fields(record),
        }
        return json.dumps({key: _for_json(value) for key, value in line.items()})


class TextFormatter(_Formatter):
    """One line for people; a traceback follows it, indented, so that no text of it can pass for a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and its traceback if it has one."""
        fields = self._fields(record)
        trace = fields.pop("traceback", "")
        head = f"{iso(int(record.created * 1000))} {record.levelname:7} {record.name}  "
        message = visible(self._message(record), one_line=True)
        words = [f"{name}={_for_text(value)}" for name, value in fields.items() if value is not None]
        lines = [head + "  ".join((message, *words))]
        lines += [f"    | {line}" for line in visible(trace, one_line=False).split("\n") if line]
        return "\n".join(lines)


def clean_value(value: object, scrubber: Scrubber) -> str | int | float | bool | None:
    """A value that may leave: numbers as they are, everything else as scrubbed and bounded text."""
    kind = type(value)
    if kind is str:
        return scrubber.clip(cast("str", value))
    if kind is int:
        return cast("int", value)
    if isinstance(value, Decimal):
        value = float(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return scrubber.clip(safe_str(value))


def clean_error(error: BaseException, scrubber: Scrubber, *, capture_content: bool) -> dict[str, str]:
    """`error_type`, `error` and `traceback` of an exception."""
    described = describe(error, capture_content=capture_content)
    return {
        "error_type": scrubber.clip(type(error).__qualname__),
        "error": scrubber.clip(described.text),
        "traceback": scrubber.clip(described.traceback),
    }


def configure(settings: TelemetrySettings, scrubber: Scrubber, *, stream: TextIO | None = None) -> None:
    """Set up the logging of this process: one handler, to standard error unless told otherwise.

    For a process that we own. Called again, it replaces what it set up; other handlers stay.
    """
    formatter = JsonFormatter if settings.log_format == "json" else TextFormatter
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(formatter(scrubber, capture_content=settings.capture_content))
    root = logging.getLogger()
    for former in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))


class _Handler(logging.StreamHandler[TextIO]):
    """The handler that `configure` sets up, known by its class."""


def _for_json(value: Any) -> Any:
    return visible(value, one_line=False) if isinstance(value, str) else value


def _for_text(value: object) -> str:
    text = safe_str(value)
    if _PLAIN.fullmatch(text) and not _UNSAFE.search(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{visible(quoted, one_line=True)}"'
