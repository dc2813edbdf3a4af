"""What one request needs before it may be sent: `Reckoner.of`.

Accounts that it counts for with the most that it may cost, throttles of its call, the model's rates, a slot.
"""

from dataclasses import dataclass
from typing import Any

from roadworthy.budgets import Account, Amount, Budgets, Refusal, Subject
from roadworthy.calls.attempt import Attempt
from roadworthy.calls.call import Call, Progress, Skip
from roadworthy.calls.report import BudgetReporter
from roadworthy.errors import ErrorKind
from roadworthy.models import Bucket, Target, estimate, estimate_usage
from roadworthy.records import to_micro_usd
from roadworthy.settings import Settings, ThrottleSettings

_FOR_BURST = 6
"""A throttle that names no burst lets ten seconds' worth come at once."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be set aside for one request."""

    accounts: tuple[Account, ...]
    amount: Amount
    buckets: tuple[tuple[Bucket, int], ...]
    throttles: tuple[tuple[str, Bucket], ...]
    slot: tuple[str, int] | None


class Reckoner:
    """Works out what requests need. One for a project."""

    def __init__(self, settings: Settings, budgets: Budgets, report: BudgetReporter) -> None:
        self._settings = settings
        self._budgets = budgets
        self._report = report

    def of(
        self, call: Call[Any], progress: Progress, attempt: Attempt, seconds: float
    ) -> Needs | Skip | None:
        """What a request needs; None when nothing limits it, a `Skip` when its call's own budget has no room.

        `seconds` is how long it may wait for its turn: prices may change meanwhile.
        """
        target, settings = attempt.target, attempt.target.settings
        accounts = self._budgets.accounts(_subject(call, progress), attempt.started_at)
        in_batch = attempt.processing == "batch"
        throttles = () if progress.throttled or in_batch else self._throttles(call, progress)
        rated = not in_batch and (settings.requests_per_minute or settings.tokens_per_minute)
        within_call = self._budgets.limits_calls
        open_requests = None if in_batch else settings.max_open_requests
        if not (accounts or throttles or rated or within_call or open_requests):
            return None
        amount = _worst(attempt, seconds)
        if within_call:
            refusal = self._budgets.within_call(_so_far(progress), amount)
            if refusal is not None and refusal.when_spent == "open":
                self._report.exceeded(refusal, target.name)
            elif refusal is not None:
                self._report.refused(refusal, target.name)
                return over_budget(target, refusal)
        buckets: list[tuple[Bucket, int]] = []
        if rated and settings.requests_per_minute:
            rate = settings.requests_per_minute
            buckets.append((Bucket(f"requests:{target.name}", rate, max(1, rate // 60)), 1))
        if rated and settings.tokens_per_minute:
            rate = settings.tokens_per_minute
            buckets.append((Bucket(f"tokens:{target.name}", rate, max(1, rate // 6)), amount.tokens))
        slot = (f"open:{target.name}", open_requests) if open_requests else None
        if not (accounts or throttles or buckets or slot):
            return None
        return Needs(accounts, amount, tuple(buckets), throttles, slot)

    def _throttles(self, call: Call[Any], progress: Progress) -> tuple[tuple[str, Bucket], ...]:
        subjects = {
            "user": f"{call.tenant}/{call.user_id}" if call.user_id else "",
            "tenant": call.tenant,
            "workflow": call.workflow,
            "environment": progress.environment,
        }
        names = {**subjects, "user": call.user_id}
        return tuple(
            (name, _throttle_bucket(name, one, subjects[one.scope]))
            for name, one in self._settings.throttles.items()
            if subjects[one.scope] and (not one.only or names[one.scope] in one.only)
        )


def _worst(attempt: Attempt, seconds: float) -> Amount:
    """The most that the request can cost, also if prices change while it waits for its turn."""
    target, request, processing = attempt.target, attempt.request, attempt.processing
    usage = estimate_usage(target, request)
    worst = 0
    for at_ms in (attempt.started_at, attempt.started_at + int(seconds * 1000)):
        cost_usd = estimate(target, request, at_ms, processing=processing, usage=usage).cost_usd
        if cost_usd is None:
            return Amount(None, usage.total_tokens)
        worst = max(worst, to_micro_usd(cost_usd))
    return Amount(worst, usage.total_tokens)


def _subject(call: Call[Any], progress: Progress) -> Subject:
    return Subject(
        environment=progress.environment,
        workflow=call.workflow,
        tenant=call.tenant,
        user_id=call.user_id,
        prompt_id=call.version.prompt_id,
        task=call.task,
        run_id=call.run_id or "",
    )


def _so_far(progress: Progress) -> Amount:
    """What the call has spent, and what its other requests under way may spend."""
    amounts = list(progress.setting_aside.values())
    for attempt in progress.attempts:
        if attempt.finished_at is not None:
            amounts.append(Amount(to_micro_usd(attempt.cost_usd), attempt.usage.total_tokens))
        elif attempt.admission is not None:
            amounts.append(attempt.admission.amount)
        else:  # nothing else limits it
            amounts.append(_worst(attempt, attempt.request.timeout_seconds))
    known = [one.micro_usd for one in amounts if one.micro_usd is not None]
    return Amount(sum(known) if len(known) == len(amounts) else None, sum(one.tokens for one in amounts))


def _throttle_bucket(name: str, throttle: ThrottleSettings, subject: str) -> Bucket:
    burst = throttle.burst or max(1, int(throttle.requests_per_minute / _FOR_BURST))
    return Bucket(f"throttle:{name}:{subject}", throttle.requests_per_minute, burst)


def by_tokens(bucket: Bucket) -> bool:
    """Whether what was taken is known better afterwards."""
    return bucket.key.startswith("tokens:")


def over_budget(target: Target, refusal: Refusal) -> Skip:
    """That a model is not asked because a budget has no room, in a sentence."""
    why = {
        "money": f"budget {refusal.budget!r} has no room for what the request may cost at most",
        "tokens": f"budget {refusal.budget!r} has no room for the tokens that the request may need",
        "price unknown": f"its price is not known, and budget {refusal.budget!r} limits money",
    }[refusal.reason]
    if refusal.may_give_back:
        why += " while others are under way"
    return Skip(
        target.name,
        ErrorKind.OVER_BUDGET,
        why,
        budget=refusal.budget,
        resets_at_ms=refusal.resets_at_ms,
        degrades=refusal.when_spent == "degrade",
        may_give_back=refusal.may_give_back,
    )
