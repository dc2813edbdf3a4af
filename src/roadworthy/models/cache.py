"""Answers that may be given again: `AnswerCache`, a table with a little memory in front of it.

    get       what is known, fresh, or also stale where that is asked for
    store     in the transaction that records the call; `remember` once it is committed
    once      identical calls at the same time become one (`flight.py`)

What is in memory is trusted for half a minute, then the table is asked again, so that clearing the cache in
one process takes effect in all. That nothing is known is never remembered. Keys come from `cache_key.py`.
"""

import asyncio
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.db import Database, Prepared, unpack
from roadworthy.db.tables.answers import cached_answers
from roadworthy.models.cached import CLOCKS_DIFFER_MS, Cached, Memory
from roadworthy.models.flight import SingleFlight
from roadworthy.records import Clock, Usage

T = TypeVar("T")

_log = logging.getLogger("roadworthy.models")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one prompt."""

    prompt_id: str
    entries: int
    bytes: int
    hits: int
    """How often one of these answers was given again."""
    saved_micro_usd: int
    """What it would have cost to ask instead."""


_row = cached_answers.c
_COLUMNS = tuple(name for name in _row.keys() if name not in ("hits", "saved_micro_usd"))  # noqa: SIM118
_THE_KEY = _row.key == sa.bindparam("the_key")


def _upsert() -> Prepared:
    """An insert that replaces what is there, but for a better answer that is still fresh."""
    made: dict[str, Any] = {}
    for dialect, insert in (
        ("sqlite", sqlite.insert(cached_answers)),
        ("postgresql", postgresql.insert(cached_answers)),
    ):
        new = insert.excluded
        better = sa.and_(
            sa.not_(_row.degraded),
            _row.fresh_until > new.made_at,
            _row.made_at <= new.made_at + CLOCKS_DIFFER_MS,
        )
        made[dialect] = insert.on_conflict_do_update(
            index_elements=["key"],
            set_={name: new[name] for name in _COLUMNS if name != "key"},
            where=sa.or_(sa.not_(new.degraded), sa.not_(better)),
        )
    return Prepared(made, *_COLUMNS)


_STORE = _upsert()
_LOOK = Prepared(sa.select(*(_row[name] for name in _COLUMNS)).where(_THE_KEY))
_HIT = Prepared(
    sa.update(cached_answers)
    .where(_THE_KEY)
    .values(
        hits=_row.hits + sa.bindparam("times", type_=sa.BigInteger()),
        saved_micro_usd=_row.saved_micro_usd
        + _row.cost_micro_usd * sa.bindparam("times", type_=sa.BigInteger()),
    )
)


class AnswerCache:
    """The answers of a project. At most `max_entries` of them, and `max_bytes`, are held in memory."""

    def __init__(
        self, database: Database, clock: Clock, *, max_entries: int = 2_000, max_bytes: int = 32 * 2**20
    ) -> None:
        self._database = database
        self._clock = clock
        self._memory = Memory(max_entries, max_bytes)
        self._flight = SingleFlight()

    async def get(self, key: str, *, stale: bool = False) -> Cached | None:
        """The answer under that key, while it is fresh; with `stale`, also for as long as it may help out."""
        found = self._memory.get(key, self._clock.monotonic())
        if found is None or not found.usable(self._clock.now_ms(), stale=stale):
            found = await self._look_up(key)
        if found is None or not found.usable(self._clock.now_ms(), stale=stale):
            return None
        return found

    def store(self, tx: sa.Connection, entry: Cached) -> None:
        """Keep an answer, in the transaction that records its call.

        A degraded answer leaves a better one that is still fresh; half an answer is not kept.
        """
        if not entry.complete:
            return
        values = {name: getattr(entry, name) for name in _COLUMNS if name not in ("value", "usage")}
        _STORE.run(tx, **values, value=entry.payload, usage=_usage_json(entry.usage))

    def remember(self, entry: Cached) -> None:
        """Hold an answer in memory, once it is stored."""
        if entry.degraded or not entry.complete:
            self._memory.drop(entry.key)  # the table knows whether it has a better one
        else:
            self._memory.put(entry, self._clock.monotonic())

    def hits(self, tx: sa.Connection, counts: Mapping[str, int]) -> None:
        """Count how often answers were given again, by key."""
        for key in sorted(
            counts
        ):  # always in the same order: two transactions then never wait for each other
            _HIT.run(tx, the_key=key, times=counts[key])

    async def once(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        *,
        seconds: float | None = None,
        share: Callable[[T], bool] = lambda _: True,
    ) -> tuple[T, bool]:
        """What `make` gives, made once for identical calls at the same time; and whether for this caller.

        If it fails, is cancelled, or `share` declines the result, the next caller makes its own.

        Raises:
            TimeoutError: Another caller's result did not come within `seconds`; nothing was made.
        """
        return await self._flight.once(key, make, seconds=seconds, share=share)

    async def discard(self, entry: Cached) -> None:
        """Delete an answer that turned out to be unusable, unless it has been replaced."""
        await self._discard(entry.key, entry.made_at)

    def clear(self, tx: sa.Connection, *, prompt_id: str | None = None, tenant: str | None = None) -> int:
        """Delete answers: of this prompt, of this tenant, or all. Other processes follow within 30 s."""
        self._memory.clear()
        return tx.execute(sa.delete(cached_answers).where(*_of(prompt_id, tenant))).rowcount

    def count(self, tx: sa.Connection, *, prompt_id: str | None = None, tenant: str | None = None) -> int:
        """How many answers `clear` would delete."""
        query = sa.select(sa.func.count()).select_from(cached_answers).where(*_of(prompt_id, tenant))
        return tx.execute(query).scalar_one()

    def forget(self, tx: sa.Connection, now_ms: int) -> int:
        """Delete answers that are not given any more, not even stale ones."""
        return tx.execute(sa.delete(cached_answers).where(_row.stale_until <= now_ms)).rowcount

    def stats(self, tx: sa.Connection) -> list[Kept]:
        """What is kept, prompt by prompt."""
        columns = (
            sa.func.count(),
            sa.func.sum(sa.func.length(_row.value)),
            sa.func.sum(_row.hits),
            sa.func.sum(_row.saved_micro_usd),
        )
        found = tx.execute(
            sa.select(_row.prompt_id, *columns).group_by(_row.prompt_id).order_by(_row.prompt_id)
        )
        return [Kept(prompt_id, *(int(figure) for figure in figures)) for prompt_id, *figures in found]

    async def _look_up(self, key: str) -> Cached | None:
        found = await self._database.read(lambda tx: _LOOK.run(tx, the_key=key).fetchone())
        if found is None:
            self._memory.drop(key)
            return None
        values = dict(zip(_COLUMNS, found, strict=True))
        try:
            entry = _read(values)
        except (zlib.error, ValueError, TypeError, RecursionError):
            _log.warning("an answer in the cache cannot be read; it is deleted", extra={"key": key})
            await self._discard(key, values["made_at"])
            return None
        self._memory.put(entry, self._clock.monotonic())
        return entry

    async def _discard(self, key: str, made_at: int) -> None:
        self._memory.drop(key)
        delete = sa.delete(cached_answers).where(_row.key == key, _row.made_at == made_at)
        await asyncio.shield(self._database.write(lambda tx: tx.execute(delete)))


def _usage_json(usage: Usage) -> str:
    return json.dumps({name: getattr(usage, name) for name in Usage.__slots__})


def _read(values: dict[str, Any]) -> Cached:
    """The row as an entry. Raises `ValueError` or `TypeError` when it cannot be read."""
    payload, usage = bytes(values.pop("value")), Usage(**json.loads(values.pop("usage")))
    unpack(payload)
    degraded = bool(values.pop("degraded"))
    return Cached(**values, payload=payload, usage=usage, degraded=degraded)


def _of(prompt_id: str | None, tenant: str | None) -> list[sa.ColumnElement[bool]]:
    wanted = ((_row.prompt_id, prompt_id), (_row.tenant, tenant))
    return [column == value for column, value in wanted if value is not None]
