"""The way through the models of a route, until one gives a valid answer: `Router.answer`.

    next        the next model, when one cannot answer or its tries are used up
    escalate    the next model, when an answer is less sure than the route wants
    hedge       a second model beside the first, when that one is slow; the first valid answer counts
    degrade     a cheaper route, when a budget that says so has no room

Each model is given a share of the time, so that those after it have theirs. Nothing waits longer than the
call may take.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from roadworthy.calls.ask import Asker, Said
from roadworthy.calls.attempt import Reason
from roadworthy.calls.call import Call, Progress
from roadworthy.calls.failure import nobody_answered
from roadworthy.calls.plan import Plan, Planner
from roadworthy.models import Message, Target

T = TypeVar("T")

_RUNG_SECONDS = 0.25
"""Kept back for the rungs after the last model: they look something up, or call a function."""
_MOST_KEPT_SHARE = 0.2


class Router:
    """Walks routes. One for a project."""

    def __init__(self, *, planner: Planner, asker: Asker) -> None:
        self._planner = planner
        self._asker = asker

    async def answer(
        self,
        call: Call[T],
        plan: Plan,
        messages: tuple[Message, ...],
        progress: Progress,
        *,
        reason: Reason | None = None,
    ) -> Said[T]:
        """The first valid answer that is sure enough. `reason` says why any is asked for, beyond that.

        Raises:
            ProviderError: No model answered.
            InvalidAnswer: The last one did, but not with what was asked for.
            BudgetSpent: No budget has room.
            Throttled: The call's user, tenant or workflow asks too often.
        """
        taken = {plan.route}
        while True:
            said, degrades = await self._walk(call, plan, messages, progress, reason)
            if said is not None:
                return said
            cheaper = plan.settings.degrade_to
            if not degrades or cheaper is None or cheaper in taken:
                raise nobody_answered(progress, plan)
            taken.add(cheaper)
            progress.degraded = True
            plan = self._planner.plan(call, messages, progress, route=cheaper)

    async def _walk(
        self,
        call: Call[T],
        plan: Plan,
        messages: tuple[Message, ...],
        progress: Progress,
        why: Reason | None,
    ) -> tuple[Said[T] | None, bool]:
        """A valid answer, and whether a budget asks for a cheaper route."""
        unsure: Said[T] | None = None
        reason: Reason = why or ("fallback" if progress.attempts else "first")
        if progress.degraded:
            reason = "degrade"
        targets = list(plan.targets)
        while targets and progress.seconds_left > 0:
            known = len(progress.skipped)
            said, targets = await self._ask(call, plan, targets, messages, progress, reason)
            if said is not None:
                if not targets or not escalates(plan, said):
                    return said, False
                unsure, reason = said, "escalate"
                continue
            if plan.settings.degrade_to and any(skip.degrades for skip in progress.skipped[known:]):
                return unsure, True
            if progress.attempts:
                reason = "fallback"
        return unsure, False

    async def _ask(
        self,
        call: Call[T],
        plan: Plan,
        targets: list[Target],
        messages: tuple[Message, ...],
        progress: Progress,
        reason: Reason,
    ) -> tuple[Said[T] | None, list[Target]]:
        """The answer of the first of these models, or of the next, asked beside it; and the others."""
        first, rest = targets[0], targets[1:]
        after = plan.settings.hedge_after_seconds
        if after is None or not rest or plan.settings.choose == "difficulty":
            return await self._one(call, plan, first, rest, messages, progress, reason), rest
        running = [asyncio.create_task(self._one(call, plan, first, rest, messages, progress, reason))]
        try:
            await asyncio.wait(running, timeout=min(after, max(0.0, progress.seconds_left)))
            if not running[0].done() and progress.seconds_left > 0:
                second, rest = rest[0], rest[1:]
                running.append(
                    asyncio.create_task(self._one(call, plan, second, rest, messages, progress, "hedge"))
                )
            return await _first_answer(running), rest
        finally:
            await _stop(running)

    async def _one(
        self,
        call: Call[T],
        plan: Plan,
        target: Target,
        after: Sequence[Target],
        messages: tuple[Message, ...],
        progress: Progress,
        reason: Reason,
    ) -> Said[T] | None:
        seconds = _share(plan, after, progress.seconds_left)
        return await self._asker.ask(
            call, plan.settings, target, messages, progress, reason=reason, seconds=seconds
        )


def escalates(plan: Plan, said: Said[T]) -> bool:
    """Whether an answer is less sure than the route wants, where it asks the next model then."""
    wanted = plan.settings.escalate_below
    if plan.settings.choose != "difficulty" or wanted is None:
        return False
    return said.confidence is not None and said.confidence < wanted


def _share(plan: Plan, after: Sequence[Target], left: float) -> float:
    """How long one model may be tried: what is left, less what the models and rungs after it may need."""
    if plan.settings.then:
        left -= min(_RUNG_SECONDS, left * _MOST_KEPT_SHARE)
    needed = sum(one.settings.timeout_seconds for one in after)
    return left - min(needed, left * len(after) / (len(after) + 1))


async def _first_answer(running: "Sequence[asyncio.Task[Said[T] | None]]") -> "Said[T] | None":
    pending = set(running)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for one in running:
            if one in done and (said := one.result()) is not None:
                return said
    return None


async def _stop(running: "Sequence[asyncio.Task[Said[T] | None]]") -> None:
    """Cancel what still runs and wait until its end is noted; its own error is of no interest any more."""
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
