"""One open span: a run, a step, a call, or an attempt.

This class is what the helpers of `Telemetry` return when no exporter is configured: it binds the ids for log
lines and does nothing else. `recording.RecordedSpan` is the same, with an OpenTelemetry span behind it.
"""

from collections.abc import Iterable
from contextvars import Token
from types import TracebackType
from typing import Self, Unpack

from roadworthy.telemetry.attributes import Fields
from roadworthy.telemetry.context import Bound, bound


class Span:
    """A context manager around a piece of work. Not to be entered twice."""

    __slots__ = ("_bound", "_token")

    def __init__(self, ids: Bound) -> None:
        self._bound = ids
        self._token: Token[Bound] | None = None

    def __enter__(self) -> Self:
        self._token = bound.set(self._bound)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            try:
                bound.reset(self._token)
            except ValueError:  # left in another task than it was entered in: nothing to take back here
                return
            finally:
                self._token = None

    def set(self, **fields: Unpack[Fields]) -> None:
        """Note what has become known; `docs/telemetry.md` lists the attributes."""

    def fail(self, error: BaseException) -> None:
        """Mark the work as failed without raising. An exception that leaves the block does this by itself."""

    def capture(self, *, messages: Iterable[tuple[str, str]] = (), answer: str | None = None) -> None:
        """Note (role, text) of what was sent, and what came back; needs `telemetry.capture_content`."""
