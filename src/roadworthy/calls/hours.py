"""Hours of calls: which are added up in the roll-ups, and which have changed since.

    open      calls that began in it may still be written by anybody
    closed    15 minutes after its end: it may be added up
    changed   a call that began in it was written 5 minutes after its end or later: it is added up (again)
    swept     its calls are deleted; what it came to stays, and changes no more

Whoever writes to a call says so with `changed`, in the same transaction. For a call of the present hour that
is a comparison. The 10 minutes in between are for clocks that disagree and transactions that take their time.
A change is a row of its own, never an update: whoever adds an hour up first deletes the changes that it sees,
then reads the calls, so that what is committed in between leaves its change behind.
"""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from roadworthy.db import Prepared, insert_once
from roadworthy.db.tables.rollups import changed_hours, rolled_up

HOUR_MS = 3_600_000
CLOSED_MS = 900_000
"""So long after its end, an hour is closed."""
_LATE_MS = 300_000

_INSERT_CHANGE = Prepared(sa.insert(changed_hours).inline(), "hour")
_INSERT_STATE = insert_once(rolled_up, "id", "rolled_until", "swept_until")
_ONLY = 1
_STATE = sa.select(rolled_up.c.rolled_until, rolled_up.c.swept_until).where(rolled_up.c.id == _ONLY)


class RolledUp(NamedTuple):
    """How far the hours are added up. Both are the first moment of an hour."""

    rolled_until: int
    """Hours that begin before are added up, unless they have changed."""
    swept_until: int
    """The calls of hours that begin before are deleted, or about to be."""


def hour_of(at_ms: int) -> int:
    """The first millisecond of a moment's hour, in UTC."""
    return at_ms - at_ms % HOUR_MS


def changed(tx: sa.Connection, started_at: int, now_ms: int) -> None:
    """Note that a call, or one of its attempts, is written now; `now_ms` is this transaction's time."""
    if now_ms >= started_at - started_at % HOUR_MS + HOUR_MS + _LATE_MS:
        _INSERT_CHANGE.run(tx, hour=hour_of(started_at))


def changed_all(tx: sa.Connection, started_at: Iterable[int], now_ms: int) -> None:
    """The same for several calls."""
    for hour in {hour_of(one) for one in started_at}:
        changed(tx, hour, now_ms)


def standing(tx: sa.Connection) -> RolledUp:
    """How far the hours are added up now."""
    row = tx.execute(_STATE).first()
    return RolledUp(0, 0) if row is None else RolledUp(*row)


def take_turns(tx: sa.Connection) -> RolledUp:
    """The same, and until this transaction ends nobody else adds hours up or deletes their calls."""
    _INSERT_STATE.run(tx, id=_ONLY, rolled_until=0, swept_until=0)
    row = tx.execute(_STATE.with_for_update()).one()
    return RolledUp(*row)


def move(tx: sa.Connection, *, rolled_until: int | None = None, swept_until: int | None = None) -> None:
    """Note how far the hours are added up, or how far their calls are deleted."""
    values = {"rolled_until": rolled_until, "swept_until": swept_until}
    tx.execute(
        sa.update(rolled_up).values({name: value for name, value in values.items() if value is not None})
    )


def changes(tx: sa.Connection, since: int, until: int, most: int | None = None) -> list[int]:
    """The hours that have changed since they were added up, of those that begin in this time; in order."""
    hour = changed_hours.c.hour
    query = sa.select(hour).where(hour >= since, hour < until).distinct().order_by(hour).limit(most)
    return list(tx.execute(query).scalars())


def forget_changes(tx: sa.Connection, since: int, until: int) -> None:
    """Delete what is noted of hours that begin in this time: they are added up anew, or swept."""
    hour = changed_hours.c.hour
    tx.execute(sa.delete(changed_hours).where(hour >= since, hour < until))


def sweep_until(tx: sa.Connection, before_ms: int) -> int:
    """Up to which moment calls may be deleted, of those before a moment: what they came to is kept.

    From now on what these hours came to changes no more.
    """
    state = take_turns(tx)
    until = min(hour_of(before_ms), state.rolled_until)
    for hour in changes(tx, state.swept_until, until, 1):
        until = hour
    if until > state.swept_until:
        move(tx, swept_until=until)
    return max(until, state.swept_until)
