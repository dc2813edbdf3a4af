"""Rates and numbers of open requests that hold over all processes, kept in the database.

A bucket holds `burst` and refills evenly, `per_minute` of it. It is stored as one number, the moment at which
it is full again (GCRA, ITU-T I.371: the theoretical arrival time). Taking puts that moment off, waiting lets
it come nearer. One statement changes the row or leaves it, so processes need no lock.

Wall clocks jump. Beside the moment stands when it was written; what a row from the future says is moved back
by as much as the clock went back, so nobody waits longer than before the jump.
"""

import math
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.db import Prepared, insert_once
from roadworthy.db.tables.models import model_slots, rate_buckets

_MINUTE_US = 60_000_000
_DAY_MS = 86_400_000
_CLOCKS_DIFFER_MS = 5_000
"""The clocks of machines may be apart by so much; a row that is further ahead is from before a jump."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A rate, under the key by which processes share it."""

    key: str
    per_minute: float
    """How much it refills in a minute; more than 0."""
    burst: float
    """How much it holds, and so how much may be taken at once after a quiet time."""


def _upsert(table: sa.Table, change: dict[str, Any], where: sa.ColumnElement[bool] | None = None) -> Prepared:
    """An insert of all columns that changes the row instead where there is one and `where` holds."""
    key = list(table.primary_key)
    return Prepared(
        {
            "sqlite": sqlite.insert(table).on_conflict_do_update(
                index_elements=key, set_=change, where=where
            ),
            "postgresql": postgresql.insert(table).on_conflict_do_update(
                index_elements=key, set_=change, where=where
            ),
        },
        *table.c.keys(),
    )


def _whole(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger())


_row = rate_buckets.c
_now_ms, _now_us = _whole("now_ms"), _whole("now_us")
_ahead_ms = sa.case((_row.updated_at > _now_ms + _CLOCKS_DIFFER_MS, _row.updated_at - _now_ms), else_=0)
"""How far the clock has gone back since the row was written."""
_full_at_us = _row.full_at_us - _ahead_ms * 1000
_blocked_until_ms = _row.blocked_until_ms - _ahead_ms

_TAKE = _upsert(
    rate_buckets,
    {
        "full_at_us": sa.case((_full_at_us > _now_us, _full_at_us), else_=_now_us) + _whole("cost_us"),
        "blocked_until_ms": _blocked_until_ms,
        "updated_at": _now_ms,
    },
    sa.and_(_full_at_us <= _now_us + _whole("room_us"), _blocked_until_ms <= _now_ms),
)
_BLOCK = _upsert(
    rate_buckets,
    {
        "full_at_us": _full_at_us,
        "blocked_until_ms": sa.case(
            (_blocked_until_ms > _whole("until_ms"), _blocked_until_ms), else_=_whole("until_ms")
        ),
        "updated_at": _now_ms,
    },
)
_THE_BUCKET = rate_buckets.c.key == sa.bindparam("the_key")
_LOOK = Prepared(sa.select(_row.full_at_us, _row.blocked_until_ms, _row.updated_at).where(_THE_BUCKET))
_SET_BACK = Prepared(
    sa.update(rate_buckets).where(_THE_BUCKET, _row.updated_at == _whole("was_ms")),
    "full_at_us",
    "blocked_until_ms",
    "updated_at",
)
_GIVE_BACK = Prepared(
    sa.update(rate_buckets).where(_THE_BUCKET).values(full_at_us=_row.full_at_us - _whole("cost_us"))
)
_FORGET = sa.delete(rate_buckets).where(
    _row.updated_at < _whole("before_ms"), _row.full_at_us <= _now_us, _row.blocked_until_ms <= _now_ms
)

_THE_SLOTS = model_slots.c.key == sa.bindparam("the_key")
_FIRST_IN = insert_once(model_slots, "key", "open")
_ENTER = Prepared(
    sa.update(model_slots)
    .where(_THE_SLOTS, model_slots.c.open < _whole("limit"))
    .values(open=model_slots.c.open + 1)
)
_LEAVE = Prepared(
    sa.update(model_slots).where(_THE_SLOTS, model_slots.c.open > 0).values(open=model_slots.c.open - 1)
)


def take(tx: sa.Connection, bucket: Bucket, amount: float, now_ms: int) -> int | None:
    """Take an amount; None when it is taken, else for how many milliseconds it cannot be, and nothing is.

    An amount that is larger than the bucket is let through when the bucket is full, and paid off afterwards.
    """
    cost_us, now_us = _cost_us(amount, bucket.per_minute), now_ms * 1000
    room_us = max(0, _cost_us(bucket.burst, bucket.per_minute) - cost_us)
    taken = _TAKE.run(
        tx,
        key=bucket.key,
        full_at_us=now_us + cost_us,
        blocked_until_ms=0,
        updated_at=now_ms,
        now_ms=now_ms,
        now_us=now_us,
        cost_us=cost_us,
        room_us=room_us,
    ).rowcount
    if taken:
        return None
    full_at_us, blocked_until_ms, updated_at = _LOOK.run(tx, the_key=bucket.key).fetchone()
    ahead_ms = updated_at - now_ms
    if ahead_ms > _CLOCKS_DIFFER_MS:
        full_at_us, blocked_until_ms = full_at_us - ahead_ms * 1000, blocked_until_ms - ahead_ms
        # kept, so that from here on the wait becomes shorter as time passes
        _SET_BACK.run(
            tx,
            the_key=bucket.key,
            was_ms=updated_at,
            full_at_us=full_at_us,
            blocked_until_ms=blocked_until_ms,
            updated_at=now_ms,
        )
    for_room_ms = math.ceil((full_at_us - room_us - now_us) / 1000)
    return max(for_room_ms, blocked_until_ms - now_ms, 1)


def give_back(tx: sa.Connection, key: str, per_minute: float, amount: float) -> None:
    """Put back what was taken and not used. No bucket comes to hold more than its burst by it."""
    _GIVE_BACK.run(tx, the_key=key, cost_us=_cost_us(amount, per_minute))


def block(tx: sa.Connection, key: str, until_ms: int, now_ms: int) -> None:
    """Let nobody take anything before that moment, because a provider said so."""
    _BLOCK.run(
        tx,
        key=key,
        full_at_us=now_ms * 1000,
        blocked_until_ms=until_ms,
        updated_at=now_ms,
        now_ms=now_ms,
        until_ms=until_ms,
    )


def forget_full(tx: sa.Connection, now_ms: int) -> int:
    """Delete buckets that are full and nobody used for a day: no row says the same. Returns how many."""
    times = {"before_ms": now_ms - _DAY_MS, "now_us": now_ms * 1000, "now_ms": now_ms}
    return tx.execute(_FORGET, times).rowcount


def enter(tx: sa.Connection, key: str, limit: int) -> bool:
    """Take one of `limit` slots for open requests; False when all are taken."""
    if limit <= 0:
        return False
    if _ENTER.run(tx, the_key=key, limit=limit).rowcount:
        return True
    return bool(_FIRST_IN.run(tx, key=key, open=1).rowcount)


def leave(tx: sa.Connection, key: str) -> None:
    """Free a slot. One too many does no harm."""
    _LEAVE.run(tx, the_key=key)


def _cost_us(amount: float, per_minute: float) -> int:
    """How long it takes to refill so much."""
    return max(1, round(amount * _MINUTE_US / per_minute)) if amount > 0 else 0
