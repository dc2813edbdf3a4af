"""What stands before every request to a model: its breaker, and the pace that its provider asked for.

    gate = gates.of(target)
    with await gate.enter(tenant=tenant, seconds_left=20) as passed:
        response = await target.request(request, tenant)
        passed.answered(response, seconds)

`enter` lets through, waits, or raises. A `Pass` is given back exactly once, and leaving its `with` gives back
what was not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.breaker import Breaker, Change, State, Ticket
from roadworthy.models.fair import FairSlots
from roadworthy.models.health import Health, Report
from roadworthy.models.outcome import Outcome
from roadworthy.models.pacing import LONGEST_SECONDS, Pacing
from roadworthy.models.provider import Response
from roadworthy.models.target import Target
from roadworthy.records import Clock
from roadworthy.telemetry import Telemetry

_PROBE_GRACE_SECONDS = 30.0
"""A probe has the time of a request and this on top (for its place, its turn) before it is given up."""
_TELL_SECONDS = 1.0
"""A shorter pause is over before other processes hear of it."""
_SPREAD = 1.1
"""After a pause not all processes come back in the same moment."""
_OURS_ALONE = frozenset({ErrorKind.AUTHENTICATION, ErrorKind.NOT_CONFIGURED})
"""What is wrong with the set-up of one process need not be wrong with that of others."""


@dataclass(frozen=True, slots=True)
class GateState:
    """How a model stands in this process."""

    model: str
    provider: str
    state: State
    open_seconds: float
    """How long it is still left alone."""
    wait_seconds: float
    """How long its provider wants no requests."""
    ended: int
    """Requests that ended in the breaker's window."""
    failed: int
    slow: int
    error_kind: ErrorKind | None
    """What opened the breaker, where that was an error."""
    by: str
    """The process that opened it; empty for this one."""


