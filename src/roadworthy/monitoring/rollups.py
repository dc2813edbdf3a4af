"""Adds up what the calls of each hour come to, so that reports need not read the calls.

    new hours       oldest first, up to a day at a time, once they are closed (`calls/hours.py`)
    changed hours   anew, all of them: their figures are deleted and made again

Each is one transaction, and no two of them run at once. An hour's figures are those of the report itself, by
every key that there is. Workers look after it, and so does whoever asks for a report; a report is right
however far that has come, because what is not added up is read from the calls.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from roadworthy.calls import hours
from roadworthy.calls.hours import CLOSED_MS, HOUR_MS, hour_of
from roadworthy.db import Database, Prepared, insert_once
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.rollups import (
    OF_ATTEMPTS,
    OF_CALLS,
    OF_KEY,
    call_hours,
    call_keys,
    call_latencies,
)
from roadworthy.monitoring import latency, measures
from roadworthy.monitoring.grouping import model_of_call, with_attempts
from roadworthy.monitoring.query import Key
from roadworthy.records import Clock

_AT_ONCE_HOURS = 24
_AT_ONCE_CALLS = 2_000
"""SQLite has one writer: nobody else should wait long for this one. An hour of more calls is one anyway."""
_SECONDS = 1.0
_MOST_KNOWN = 20_000

Names = dict[Key, int]
"""Ids of keys."""


class RollUps:
    """Keeps the roll-ups of a database up to date."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: Names = {}

    async def keep_up(self, seconds: float = _SECONDS) -> bool:
        """Add up what is missing, for no longer than this and one transaction; whether nothing is left."""
        until = self._clock.monotonic() + seconds
        if not await self._database.read(self._is_behind):
            return True
        while True:
            done, named = await self._database.write(self._next)
            if len(self._known) > _MOST_KNOWN:
                self._known = {}
            self._known |= named  # they are committed now
            if done or self._clock.monotonic() >= until:
                return done

    @property
    def _closed(self) -> int:
        """Hours that begin before this are closed."""
        return hour_of(self._clock.now_ms() - CLOSED_MS)

    def _is_behind(self, tx: sa.Connection) -> bool:
        state = hours.standing(tx)
        return state.rolled_until < self._closed or bool(hours.changes(tx, 0, state.rolled_until, 1))

    def _next(self, tx: sa.Connection) -> tuple[bool, Names]:
        """Add up some hours: whether nothing is left, and the ids that were looked up."""
        state, closed = hours.take_turns(tx), self._closed
        hours.forget_changes(tx, 0, state.swept_until)
        named: Names = {}
        for hour in hours.changes(tx, state.swept_until, state.rolled_until, 1):
            self._add_up(tx, hour, hour + HOUR_MS, named, again=True)
            return False, named
        if closed <= state.rolled_until:
            return True, named
        first, until = _stretch(tx, state.rolled_until, closed)
        if first < until:
            self._add_up(tx, first, until, named)
        hours.move(tx, rolled_until=until)
        return until == closed, named

    def _add_up(
        self, tx: sa.Connection, since: int, until: int, named: Names, *, again: bool = False
    ) -> None:
        hours.forget_changes(tx, since, until)  # before the calls are read: see `calls/hours.py`
        if again:
            _forget(tx, since, until)
        figures: dict[tuple[int, Key], dict[str, int]] = {}
        for names, rows in (
            (OF_CALLS, tx.execute(_CALLS, {"since": since, "until": until}).all()),
            (OF_ATTEMPTS, tx.execute(_ATTEMPTS, {"since": since, "until": until}).all()),
        ):
            for hour, *row in rows:
                key = tuple(row[: len(OF_KEY)])
                sums = figures.setdefault((hour, key), dict.fromkeys((*OF_CALLS, *OF_ATTEMPTS), 0))
                sums |= zip(names, map(int, row[len(OF_KEY) :]), strict=True)
        self._look_up(tx, {key for _, key in figures}, named)
        ids = self._known | named
        if figures:
            rows = [{"key_id": ids[key], "hour": hour, **sums} for (hour, key), sums in figures.items()]
            tx.execute(sa.insert(call_hours), rows)
        took = [
            {"key_id": ids[tuple(row[: len(OF_KEY)])], "hour": hour, "bucket": row[-2], "calls": row[-1]}
            for hour, *row in tx.execute(_LATENCIES, {"since": since, "until": until}).all()
        ]
        if took:
            tx.execute(sa.insert(call_latencies), took)

    def _look_up(self, tx: sa.Connection, keys: Iterable[Key], named: Names) -> None:
        for key in keys:
            if key not in self._known:
                values = dict(zip(OF_KEY, key, strict=True))
                _INSERT_KEY.run(tx, **values)
                named[key] = _FIND_KEY.run(
                    tx, **{f"the_{name}": one for name, one in values.items()}
                ).fetchone()[0]


def _stretch(tx: sa.Connection, since: int, closed: int) -> tuple[int, int]:
    """Which hours to add up next: those from the first one with a call. Without any, none before `closed`."""
    began = calls.c.started_at
    first = tx.execute(sa.select(sa.func.min(began)).where(began >= since, began < closed)).scalar()
    if first is None:
        return closed, closed
    first = hour_of(first)
    until = min(first + _AT_ONCE_HOURS * HOUR_MS, closed)
    many = (
        sa.select(began).where(began >= first, began < until).order_by(began).offset(_AT_ONCE_CALLS).limit(1)
    )
    far = tx.execute(many).scalar()
    return first, until if far is None else max(hour_of(far), first + HOUR_MS)


def _forget(tx: sa.Connection, since: int, until: int) -> None:
    every = sa.select(call_keys.c.id)  # the rows lie by key
    for table in (call_hours, call_latencies):
        its = table.c
        tx.execute(sa.delete(table).where(its.key_id.in_(every), its.hour >= since, its.hour < until))


_INSERT_KEY = insert_once(call_keys, *OF_KEY)
_FIND_KEY = Prepared(
    sa.select(call_keys.c.id).where(*(call_keys.c[name] == sa.bindparam(f"the_{name}") for name in OF_KEY))
)


def _by_hour_and_key(
    tables: sa.FromClause,
    model: sa.ColumnElement[Any],
    figures: measures.Columns,
    *also: sa.ColumnElement[Any],
) -> sa.Select[Any]:
    began = calls.c.started_at
    told: dict[str, Any] = {
        **{name: calls.c[name] for name in OF_KEY if name not in ("model", "rung")},
        "model": model,
        "rung": sa.func.coalesce(calls.c.rung, ""),
    }
    apart: Sequence[sa.ColumnElement[Any]] = [
        (began - began % sa.literal_column(str(HOUR_MS), sa.BigInteger)).label("in_hour"),
        *(told[name].label(f"in_{name}") for name in OF_KEY),
        *also,
    ]
    return (
        sa.select(*apart, *(column.label(name) for name, column in figures.items()))
        .select_from(tables)
        .where(began >= sa.bindparam("since"), began < sa.bindparam("until"))
        .group_by(*(column.name for column in apart))
    )


_CALLS = _by_hour_and_key(
    calls, model_of_call, {name: measures.EVERY_ONE_OF_CALLS[name] for name in OF_CALLS}
)
_ATTEMPTS = _by_hour_and_key(
    with_attempts, call_attempts.c.model, {name: measures.EVERY_ONE_OF_ATTEMPTS[name] for name in OF_ATTEMPTS}
)
_LATENCIES = _by_hour_and_key(
    calls, model_of_call, {"counted": sa.func.count()}, latency.bucket.label("in_bucket")
).where(latency.was_answered)
