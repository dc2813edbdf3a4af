"""How fast a provider wants to be asked, by its own word: `Pacing`, one for each model of a process.

`Retry-After` holds every request to the model back, not only the one that was told. So do rate headers that
say that nothing is left: `x-ratelimit-*` (OpenAI and those who speak like it) and `anthropic-ratelimit-*`.
Both refill an allowance evenly, and `reset` is when it is full again; where they also say how much that is,
the wait is only until there is enough for the next request. What cannot be read is ignored.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime

from roadworthy.records import Clock

LONGEST_SECONDS = 60.0
"""No header makes us wait longer before we ask again: it may be wrong, and clocks differ."""

_TOKENS_SHARE = 0.1
"""With no tokens left, a tenth of them is waited for: how many the next request needs is not known here."""

_KINDS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-limit-requests", True),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-ratelimit-limit-tokens", False),
    *(
        (f"{start}-remaining", f"{start}-reset", f"{start}-limit", start.endswith("requests"))
        for start in (
            "anthropic-ratelimit-requests",
            "anthropic-ratelimit-tokens",
            "anthropic-ratelimit-input-tokens",
            "anthropic-ratelimit-output-tokens",
        )
    ),
)
"""Headers for what is left, when it is full again, and how much that is; whether they count requests."""

_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(d|h|ms|m|s|us|µs|ns)")
_UNIT_SECONDS = {
    "d": 86_400.0,
    "h": 3_600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_LONGEST_TEXT = 40


class Pacing:
    """Until when one model is not asked."""

    __slots__ = ("_clock", "_until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0

    def note(self, headers: Mapping[str, str], now_ms: int) -> None:
        """Read the rate headers of a response; names are in lower case."""
        for remaining, reset, limit, counts_requests in _KINDS:
            if remaining in headers and _is_spent(headers[remaining]):
                seconds = _reset_seconds(headers.get(reset, ""), now_ms)
                if seconds is not None:
                    self._hold(seconds * _share(headers.get(limit, ""), counts_requests=counts_requests))
        if "retry-after" in headers:
            self._hold(_number(headers["retry-after"]))

    def retry_after(self, seconds: float) -> None:
        """Hold requests back for so long, a minute at most."""
        self._hold(seconds)

    def wait_seconds(self) -> float:
        """How long the next request has to wait; 0 when it may be sent."""
        if not self._until:
            return 0.0
        left = self._until - self._clock.monotonic()
        if left <= 0:
            self._until = 0.0
            return 0.0
        return left

    def _hold(self, seconds: float | None) -> None:
        if seconds is not None and math.isfinite(seconds) and seconds > 0:
            until = self._clock.monotonic() + min(seconds, LONGEST_SECONDS)
            self._until = max(self._until, until)


def _is_spent(text: str) -> bool:
    number = _number(text)
    return number is not None and number < 1


def _share(limit: str, *, counts_requests: bool) -> float:
    """The part of the allowance that is waited for; all of it when its size is not known."""
    size = _number(limit)
    if size is None or size < 1:
        return 1.0
    return 1.0 / size if counts_requests else max(_TOKENS_SHARE, 1.0 / size)


def _reset_seconds(text: str, now_ms: int) -> float | None:
    """Seconds from a duration (`6m0s`, `120ms`), a number of seconds, or a moment (RFC 3339)."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        return number
    if not text or len(text) > _LONGEST_TEXT:
        return None
    parts = _PART.findall(text)
    if parts and "".join(f"{amount}{unit}" for amount, unit in parts) == text:
        return sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in parts)
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else moment.timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text) if len(text) <= _LONGEST_TEXT else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
