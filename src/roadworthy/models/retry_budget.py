"""How many retries a process may make: `RetryBudget`.

When a provider is down, every call wants to be retried, and retries become most of the load that keeps it
down. So a retry is paid for: each first request earns a share of one (`retry_ratio`), up to what a hundred
requests earn; and a few a minute (`retries_per_minute_floor`) are free: a quiet process can retry, too.
"""

from threading import Lock

from roadworthy.records import Clock
from roadworthy.settings import ResilienceSettings

_WHOLE = 1_000_000
"""A retry in millionths: shares of retries add up exactly."""
_SAVED_REQUESTS = 100
"""What more requests than this have earned is not kept: a sudden outage meets no pile of saved retries."""
_MINUTE_SECONDS = 60.0


class RetryBudget:
    """The retries of all models together. One for a process; usable from any thread."""

    def __init__(self, settings: ResilienceSettings, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._earns = round(settings.retry_ratio * _WHOLE)
        self._most_earned = max(self._earns * _SAVED_REQUESTS, _WHOLE) if self._earns else 0
        self._earned = 0
        self._floor = settings.retries_per_minute_floor
        self._free = float(self._floor)
        self._refilled_at = clock.monotonic()

    def request(self) -> None:
        """Note a first request: one that is no retry."""
        with self._lock:
            self._earned = min(self._earned + self._earns, self._most_earned)

    def allow(self) -> bool:
        """Whether one retry may be made now. It is taken as made."""
        with self._lock:
            if self._earned >= _WHOLE:
                self._earned -= _WHOLE
                return True
            now = self._clock.monotonic()
            refill = (now - self._refilled_at) * self._floor / _MINUTE_SECONDS
            self._free, self._refilled_at = min(self._free + refill, float(self._floor)), now
            if self._free >= 1:
                self._free -= 1
                return True
            return False
