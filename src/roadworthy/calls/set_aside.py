"""Setting aside and giving back inside a transaction: accounts, throttles, rates, slots; all or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets import Amount, Refusal, Reservation
from roadworthy.budgets import store as budget_store
from roadworthy.calls.admission import Admission
from roadworthy.calls.needs import Needs, by_tokens
from roadworthy.models import Bucket, rates
from roadworthy.records import Json

_SLOT_WAIT_MS = 50


@dataclass(frozen=True, slots=True)
class Wait:
    """No room just now."""

    what: str
    wait_ms: int
    throttle: str | None = None


def set_aside(
    tx: sa.Connection,
    needs: Needs,
    reservation: Reservation,
    now_ms: int,
    outcome: list[budget_store.Outcome],
) -> Admission | Refusal | Wait:
    """Everything or nothing. What was taken is given back by hand: SQLite works share one transaction."""
    keys = tuple(account.key for account in needs.accounts)
    rated = tuple(
        (bucket.key, bucket.per_minute, amount) for bucket, amount in needs.buckets if by_tokens(bucket)
    )
    admission = Admission(reservation.id, keys, needs.amount, rated, needs.slot[0] if needs.slot else None)
    if not budget_store.hold(tx, reservation):
        return admission  # the same transaction was committed before, and only its answer was lost
    refusal = _take(tx, needs, now_ms, outcome)
    if refusal is not None:
        budget_store.release(tx, reservation.id)
        return refusal
    return admission


def _take(
    tx: sa.Connection, needs: Needs, now_ms: int, outcome: list[budget_store.Outcome]
) -> Refusal | Wait | None:
    """Take all that is needs, or nothing and say what there is no room for."""
    if needs.accounts:
        reserved = budget_store.reserve(tx, needs.accounts, needs.amount, now_ms)
        if reserved.refusal is not None:
            return reserved.refusal
        outcome.append(reserved)
    taken: list[tuple[Bucket, int]] = []
    wait: Wait | None = None
    asked = [(None, bucket, amount) for bucket, amount in needs.buckets]
    for throttle, bucket, amount in [*((name, one, 1) for name, one in needs.throttles), *asked]:
        wait_ms = rates.take(tx, bucket, amount, now_ms)
        if wait_ms is not None:
            wait = Wait(bucket.key, wait_ms, throttle)
            break
        taken.append((bucket, amount))
    if wait is None and needs.slot is not None and not rates.enter(tx, *needs.slot):
        wait = Wait(needs.slot[0], _SLOT_WAIT_MS)
    if wait is not None:
        for bucket, amount in taken:
            rates.give_back(tx, bucket.key, bucket.per_minute, amount)
        if needs.accounts:
            keys = [account.key for account in needs.accounts]
            budget_store.settle(tx, keys, needs.amount, Amount(0, 0), now_ms)
    return wait


def give_back(tx: sa.Connection, admission: Admission, spent: Amount, now_ms: int) -> None:
    """Put what was spent in the place of what was set aside."""
    if admission.keys:
        budget_store.settle(tx, admission.keys, admission.amount, spent, now_ms)
    for key, per_minute, amount in admission.buckets:
        if amount > spent.tokens:
            rates.give_back(tx, key, per_minute, amount - spent.tokens)
    if admission.slot is not None:
        rates.leave(tx, admission.slot)


def extra_of(needs: Needs, about: Mapping[str, Json]) -> dict[str, Json]:
    """What a reservation has to know beside its accounts."""
    return {
        "buckets": [
            [bucket.key, bucket.per_minute, amount] for bucket, amount in needs.buckets if by_tokens(bucket)
        ],
        "slot": needs.slot[0] if needs.slot else None,
        "call": dict(about),
    }


def admission_of(reservation: Reservation) -> Admission:
    """What a reservation has set aside."""
    extra: Any = reservation.extra
    buckets = tuple((str(key), float(rate), int(amount)) for key, rate, amount in extra["buckets"])
    amount = Amount(reservation.micro_usd, reservation.tokens)
    return Admission(reservation.id, reservation.accounts, amount, buckets, extra["slot"])
