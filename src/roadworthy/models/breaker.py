"""A circuit breaker for one model: whoever keeps failing is left alone for a while.

    closed      requests pass; enough failed or slow ones in the window open it
    open        no request passes, for `open_seconds`, longer each time that a probe fails
    half open   `probes` requests at a time find out; so many successes in a row close it, a failure opens it

A request enters with a `Ticket` and leaves with an `Outcome`, once. What it says counts only for the state in
which it entered: an answer from before an outage does not end it. Time is the monotonic clock's.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from roadworthy.errors import ErrorKind
from roadworthy.models.outcome import Outcome
from roadworthy.records import Clock
from roadworthy.settings import BreakerSettings

_BUCKETS = 30
"""The window moves on in so many parts: by the second where it is half a minute long."""
_HOPELESS_IN_A_ROW = 3
_PROBING_SECONDS = 1.0
"""When to come again while others probe."""


class State(StrEnum):
    """Whether a model is asked."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is not."""
    HALF_OPEN = "half_open"
    """A few requests find out whether it works again."""


@dataclass(frozen=True, slots=True)
class Change:
    """A breaker is in another state now."""

    state: State
    was: State
    open_seconds: float = 0.0
    """How long it stays open."""
    error_kind: ErrorKind | None = None
    """What opened it; None where it was slowness or another process."""
    by: str = ""
    """The process that said so; empty for this one."""


class Ticket:
    """One request on its way through a breaker."""

    __slots__ = ("is_probe", "period")

    def __init__(self, period: int, *, is_probe: bool) -> None:
        self.period = period
        """Which of the breaker's states it entered in; -1 once it has left."""
        self.is_probe = is_probe


