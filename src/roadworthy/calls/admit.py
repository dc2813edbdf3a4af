"""Admission: what one request may cost and take up is set aside before it is sent, in one transaction.

    budgets     the worst that it may cost, in every account that it counts for
    throttles   one call of its user, tenant or workflow
    rates       one request and its tokens of the model's minute
    slots       one of the requests that all processes may have open

What is set aside is one row, `reservations`. The transaction that records the request's end removes the row
and settles what was really spent; whoever comes too late finds no row and settles nothing. When a process
dies, its rows expire, and what they set aside counts as spent, because it may have been billed.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets import Account, Amount, Budgets, Key, Refusal, Reservation, Subject
from roadworthy.budgets import store as budget_store
from roadworthy.calls import lost
from roadworthy.calls.admission import Admission
from roadworthy.calls.attempt import Attempt
from roadworthy.calls.call import Call, Progress, Skip
from roadworthy.calls.report import BudgetReporter
from roadworthy.db import Database
from roadworthy.errors import DatabaseError, ErrorKind, Throttled
from roadworthy.models import Bucket, FairSlots, Target, estimate, estimate_usage, rates
from roadworthy.records import Clock, Ids, Json, to_micro_usd
from roadworthy.settings import Settings, ThrottleSettings
from roadworthy.telemetry import Telemetry

_GRACE_MS = 60_000
"""A reservation outlives its request by so much: its settlement may be waiting for the database."""
_SLOT_WAIT_MS = 50
_LEAVING_SECONDS = 5.0
_FOR_BURST = 6
"""A throttle that names no burst lets ten seconds' worth come at once."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """No room just now."""

    what: str
    wait_ms: int
    throttle: str | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one request needs."""

    accounts: tuple[Account, ...]
    amount: Amount
    buckets: tuple[tuple[Bucket, int], ...]
    throttles: tuple[tuple[str, Bucket], ...]
    slot: tuple[str, int] | None


class Admissions:
    """Sets aside and settles. One for a project."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        telemetry: Telemetry,
        clock: Clock,
        ids: Ids,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._settings = settings
        self._database = database
        self._telemetry = telemetry
        self._clock = clock
        self._ids = ids
        self._uniform = uniform
        self._budgets = Budgets(settings.budgets)
        self._report = BudgetReporter(telemetry)
        self._lines: dict[str, FairSlots] = {}

    @property
    def caps_output(self) -> bool:
        """Whether requests have to say how many tokens they want at most, because a budget rests on it."""
        return bool(self._settings.budgets)

    async def admit(
        self,
        call: Call[Any],
        progress: Progress,
        attempt: Attempt,
        seconds: float,
        *,
        hold_id: str | None = None,
    ) -> Admission | Skip | None:
        """Set aside what the request needs, waiting for its turn if that takes no longer than `seconds`.

        None: nothing has to be set aside. A `Skip` says why it may not be sent. For the provider's batch only
        budgets are asked, and `seconds` is how long it may take. The same `hold_id` sets aside once.

        Raises:
            Throttled: Its user, tenant or workflow asks too often.
        """
        wanted = self._wanted(call, progress, attempt, seconds)
        if isinstance(wanted, Skip) or wanted is None:
            return wanted
        expires_at = attempt.started_at + int((seconds + attempt.request.timeout_seconds) * 1000) + _GRACE_MS
        reservation = Reservation(
            id=hold_id or self._ids.new("hold"),
            call_id=progress.id,
            number=attempt.number,
            model=attempt.target.name,
            accounts=tuple(account.key for account in wanted.accounts),
            micro_usd=wanted.amount.micro_usd,
            tokens=wanted.amount.tokens,
            extra=_extra(wanted, lost.describe(progress, attempt)),
            made_at=attempt.started_at,
            expires_at=expires_at,
        )
        progress.setting_aside[attempt.number] = wanted.amount
        try:
            if attempt.processing == "batch":
                result = await self._try(wanted, reservation)
            else:
                result = await self._in_turn(call, attempt.target, wanted, reservation, seconds)
        finally:
            del progress.setting_aside[attempt.number]
        progress.throttled = progress.throttled or isinstance(result, Admission)
        if isinstance(result, _Wait):
            return self._refused_rate(attempt.target, result)
        if isinstance(result, Refusal):
            self._report.refused(result, attempt.target.name)
            return _over_budget(attempt.target, result)
        return result

    def settle(self, tx: sa.Connection, attempt: Attempt, now_ms: int) -> None:
        """Put what was really spent in the place of what was set aside; does nothing a second time."""
        admission = attempt.admission
        if admission is None or not budget_store.release(tx, admission.id):
            return
        _give_back(tx, admission, _spent(attempt), now_ms)

    def settle_together(self, tx: sa.Connection, attempts: Sequence[Attempt], now_ms: int) -> None:
        """The same for many attempts, account by account in the order in which all others lock them."""
        shares: list[tuple[Key, Amount, Amount]] = []
        for attempt in attempts:
            admission = attempt.admission
            if admission is None or not budget_store.release(tx, admission.id):
                continue
            spent = _spent(attempt)
            shares += [(key, admission.amount, spent) for key in admission.keys]
        for key, reserved, spent in sorted(shares, key=itemgetter(0)):
            budget_store.settle(tx, [key], reserved, spent, now_ms)

    def withdraw(self, tx: sa.Connection, admission: Admission, now_ms: int) -> None:
        """Give back what was set aside for a request that is not sent after all."""
        if budget_store.release(tx, admission.id):
            _give_back(tx, admission, Amount(0, 0), now_ms)

    def overrun(self, attempt: Attempt) -> None:
        """Report a request that cost more than the most that it could: the provider counted otherwise."""
        admission = attempt.admission
        if admission is None or admission.amount.micro_usd is None or not admission.keys:
            return
        spent = to_micro_usd(attempt.cost_usd)
        if spent > admission.amount.micro_usd:
            self._report.overrun(admission.keys[0][0], attempt.target.name, spent, admission.amount.micro_usd)

    async def expire(self) -> int:
        """Charge what dead processes had set aside; returns how many requests that were."""
        now_ms = self._clock.now_ms()

        def charge(tx: sa.Connection) -> bool:
            """One at a time, so that its accounts are locked in the order in which all others lock them."""
            for one in budget_store.expired(tx, now_ms, 1):
                if budget_store.release(tx, one.id):
                    admission = _admission_of(one)
                    lost.record(tx, one, now_ms)
                    _give_back(tx, admission, admission.amount, now_ms)
                    return True
            return False

        if not await self._database.read(lambda tx: bool(budget_store.expired(tx, now_ms, 1))):
            return 0
        charged = 0
        while await self._database.write(charge):
            charged += 1
        return charged

    def _wanted(
        self, call: Call[Any], progress: Progress, attempt: Attempt, seconds: float
    ) -> "_Wanted | Skip | None":
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
                return _over_budget(target, refusal)
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
        return _Wanted(accounts, amount, tuple(buckets), throttles, slot)

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

    async def _in_turn(
        self, call: Call[Any], target: Target, wanted: _Wanted, reservation: Reservation, seconds: float
    ) -> Admission | Refusal | _Wait:
        """Try at once; whoever has to wait stands in line, tenants taking turns, and the first one tries."""
        give_up = self._clock.monotonic() + seconds
        line = self._lines.get(target.name)
        if line is None:
            line = self._lines[target.name] = FairSlots(1)
        result: Admission | Refusal | _Wait = _Wait("line", 0)
        if not line.busy:
            result = await self._try(wanted, reservation)
            if not isinstance(result, _Wait) or result.throttle is not None:
                return self._unless_throttled(result)
        left = give_up - self._clock.monotonic()
        if result.wait_ms / 1000 > left:
            return result
        try:
            await line.acquire(call.tenant, left)
        except TimeoutError:
            return result if result.wait_ms else _Wait(f"requests:{target.name}", 1000)
        try:
            while True:
                result = await self._try(wanted, reservation)
                if not isinstance(result, _Wait) or result.throttle is not None:
                    return self._unless_throttled(result)
                pause = result.wait_ms / 1000 * self._uniform(1.0, 1.1)
                if pause > give_up - self._clock.monotonic():
                    return result
                await asyncio.sleep(pause)
        finally:
            line.release()

    async def _try(self, wanted: _Wanted, reservation: Reservation) -> Admission | Refusal | _Wait:
        now_ms = self._clock.now_ms()
        outcome: list[budget_store.Outcome] = []

        def admit(tx: sa.Connection) -> Admission | Refusal | _Wait:
            outcome.clear()
            return _admit(tx, wanted, reservation, now_ms, outcome)

        writing = asyncio.ensure_future(self._database.write(admit))
        try:
            result = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await self._withdraw(writing)
            raise
        if isinstance(result, Admission) and outcome:
            self._report.reserved(outcome[0], reservation.model)
        return result

    async def _withdraw(self, writing: "asyncio.Future[Admission | Refusal | _Wait]") -> None:
        """Give back what a call had set aside that was cancelled before it sent anything."""
        now_ms = self._clock.now_ms()

        async def give_back() -> None:
            result = await writing
            if isinstance(result, Admission):
                await self._database.write(lambda tx: self.withdraw(tx, result, now_ms))

        leaving = asyncio.ensure_future(give_back())
        with suppress(DatabaseError, TimeoutError):  # then it expires
            async with asyncio.timeout(_LEAVING_SECONDS):
                await asyncio.shield(leaving)

    def _unless_throttled(self, result: Admission | Refusal | _Wait) -> Admission | Refusal | _Wait:
        if isinstance(result, _Wait) and result.throttle is not None:
            seconds = result.wait_ms / 1000
            self._report.throttled(result.throttle, seconds)
            raise Throttled(
                f"The throttle {result.throttle!r} lets no further call through now.",
                retry_after_seconds=seconds,
                hint=f"Ask again in {seconds:.1f} s.",
            )
        return result

    def _refused_rate(self, target: Target, wait: _Wait) -> Skip:
        what = "open requests" if wait.what.startswith("open:") else wait.what.partition(":")[0] + " a minute"
        return Skip(
            target.name,
            ErrorKind.RATE_LIMITED_HERE,
            f"its {what} are used up",
            retry_after_seconds=wait.wait_ms / 1000,
        )


