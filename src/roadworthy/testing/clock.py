"""Time and ids that stand still: `FakeClock` and `FixedIds`, for all that takes a `Clock` or an `Ids`."""

import threading
from datetime import UTC, datetime


class FakeClock:
    """A clock that moves only when it is told to. Safe to use from several threads."""

    def __init__(self, now: datetime | int = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """`now` is a moment with a time zone, or milliseconds since 1970 in UTC."""
        self._lock = threading.Lock()
        self._start_ms = _milliseconds(now)
        self._elapsed_ms = 0.0
        self._offset_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return self._start_ms + self._offset_ms + int(self._elapsed_ms)

    def monotonic(self) -> float:
        """Seconds since the clock was made; never goes back."""
        return self._elapsed_ms / 1000

    def advance(self, seconds: float) -> None:
        """Let time pass, on both scales.

        Raises:
            ValueError: `seconds` is negative; to turn the wall clock back, use `set`.
        """
        if seconds < 0:
            message = f"A clock cannot advance by {seconds:g} s; use set() to turn the wall clock back."
            raise ValueError(message)
        with self._lock:
            self._elapsed_ms += seconds * 1000

    def set(self, now: datetime | int) -> None:
        """Turn the wall clock, forwards or back, as an operator or NTP would; `monotonic` stays as it is."""
        with self._lock:
            self._offset_ms = _milliseconds(now) - self._start_ms - int(self._elapsed_ms)


class FixedIds:
    """Ids that count: `run_0001`, `run_0002`, `call_0001`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def new(self, prefix: str) -> str:
        """The next id with this prefix."""
        with self._lock:
            count = self._counts.get(prefix, 0) + 1
            self._counts[prefix] = count
        return f"{prefix}_{count:04d}"


def _milliseconds(moment: datetime | int) -> int:
    if isinstance(moment, int):
        return moment
    if moment.tzinfo is None:
        message = f"The moment {moment.isoformat()} has no time zone; say which, for example tzinfo=UTC."
        raise ValueError(message)
    return round(moment.timestamp() * 1000)