class Breaker:
    """The breaker of one model in this process. Usable from any thread.

    `probe_seconds`: a probe that has not left by then is given up. `changed` is told of every change, outside
    of the lock.
    """

    def __init__(
        self,
        settings: BreakerSettings,
        clock: Clock,
        *,
        probe_seconds: float,
        changed: Callable[[Change], None] = lambda _change: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._probe_seconds = probe_seconds
        self._changed = changed
        self._lock = Lock()
        self._state = State.CLOSED
        self._period = 0
        self._window = Window(settings.window_seconds)
        self._hopeless = 0
        self._open_seconds = settings.open_seconds
        self._until = 0.0
        self._probes: dict[Ticket, float] = {}
        self._well = 0

    @property
    def state(self) -> State:
        """Where it stands. Open becomes half open when the next request comes."""
        return self._state

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many requests of the window ended, failed, and were slow."""
        with self._lock:
            self._window.forget(self._clock.monotonic())
            return self._window.ended, self._window.failed, self._window.slow

    @property
    def probing(self) -> int:
        """How many probes are under way."""
        return len(self._probes)

    def open_seconds_left(self) -> float:
        """How long to stay away; 0 when a request may pass, be it as a probe."""
        if self._state is State.CLOSED:
            return 0.0
        with self._lock:
            now = self._clock.monotonic()
            if self._state is State.OPEN:
                return max(0.0, self._until - now)
            return 0.0 if self._has_room(now) else _PROBING_SECONDS

    def enter(self) -> Ticket | None:
        """A ticket for one request; None when the model is not to be asked now."""
        if self._state is State.CLOSED:
            return Ticket(self._period, is_probe=False)
        change = ticket = None
        with self._lock:
            now = self._clock.monotonic()
            if self.state is State.OPEN and now >= self._until:
                change = self._go(State.HALF_OPEN)
            if self.state is State.CLOSED:  # meanwhile, by another thread
                ticket = Ticket(self._period, is_probe=False)
            elif self.state is State.HALF_OPEN and self._has_room(now):
                ticket = Ticket(self._period, is_probe=True)
                self._probes[ticket] = now + self._probe_seconds
        self._tell(change)
        return ticket

    def leave(
        self, ticket: Ticket, outcome: Outcome, seconds: float = 0.0, kind: ErrorKind | None = None
    ) -> None:
        """Note the end of a request that took so long. Leaving again changes nothing."""
        slow_seconds = self._settings.slow_seconds
        slow = slow_seconds is not None and seconds > slow_seconds
        with self._lock:
            period, ticket.period = ticket.period, -1
            if period != self._period or not self._settings.enabled:
                return
            if ticket.is_probe:
                change = self._probed(ticket, outcome, kind, slow=slow)
            else:
                change = self._counted(outcome, kind, slow=slow) if self._state is State.CLOSED else None
        self._tell(change)

    def hold(self, seconds: float, by: str) -> None:
        """Stay, or become, open for so long, because another process found the model failing."""
        with self._lock:
            if not self._settings.enabled or (self._state is not State.CLOSED and seconds <= 0):
                return
            until = self._clock.monotonic() + min(seconds, self._settings.max_open_seconds)
            if self._state is State.OPEN:
                self._until = max(self._until, until)
                return
            change = self._go(State.OPEN, open_seconds=max(0.0, seconds), by=by)
            self._until = until
        self._tell(change)

    def resume(self, by: str) -> None:
        """Close, because another process found the model working."""
        with self._lock:
            if self._state is State.CLOSED:
                return
            change = self._go(State.CLOSED, by=by)
        self._tell(change)

    def _counted(self, outcome: Outcome, kind: ErrorKind | None, *, slow: bool) -> Change | None:
        if outcome is Outcome.NOTHING:
            return None
        self._hopeless = self._hopeless + 1 if outcome is Outcome.HOPELESS else 0
        failed = outcome is not Outcome.WELL
        window, settings = self._window, self._settings
        window.add(self._clock.monotonic(), failed=failed, slow=slow)
        if self._hopeless >= _HOPELESS_IN_A_ROW:
            return self._open(kind)
        if not (failed or slow) or window.ended < settings.minimum_requests:
            return None
        if failed and window.failed / window.ended >= settings.failure_rate:
            return self._open(kind)
        if slow and window.slow / window.ended >= settings.slow_rate:
            return self._open(None)
        return None

    def _probed(
        self, ticket: Ticket, outcome: Outcome, kind: ErrorKind | None, *, slow: bool
    ) -> Change | None:
        if self._probes.pop(ticket, None) is None or outcome is Outcome.NOTHING:
            return None  # given up before, or left without a word
        if outcome is not Outcome.WELL or slow:
            self._open_seconds = min(self._open_seconds * 2, self._settings.max_open_seconds)
            return self._open(kind)
        self._well += 1
        return self._go(State.CLOSED) if self._well >= self._settings.probes else None

    def _has_room(self, now: float) -> bool:
        if len(self._probes) >= self._settings.probes:
            self._probes = {ticket: until for ticket, until in self._probes.items() if until > now}
        return len(self._probes) < self._settings.probes

    def _open(self, kind: ErrorKind | None) -> Change:
        seconds = min(self._open_seconds, self._settings.max_open_seconds)
        self._until = self._clock.monotonic() + seconds
        return self._go(State.OPEN, open_seconds=seconds, error_kind=kind)

    def _go(
        self, state: State, *, open_seconds: float = 0.0, error_kind: ErrorKind | None = None, by: str = ""
    ) -> Change:
        was, self._state = self._state, state
        self._period += 1
        self._probes = {}
        self._well = self._hopeless = 0
        if state is State.CLOSED:
            self._window = Window(self._settings.window_seconds)
            self._open_seconds = self._settings.open_seconds
        return Change(state, was, open_seconds, error_kind, by)

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._changed(change)


class Window:
    """Counts over the last seconds, in a fixed number of buckets: memory does not grow with traffic."""

    __slots__ = ("_buckets", "_width", "ended", "failed", "slow")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _BUCKETS
        self._buckets: deque[list[int]] = deque()
        """The bucket's number in time, then what ended, failed and was slow in it."""
        self.ended = self.failed = self.slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count one request."""
        number = self.forget(now)
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append([number, 0, 0, 0])
        bucket = self._buckets[-1]
        bucket[1] += 1
        bucket[2] += failed
        bucket[3] += slow
        self.ended += 1
        self.failed += failed
        self.slow += slow

    def forget(self, now: float) -> int:
        """Drop what is too old; returns the number of the bucket that time is in."""
        number = int(now / self._width)
        while self._buckets and self._buckets[0][0] <= number - _BUCKETS:
            _, ended, failed, slow = self._buckets.popleft()
            self.ended -= ended
            self.failed -= failed
            self.slow -= slow
        return number
