"""What logs and spans may say about an exception.

The text of an exception often quotes what was being worked on: a validation error shows the input, a
provider's error the prompt. So unless `telemetry.capture_content` is on, only these texts are shown: our own
errors that are not about a value, and the operating system's names for its errors. Of everything else the
class and the frames are shown, and the text is with the run, in the database.
"""

import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from roadworthy.errors import (
    InvalidAnswer,
    ProviderError,
    RenderError,
    RoadworthyError,
    StepFailed,
    UserError,
)

WITHHELD: Final = "(text withheld: telemetry.capture_content is off)"
_QUOTING: Final = (UserError, RenderError, InvalidAnswer, StepFailed)
"""Our own errors whose messages may quote an input or an answer."""
_CHAIN: Final = 5
_FRAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Described:
    """An exception in words that may be logged, once they are scrubbed."""

    kind: str
    """An `ErrorKind` value, the `code` of one of our errors, or the name of the exception's class."""
    text: str
    traceback: str


def kind_of(error: BaseException) -> str:
    """The kind by which errors are counted."""
    if isinstance(error, ProviderError):
        return error.kind.value
    if isinstance(error, RoadworthyError):
        return error.code
    return type(error).__name__


def describe(error: BaseException, *, capture_content: bool) -> Described:
    """The exception, with the ones that led to it in the order in which they happened."""
    parts: list[str] = []
    for link in reversed(list(_chain(error))):
        parts += traceback.format_tb(link.__traceback__, limit=-_FRAMES)
        parts.append(f"{_line(link, capture_content)}\n")
        if isinstance(link, BaseExceptionGroup):
            members = cast("BaseExceptionGroup[BaseException]", link).exceptions[:_CHAIN]
            parts += [f"  with {_line(member, capture_content)}\n" for member in members]
    return Described(kind_of(error), _text(error, capture_content), "".join(parts))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < _CHAIN:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _line(error: BaseException, capture_content: bool) -> str:
    text = _text(error, capture_content)
    name = type(error).__qualname__
    return f"{name}: {text}" if text else name


def _text(error: BaseException, capture_content: bool) -> str:
    if capture_content or (isinstance(error, RoadworthyError) and not isinstance(error, _QUOTING)):
        return safe_str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return WITHHELD if error.args else ""


def safe_str(value: object) -> str:
    """The value as text, also when its own `__str__` fails: a log line must not break what it reports on."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a user's class may raise anything here
        return f"<{type(value).__name__} whose __str__ raised {type(error).__name__}>"
