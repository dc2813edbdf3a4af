"""Small values that every folder shares: ids, time, money, tokens, JSON.

Times are integers, milliseconds since 1970 in UTC. Money is `Decimal` dollars in Python and integer
micro-dollars in storage. Ids are UUIDv7 (RFC 9562) behind a prefix that says whose they are, so they sort by
time of creation. Time and ids come from a `Clock` and an `Ids`, so that tests can hold them still.
"""

import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Protocol, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
"""What JSON can say; everything that is stored goes through it."""


class Clock(Protocol):
    """Where the time comes from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back, for durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()


class Ids(Protocol):
    """Where ids come from."""

    def new(self, prefix: str) -> str:
        """A fresh id, for example `run_019a…`."""
        ...


class RandomIds:
    """UUIDv7 ids: 48 bits of milliseconds, then 74 random bits.

    Those of one process rise, also within a millisecond and when the clock goes back: the next one is then
    the last one and a random step (RFC 9562, section 6.2, method 2). Safe to use from several threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """A fresh id, for example `run_019a…`."""
        random = int.from_bytes(os.urandom(10), "big")
        fresh = (self._clock.now_ms() & 0xFFFF_FFFF_FFFF) << 74 | random >> 6
        with self._lock:
            if fresh <= self._last:
                fresh = self._last + 1 + (random & _LONGEST_STEP)
            self._last = fresh
        value = (
            fresh >> 74 << 80 | 0x7 << 76 | (fresh >> 62 & 0xFFF) << 64 | 0b10 << 62 | fresh & _LAST_62_BITS
        )
        return f"{prefix}_{value:032x}"


_LONGEST_STEP = 0xFFFF_FFFF_FFFF_FFFF
_LAST_62_BITS = 0x3FFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request, or the sum over several."""

    input_tokens: int = 0
    """All tokens read, cached ones included."""
    output_tokens: int = 0
    """All tokens written, reasoning included."""
    cache_read_tokens: int = 0
    """The part of `input_tokens` that came from the provider's prefix cache."""
    cache_write_tokens: int = 0
    """The part of `input_tokens` that was written into the provider's prefix cache."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    @property
    def total_tokens(self) -> int:
        """Read and written."""
        return self.input_tokens + self.output_tokens


def to_micro_usd(amount_usd: Decimal) -> int:
    """Micro-dollars for storage, rounded up: a cost is never stored as less than it was."""
    return int((amount_usd * 1_000_000).to_integral_value(rounding=ROUND_CEILING))


def from_micro_usd(micro_usd: int) -> Decimal:
    """Dollars, exactly."""
    return Decimal(micro_usd) / 1_000_000


def iso(time_ms: int) -> str:
    """A stored time for people and JSON, for example `2026-03-01T09:30:00.250Z`."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