def _admit(
    tx: sa.Connection,
    wanted: _Wanted,
    reservation: Reservation,
    now_ms: int,
    outcome: list[budget_store.Outcome],
) -> Admission | Refusal | _Wait:
    """Everything or nothing. What was taken is given back by hand: SQLite works share one transaction."""
    keys = tuple(account.key for account in wanted.accounts)
    rated = tuple(
        (bucket.key, bucket.per_minute, amount) for bucket, amount in wanted.buckets if _by_tokens(bucket)
    )
    admission = Admission(reservation.id, keys, wanted.amount, rated, wanted.slot[0] if wanted.slot else None)
    if not budget_store.hold(tx, reservation):
        return admission  # the same transaction was committed before, and only its answer was lost
    refusal = _take(tx, wanted, now_ms, outcome)
    if refusal is not None:
        budget_store.release(tx, reservation.id)
        return refusal
    return admission


def _take(
    tx: sa.Connection, wanted: _Wanted, now_ms: int, outcome: list[budget_store.Outcome]
) -> Refusal | _Wait | None:
    """Take all that is wanted, or nothing and say what there is no room for."""
    if wanted.accounts:
        reserved = budget_store.reserve(tx, wanted.accounts, wanted.amount, now_ms)
        if reserved.refusal is not None:
            return reserved.refusal
        outcome.append(reserved)
    taken: list[tuple[Bucket, int]] = []
    wait: _Wait | None = None
    asked = [(None, bucket, amount) for bucket, amount in wanted.buckets]
    for throttle, bucket, amount in [*((name, one, 1) for name, one in wanted.throttles), *asked]:
        wait_ms = rates.take(tx, bucket, amount, now_ms)
        if wait_ms is not None:
            wait = _Wait(bucket.key, wait_ms, throttle)
            break
        taken.append((bucket, amount))
    if wait is None and wanted.slot is not None and not rates.enter(tx, *wanted.slot):
        wait = _Wait(wanted.slot[0], _SLOT_WAIT_MS)
    if wait is not None:
        for bucket, amount in taken:
            rates.give_back(tx, bucket.key, bucket.per_minute, amount)
        if wanted.accounts:
            keys = [account.key for account in wanted.accounts]
            budget_store.settle(tx, keys, wanted.amount, Amount(0, 0), now_ms)
    return wait


