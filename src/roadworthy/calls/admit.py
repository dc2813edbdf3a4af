"""Admission: what one request may cost and take up is set aside before it is sent, in one transaction.

    budgets     the worst that it may cost, in every account that it counts for
    throttles   one call of its user, tenant or workflow
    rates       one request and its tokens of the model's minute
    slots       one of the requests that all processes may have open

What is set aside is one row, `reservations`. The transaction that records the request's end removes the row
and settles what was really spent; whoever comes too late finds no row and settles nothing. What could not be
written, because the database was away, is owed, and written when it is back. When a process dies, its rows
expire, and what they set aside counts as spent, because it may have been billed.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets import Amount, Budgets, Key, Refusal, Reservation
from roadworthy.budgets import store as budget_store
from roadworthy.calls import lost
from roadworthy.calls.admission import Admission, Collected
from roadworthy.calls.attempt import Attempt
from roadworthy.calls.call import Call, Progress, Skip
from roadworthy.calls.needs import Needs, Reckoner, over_budget
from roadworthy.calls.report import BudgetReporter
from roadworthy.calls.set_aside import Wait, admission_of, extra_of, give_back, set_aside
from roadworthy.db import Database
from roadworthy.errors import DatabaseError, ErrorKind, Throttled
from roadworthy.models import FairSlots, Target
from roadworthy.records import Clock, Ids, to_micro_usd
from roadworthy.settings import Settings
from roadworthy.telemetry import Telemetry

_log = logging.getLogger("roadworthy.calls")

_GRACE_MS = 60_000
"""A reservation outlives its request by so much: its settlement may be waiting for the database."""
_LEAVING_SECONDS = 5.0
_MOST_OWED = 1_000
_MOST_TRIES = 20


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
        self._report = BudgetReporter(telemetry)
        self._budgets = Budgets(settings.budgets)
        self._reckoner = Reckoner(settings, self._budgets, self._report)
        self._lines: dict[str, FairSlots] = {}
        self._owed: deque[tuple[Callable[[sa.Connection], None], int]] = deque(maxlen=_MOST_OWED)
        self._leaving: set[asyncio.Task[None]] = set()

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
    ) -> Admission | Skip | None:
        """Set aside what the request needs, waiting for its turn if that takes no longer than `seconds`.

        None: nothing has to be set aside. A `Skip` says why it may not be sent.

        Raises:
            Throttled: Its user, tenant or workflow asks too often.
        """
        needs = self._reckoner.of(call, progress, attempt, seconds)
        if isinstance(needs, Skip) or needs is None:
            return needs
        reservation = _reservation(self._ids.new("hold"), progress, attempt, needs, seconds)
        progress.setting_aside[attempt.number] = needs.amount
        try:
            result = await self._in_turn(call, attempt.target, needs, reservation, seconds)
        finally:
            del progress.setting_aside[attempt.number]
        progress.throttled = progress.throttled or isinstance(result, Admission)
        if isinstance(result, Wait):
            return self._refused_rate(attempt.target, result)
        if isinstance(result, Refusal):
            self._report.refused(result, attempt.target.name)
            return over_budget(attempt.target, result)
        return result

    def for_batch(
        self, call: Call[Any], progress: Progress, attempt: Attempt, seconds: float, hold_id: str
    ) -> Collected | Skip | None:
        """The same for the provider's batch: set aside later, in the transaction that collects the request.

        Only budgets are asked, and `seconds` is how long it may take. The same `hold_id` sets aside once.
        """
        needs = self._reckoner.of(call, progress, attempt, seconds)
        if isinstance(needs, Skip) or needs is None:
            return needs
        reservation = _reservation(hold_id, progress, attempt, needs, seconds)

        def take(tx: sa.Connection) -> bool:
            outcome: list[budget_store.Outcome] = []
            taken = set_aside(tx, needs, reservation, attempt.started_at, outcome)
            attempt.outcome = outcome[0] if outcome else attempt.outcome
            return isinstance(taken, Admission)

        return Collected(admission_of(reservation), take)

    def settle(self, tx: sa.Connection, attempt: Attempt, now_ms: int) -> None:
        """Put what was really spent in the place of what was set aside; does nothing a second time."""
        admission = attempt.admission
        if admission is None or not budget_store.release(tx, admission.id):
            return
        spent = _spent(attempt)
        give_back(tx, admission, spent, now_ms)
        attempt.outcome = None
        for key in admission.keys:
            self._look(tx, attempt, key, admission.amount, spent)

    def settle_together(self, tx: sa.Connection, attempts: Sequence[Attempt], now_ms: int) -> None:
        """The same for many attempts, account by account in the order in which all others lock them."""
        shares: list[tuple[Key, Amount, Amount, Attempt]] = []
        for attempt in attempts:
            admission = attempt.admission
            if admission is None or not budget_store.release(tx, admission.id):
                continue
            attempt.outcome = None
            spent = _spent(attempt)
            shares += [(key, admission.amount, spent, attempt) for key in admission.keys]
        for key, reserved, spent, attempt in sorted(shares, key=itemgetter(0)):
            budget_store.settle(tx, [key], reserved, spent, now_ms)
            self._look(tx, attempt, key, reserved, spent)

    def settled(self, attempts: Iterable[Attempt]) -> None:
        """Report what settling these did to their accounts, once that is stored."""
        for attempt in attempts:
            outcome, attempt.outcome = attempt.outcome, None
            if outcome is not None:
                self._report.reserved(outcome, attempt.target.name)

    def withdraw(self, tx: sa.Connection, admission: Admission, now_ms: int) -> None:
        """Give back what was set aside for a request that is not sent after all."""
        if budget_store.release(tx, admission.id):
            give_back(tx, admission, Amount(0, 0), now_ms)

    def overrun(self, attempt: Attempt) -> None:
        """Report a request that cost more than the most that it could: the provider counted otherwise."""
        admission = attempt.admission
        if admission is None or admission.amount.micro_usd is None or not admission.keys:
            return
        spent = to_micro_usd(attempt.cost_usd)
        if spent > admission.amount.micro_usd:
            self._report.overrun(admission.keys[0][0], attempt.target.name, spent, admission.amount.micro_usd)

    @property
    def owes(self) -> bool:
        """Whether anything is still to be written."""
        return bool(self._owed)

    def owe(self, work: Callable[[sa.Connection], None]) -> None:
        """Have this written when the database answers again; it may run twice with the same effect."""
        self._owed.append((work, 1))

    async def pay(self) -> None:
        """Write what is owed. What fails again and again is given up: what it would settle expires."""
        for _ in range(len(self._owed)):
            if not self._owed:  # somebody else writes the rest
                return
            work, tries = self._owed.popleft()
            try:
                await asyncio.shield(self._database.write(work))
            except DatabaseError:
                if tries < _MOST_TRIES:
                    self._owed.append((work, tries + 1))
                else:
                    _log.exception(
                        "what a request cost could not be stored; it counts as spent when it expires"
                    )
                raise

    async def close(self) -> None:
        """Give back and write what was still to be, as far as the database lets us."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=_LEAVING_SECONDS)
        with suppress(DatabaseError):
            await self.pay()

    async def expire(self) -> int:
        """Pay what is owed, and charge what dead processes had set aside: returns for how many requests."""
        with suppress(DatabaseError):  # it stays owed
            await self.pay()
        now_ms = self._clock.now_ms()

        def charge(tx: sa.Connection) -> bool:
            """One at a time, so that its accounts are locked in the order in which all others lock them."""
            for one in budget_store.expired(tx, now_ms, 1):
                if budget_store.release(tx, one.id):
                    admission = admission_of(one)
                    ended_at = self._clock.now_ms()
                    lost.record(tx, one, ended_at)
                    give_back(tx, admission, admission.amount, ended_at)
                    return True
            return False

        if not await self._database.read(lambda tx: bool(budget_store.expired(tx, now_ms, 1))):
            return 0
        charged = 0
        while await self._database.write(charge):
            charged += 1
        return charged

    async def _in_turn(
        self, call: Call[Any], target: Target, needs: Needs, reservation: Reservation, seconds: float
    ) -> Admission | Refusal | Wait:
        """Try at once; whoever has to wait stands in line, tenants taking turns, and the first one tries."""
        give_up = self._clock.monotonic() + seconds
        line = self._lines.get(target.name)
        if line is None:
            line = self._lines[target.name] = FairSlots(1)
        result: Admission | Refusal | Wait = Wait("line", 0)
        if not line.busy:
            result = await self._try(needs, reservation)
            if not isinstance(result, Wait) or result.throttle is not None:
                return self._unless_throttled(result)
        left = give_up - self._clock.monotonic()
        if result.wait_ms / 1000 > left:
            return result
        try:
            await line.acquire(call.tenant, left)
        except TimeoutError:
            return result if result.wait_ms else Wait(f"requests:{target.name}", 1000)
        try:
            while True:
                result = await self._try(needs, reservation)
                if not isinstance(result, Wait) or result.throttle is not None:
                    return self._unless_throttled(result)
                pause = result.wait_ms / 1000 * self._uniform(1.0, 1.1)
                if pause > give_up - self._clock.monotonic():
                    return result
                await asyncio.sleep(pause)
        finally:
            line.release()

    async def _try(self, needs: Needs, reservation: Reservation) -> Admission | Refusal | Wait:
        now_ms = self._clock.now_ms()
        outcome: list[budget_store.Outcome] = []

        def admit(tx: sa.Connection) -> Admission | Refusal | Wait:
            outcome.clear()
            return set_aside(tx, needs, reservation, now_ms, outcome)

        writing = asyncio.ensure_future(self._database.write(admit))
        try:
            result = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await self._withdraw(writing, reservation)
            raise
        except DatabaseError:  # perhaps it is set aside all the same; nothing is sent
            self._owe_back(reservation)
            raise
        if isinstance(result, Admission) and outcome:
            self._report.reserved(outcome[0], reservation.model)
        return result

    async def _withdraw(
        self, writing: "asyncio.Future[Admission | Refusal | Wait]", reservation: Reservation
    ) -> None:
        """Give back what a call had set aside that was cancelled before it sent anything."""

        async def withdrawn() -> None:
            with suppress(DatabaseError):
                if not isinstance(await writing, Admission):
                    return
            self._owe_back(reservation)
            with suppress(DatabaseError):  # then it stays owed
                await self.pay()

        leaving = asyncio.create_task(withdrawn())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        with suppress(TimeoutError):  # it goes on by itself
            async with asyncio.timeout(_LEAVING_SECONDS):
                await asyncio.shield(leaving)

    def _owe_back(self, reservation: Reservation) -> None:
        """Have given back, if it was set aside at all, what nothing was sent for."""
        admission, now_ms = admission_of(reservation), self._clock.now_ms()
        self.owe(lambda tx: self.withdraw(tx, admission, now_ms))

    def _look(self, tx: sa.Connection, attempt: Attempt, key: Key, reserved: Amount, spent: Amount) -> None:
        """Note an account that became nearly spent because a request cost more than was set aside."""
        if spent.tokens <= reserved.tokens and (spent.micro_usd or 0) <= (reserved.micro_usd or 0):
            return
        account = self._budgets.account_of(key)
        if account is not None and budget_store.nears(tx, account, reserved, spent):
            known = attempt.outcome.near if attempt.outcome is not None else ()
            attempt.outcome = budget_store.Outcome(near=(*known, account))

    def _unless_throttled(self, result: Admission | Refusal | Wait) -> Admission | Refusal | Wait:
        if isinstance(result, Wait) and result.throttle is not None:
            seconds = result.wait_ms / 1000
            self._report.throttled(result.throttle, seconds)
            raise Throttled(
                f"The throttle {result.throttle!r} lets no further call through now.",
                retry_after_seconds=seconds,
                hint=f"Ask again in {seconds:.1f} s.",
            )
        return result

    def _refused_rate(self, target: Target, wait: Wait) -> Skip:
        what = "open requests" if wait.what.startswith("open:") else wait.what.partition(":")[0] + " a minute"
        return Skip(
            target.name,
            ErrorKind.RATE_LIMITED_HERE,
            f"its {what} are used up",
            retry_after_seconds=wait.wait_ms / 1000,
        )


def _reservation(
    hold_id: str, progress: Progress, attempt: Attempt, needs: Needs, seconds: float
) -> Reservation:
    expires_at = attempt.started_at + int((seconds + attempt.request.timeout_seconds) * 1000) + _GRACE_MS
    return Reservation(
        id=hold_id,
        call_id=progress.id,
        number=attempt.number,
        model=attempt.target.name,
        accounts=tuple(account.key for account in needs.accounts),
        micro_usd=needs.amount.micro_usd,
        tokens=needs.amount.tokens,
        extra=extra_of(needs, lost.describe(progress, attempt)),
        made_at=attempt.started_at,
        expires_at=expires_at,
    )


def _spent(attempt: Attempt) -> Amount:
    cost = None if attempt.cost_source == "unknown" else to_micro_usd(attempt.cost_usd)
    return Amount(cost, attempt.usage.total_tokens)