class Gate:
    """The gate of one model in one process. Made by `Gates`."""

    def __init__(
        self,
        target: Target,
        clock: Clock,
        telemetry: Telemetry,
        health: Health | None,
        uniform: Callable[[float, float], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._name, self._provider = target.name, target.provider
        self._settings = target.settings.breaker
        self._clock = clock
        self._telemetry = telemetry
        self._health = health
        self._uniform = uniform
        self._sleep = sleep
        self._probe_seconds = target.settings.timeout_seconds + _PROBE_GRACE_SECONDS
        self._breaker = Breaker(
            self._settings, clock, probe_seconds=self._probe_seconds, changed=self._changed
        )
        self._pacing = Pacing(clock)
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, FairSlots] = WeakKeyDictionary()
        self._opened: Change | None = None
        self._told_until = 0.0
        self._no_place_until = 0.0

    @property
    def state(self) -> GateState:
        """How the model stands."""
        ended, failed, slow = self._breaker.counts
        opened = self._opened if self._breaker.state is not State.CLOSED else None
        return GateState(
            model=self._name,
            provider=self._provider,
            state=self._breaker.state,
            open_seconds=self._breaker.open_seconds_left(),
            wait_seconds=self._pacing.wait_seconds(),
            ended=ended,
            failed=failed,
            slow=slow,
            error_kind=opened.error_kind if opened is not None else None,
            by=opened.by if opened is not None else "",
        )

    async def enter(self, *, tenant: str = "", seconds_left: float) -> "Pass":
        """Let one request through, after the pause that the provider asked for; tenants take turns.

        Raises:
            ProviderError: `CIRCUIT_OPEN`: the model is left alone. `RATE_LIMITED_HERE`: the pause is longer
                than `seconds_left`. Both say after how many seconds to come again.
        """
        if self._health is not None:
            self._health.tick()
        if self._pacing.wait_seconds() > 0:
            if self._breaker.open_seconds_left() > 0:
                raise self._is_open()
            seconds_left = await self._wait(tenant, seconds_left)
        ticket = None if self._others_probe() else self._breaker.enter()
        if ticket is None or (ticket.is_probe and not await self._may_probe(ticket, seconds_left)):
            raise self._is_open()
        return Pass(self, ticket, self._clock)

    def leave(
        self, ticket: Ticket, outcome: Outcome, seconds: float = 0.0, kind: ErrorKind | None = None
    ) -> None:
        """Note the end of a request; `Pass` calls it."""
        self._breaker.leave(ticket, outcome, seconds, kind)
        if ticket.is_probe and self._health is not None and not self._breaker.probing:
            self._health.probed(self._name)

    def note(self, response: Response) -> None:
        """Read what the provider says about its limits; `Pass` calls it."""
        if response.rate_limit:
            self._pacing.note(response.rate_limit, self._clock.now_ms())

    def pause(self, seconds: float) -> None:
        """Send nothing for so long, because the provider said so; `Pass` calls it."""
        self._pacing.retry_after(seconds)
        wait, now = self._pacing.wait_seconds(), self._clock.monotonic()
        if self._health is not None and now + wait > self._told_until + _TELL_SECONDS:
            self._told_until = now + wait
            self._health.blocked(self._name, wait)

    def heard_state(self, report: Report) -> None:
        """Another process found the model failing, or working again."""
        if report.state is State.CLOSED:
            self._breaker.resume(report.by)
            return
        left = (report.open_until_ms - self._clock.now_ms()) / 1000
        if left > -self._settings.max_open_seconds:  # else nobody has asked it for so long: forgotten
            self._breaker.hold(left, report.by)

    def heard_block(self, report: Report) -> None:
        """Another process was told to wait."""
        self._pacing.retry_after((report.blocked_until_ms - self._clock.now_ms()) / 1000)

    async def _wait(self, tenant: str, seconds_left: float) -> float:
        """Stand in line until the pause is over; the first in line watches it. Returns the seconds left."""
        give_up = self._clock.monotonic() + seconds_left
        self._check_pause(give_up)
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            line = self._lines[loop] = FairSlots(1)
        try:
            await line.acquire(tenant, seconds_left)
        except TimeoutError:
            raise self._is_paced() from None
        try:
            while (pause := self._check_pause(give_up)) > 0:
                longest = give_up - self._clock.monotonic()
                await self._sleep(min(pause * self._uniform(1.0, _SPREAD), longest))
            return give_up - self._clock.monotonic()
        finally:
            line.release()

    def _check_pause(self, give_up: float) -> float:
        pause = self._pacing.wait_seconds()
        if pause > 0 and pause >= give_up - self._clock.monotonic():
            raise self._is_paced()
        return pause

    def _others_probe(self) -> bool:
        """Whether other processes had taken all places to probe from a moment ago."""
        if self._breaker.state is State.CLOSED:
            return False
        return self._clock.monotonic() < self._no_place_until

    async def _may_probe(self, ticket: Ticket, seconds_left: float) -> bool:
        """Take a place to probe from, so that not every process probes; False when they are taken."""
        if self._health is None:
            return True
        places, seconds = self._settings.probes, self._probe_seconds
        try:
            claimed = await self._health.claim(
                self._name, places=places, seconds=seconds, seconds_left=seconds_left
            )
        except BaseException:
            self.leave(ticket, Outcome.NOTHING)
            raise
        if not claimed:
            self._breaker.leave(ticket, Outcome.NOTHING)
            self._no_place_until = self._clock.monotonic() + _TELL_SECONDS
        return claimed

    def _changed(self, change: Change) -> None:
        by = change.by or None
        if change.state is State.HALF_OPEN:
            self._telemetry.emit("breaker.half_open", model=self._name, provider=self._provider)
            return
        if change.state is State.CLOSED:
            self._telemetry.emit("breaker.closed", model=self._name, provider=self._provider, by=by)
            if self._health is not None and by is None:
                self._health.closed(self._name)
            return
        self._opened = change
        seconds = change.open_seconds
        self._telemetry.emit(
            "breaker.opened",
            model=self._name,
            provider=self._provider,
            error_kind=change.error_kind,
            by=by,
            open_seconds=seconds,
        )
        if self._health is not None and by is None and change.error_kind not in _OURS_ALONE:
            again = change.was is State.HALF_OPEN
            trust_seconds = self._settings.max_open_seconds
            self._health.opened(self._name, seconds, again=again, trust_seconds=trust_seconds)

    def _is_open(self) -> ProviderError:
        seconds = self._breaker.open_seconds_left() or _TELL_SECONDS
        return ProviderError(
            f"Model {self._name!r} failed too often and is left alone for another {seconds:.1f} s.",
            kind=ErrorKind.CIRCUIT_OPEN,
            hint="Nothing was sent. Put another model behind it into the route.",
            retry_after_seconds=seconds,
        )

    def _is_paced(self) -> ProviderError:
        seconds = self._pacing.wait_seconds()
        return ProviderError(
            f"The provider of model {self._name!r} wants no request for another {seconds:.1f} s, "
            "which is longer than this one can wait.",
            kind=ErrorKind.RATE_LIMITED_HERE,
            hint="Nothing was sent. Send less at a time, or put another model behind it into the route.",
            retry_after_seconds=min(seconds, LONGEST_SECONDS),
        )


class Pass:
    """One request that was let through. Exactly one of its methods ends it; what follows changes nothing."""

    __slots__ = ("_began", "_clock", "_gate", "_ticket")

    def __init__(self, gate: Gate, ticket: Ticket, clock: Clock) -> None:
        self._gate = gate
        self._ticket: Ticket | None = ticket
        self._clock = clock
        self._began = clock.monotonic()

    def answered(self, response: Response, seconds: float) -> None:
        """The model answered, after so long. Whether the answer is any good is another matter."""
        if self._ticket is not None:
            self._gate.note(response)
            self._end(Outcome.WELL, seconds)

    def failed(self, error: BaseException, seconds: float) -> None:
        """The request ended with an error, after so long."""
        if self._ticket is None:
            return
        kind = None
        if isinstance(error, ProviderError):
            kind = error.kind
            if error.retry_after_seconds is not None:
                self._gate.pause(error.retry_after_seconds)
        self._end(Outcome.of(error), seconds, kind)

    def cancelled(self) -> None:
        """We left before the end; that says nothing about the model."""
        self._end(Outcome.NOTHING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._ticket is None:
            return
        if error is None:
            self.cancelled()
        else:
            self.failed(error, self._clock.monotonic() - self._began)

    def _end(self, outcome: Outcome, seconds: float = 0.0, kind: ErrorKind | None = None) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._gate.leave(ticket, outcome, seconds, kind)