def _give_back(tx: sa.Connection, admission: Admission, spent: Amount, now_ms: int) -> None:
    if admission.keys:
        budget_store.settle(tx, admission.keys, admission.amount, spent, now_ms)
    for key, per_minute, amount in admission.buckets:
        if amount > spent.tokens:
            rates.give_back(tx, key, per_minute, amount - spent.tokens)
    if admission.slot is not None:
        rates.leave(tx, admission.slot)


def _spent(attempt: Attempt) -> Amount:
    cost = None if attempt.cost_source == "unknown" else to_micro_usd(attempt.cost_usd)
    return Amount(cost, attempt.usage.total_tokens)


def _worst(attempt: Attempt, seconds: float) -> Amount:
    """The most that the request can cost, also if prices change while it waits for its turn."""
    tokens = estimate_usage(attempt.target, attempt.request).total_tokens
    worst = 0
    for at_ms in (attempt.started_at, attempt.started_at + int(seconds * 1000)):
        cost_usd = estimate(attempt.target, attempt.request, at_ms, processing=attempt.processing).cost_usd
        if cost_usd is None:
            return Amount(None, tokens)
        worst = max(worst, to_micro_usd(cost_usd))
    return Amount(worst, tokens)


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


def _by_tokens(bucket: Bucket) -> bool:
    """Whether what was taken is known better afterwards."""
    return bucket.key.startswith("tokens:")


def _over_budget(target: Target, refusal: Refusal) -> Skip:
    why = {
        "money": f"budget {refusal.budget!r} has no room for what the request may cost at most",
        "tokens": f"budget {refusal.budget!r} has no room for the tokens that the request may need",
        "price unknown": f"its price is not known, and budget {refusal.budget!r} limits money",
    }[refusal.reason]
    return Skip(
        target.name,
        ErrorKind.OVER_BUDGET,
        why,
        budget=refusal.budget,
        resets_at_ms=refusal.resets_at_ms,
        degrades=refusal.when_spent == "degrade",
    )


def _extra(wanted: _Wanted, about: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "buckets": [
            [bucket.key, bucket.per_minute, amount] for bucket, amount in wanted.buckets if _by_tokens(bucket)
        ],
        "slot": wanted.slot[0] if wanted.slot else None,
        "call": dict(about),
    }


def _admission_of(reservation: Reservation) -> Admission:
    extra: Any = reservation.extra
    buckets = tuple((str(key), float(rate), int(amount)) for key, rate, amount in extra["buckets"])
    amount = Amount(reservation.micro_usd, reservation.tokens)
    return Admission(reservation.id, reservation.accounts, amount, buckets, extra["slot"])
