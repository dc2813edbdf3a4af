"""What follows the models of a route: `Rungs.after`, in the order of the route's `then`.

    cache    an older answer to the same request, also when its time is over
    rule     the prompt's own fallback: a function of the project
    later    the run waits, and the models are asked again; a promise says until when
    review   a person is asked, and the run waits for the answer

The last two give no answer but a `PutOff`. A call that cannot wait gets an error that says so.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from roadworthy.calls.attempt import Attempt
from roadworthy.calls.call import Call, Progress, Skip
from roadworthy.calls.failure import retry_after_seconds
from roadworthy.calls.plan import Plan
from roadworthy.errors import RoadworthyError, TryLater
from roadworthy.models import AnswerCache, Cached
from roadworthy.records import Clock
from roadworthy.telemetry.failures import kind_of

T = TypeVar("T")

_MOST_TIMES = 10
"""A wait grows up to so many times `retry_seconds`."""

_log = logging.getLogger("roadworthy.calls")


@dataclass(frozen=True, slots=True)
class Given(Generic[T]):
    """An answer, by whichever rung."""

    value: T
    rung: str
    attempt: Attempt | None = None
    """The request that gave it; None when none did."""
    cached: Cached | None = None
    """The earlier answer that it is."""
    kept: Cached | None = None
    """What is kept of it for others."""
    rule: str | None = None
    """The function that gave it."""
    confidence: float | None = None
    signals: Mapping[str, float] | None = None
    """What each signal said of it; None where it was not asked of a model now."""
    degraded: bool = False
    stale: bool = False
    saved_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class PutOff:
    """No answer now; the call waits."""

    rung: Literal["later", "review", "batch"]
    error: RoadworthyError
    """Why no model answered."""
    retry_at: int | None = None
    """`later`: when the models are asked again."""
    promised_until: int | None = None
    """`later`: by when there is an answer, or the next rung's turn. `batch`: by when, or it is asked live."""
    request_id: str = ""
    """`batch`: what waits for the provider's batch."""
    collected: Attempt | None = None
    """`batch`: the request that it will be."""


class Rungs:
    """Carries out what follows the models. One for a project."""

    def __init__(self, *, cache: AnswerCache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock

    async def after(
        self, call: Call[T], plan: Plan, progress: Progress, key: str | None, error: RoadworthyError
    ) -> Given[T] | PutOff:
        """What the first rung gives that gives something. Raises `error`, or `TryLater`, when none does."""
        for rung in plan.settings.then:
            given: Given[T] | PutOff | None = None
            if rung == "cache" and key is not None:
                given = await self._older(call, key, progress)
            elif rung == "rule":
                given = await self._fallback(call, progress)
            elif rung == "later":
                given = self._later(call, plan, progress, error)
            elif rung == "review":
                given = PutOff("review", error)
            if given is not None:
                return given
        raise error

    async def _older(self, call: Call[T], key: str, progress: Progress) -> Given[T] | None:
        cached = await self._cache.get(key, stale=True)
        if cached is None:
            progress.skip(Skip("cache", "miss", "there is no older answer to this request"))
            return None
        stale = cached.fresh_until <= self._clock.now_ms()
        progress.keep = lambda tx: self._cache.hits(tx, {key: 1})
        return Given(
            call.output.load(cached.value),
            "cache",
            cached=cached,
            confidence=cached.confidence,
            degraded=True,
            stale=stale,
            saved_micro_usd=cached.cost_micro_usd,
        )

    async def _fallback(self, call: Call[T], progress: Progress) -> Given[T] | None:
        function = call.rules.fallback
        if function is None:
            progress.skip(Skip("rule", "missing", "the prompt has no fallback"))
            return None
        value = await by_code(call, function, progress)
        if value is None:
            return None
        return Given(value, "rule", rule=function.name, degraded=True)

    def _later(
        self, call: Call[Any], plan: Plan, progress: Progress, error: RoadworthyError
    ) -> PutOff | None:
        later, now_ms = plan.settings.later, self._clock.now_ms()
        pause = min(later.retry_seconds * 2**call.put_off, later.retry_seconds * _MOST_TIMES)
        pause = max(pause, retry_after_seconds(progress) or 0.0)
        promised = call.promised_until or now_ms + int(later.promise_seconds * 1000)
        if call.run_deadline_at is not None:
            promised = min(promised, call.run_deadline_at)
        retry_at = now_ms + int(pause * 1000)
        if retry_at >= promised:
            progress.skip(Skip("later", "promise", "the time until which an answer was promised is over"))
            return None
        if not call.may_wait:
            raise TryLater(
                error.message, retry_after_seconds=pause, hint=f"Ask again in {pause:.0f} s."
            ) from error
        return PutOff("later", error, retry_at, promised)


async def by_code(call: Call[T], function: Any, progress: Progress) -> T | None:
    """What a function of the project says in a model's place, as the declared type; None: nothing."""
    name = f"rule:{function.name}"
    try:
        value = await function(inputs=call.inputs)
        if value is None:
            return None
        checked = call.output.load(value)  # a dictionary will do where a model is declared
        return call.output.load(call.output.dump(checked))
    except Exception as error:  # noqa: BLE001 - it is the project's code, and the call has other rungs
        _log.exception("a rule of a prompt failed", extra={"rule": function.name})
        progress.skip(Skip(name, kind_of(error), f"it raised {type(error).__name__}"))
        return None
