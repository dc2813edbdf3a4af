"""Who met which arm of a split: `Exposure`, stored with the call or run that met it.

Only what is drawn is recorded; where one arm serves everybody, or an arm is pinned, there is nothing to tell.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.db import Database, insert_once
from roadworthy.db.tables.releases import exposures as table
from roadworthy.errors import DatabaseError
from roadworthy.records import Clock

_GATHER_SECONDS = 0.1
_MOST_WAITING, _MOST_KNOWN = 10_000, 10_000

_log = logging.getLogger("roadworthy.releases")

_INSERT = insert_once(
    table,
    *("source", "subject", "environment", "revision", "salt", "arm", "key_hash", "call_id", "run_id", "at"),
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """One key that met one arm."""

    environment: str
    subject: str
    revision: int
    salt: str
    arm: str
    key_hash: str
    """The key as it was drawn; without the salt nobody can tell whose it is."""


def add(
    tx: sa.Connection,
    exposures: Iterable[Exposure],
    now_ms: int,
    *,
    call_id: str | None = None,
    run_id: str | None = None,
) -> None:
    """Store them once for the call, else for the run, else for the key."""
    for one in exposures:
        _INSERT.run(
            tx,
            source=call_id or run_id or f"key_{one.key_hash}",
            subject=one.subject,
            environment=one.environment,
            revision=one.revision,
            salt=one.salt,
            arm=one.arm,
            key_hash=one.key_hash,
            call_id=call_id,
            run_id=run_id,
            at=now_ms,
        )


class Gathered:
    """Exposures outside of calls and runs: stored a moment later, many at once, each key once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: dict[tuple[str, str], Exposure] = {}
        self._stored: dict[tuple[str, str], None] = {}
        self._storing: asyncio.Task[None] | None = None

    def notice(self, one: Exposure) -> None:
        """Have it stored; more than can wait are let go."""
        its = (one.subject, one.key_hash)
        if its in self._stored or its in self._waiting or len(self._waiting) >= _MOST_WAITING:
            return
        self._waiting[its] = one
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_soon())

    async def flush(self) -> None:
        """Store what waits. A database that cannot store it costs figures, and nothing else."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        now_ms = self._clock.now_ms()
        try:
            await self._database.write(lambda tx: add(tx, waiting.values(), now_ms))
        except DatabaseError as error:
            _log.warning("%d exposures to arms of splits could not be stored", len(waiting), exc_info=error)
            return
        self._stored |= dict.fromkeys(waiting)
        for oldest in list(self._stored)[: max(0, len(self._stored) - _MOST_KNOWN)]:
            del self._stored[oldest]

    async def close(self) -> None:
        """Store the rest."""
        if self._storing is not None:
            await asyncio.gather(self._storing, return_exceptions=True)
        await self.flush()

    async def _store_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER_SECONDS)
            await self.flush()


def delete(tx: sa.Connection, before_ms: int, limit: int) -> int:
    """Delete the oldest; returns how many."""
    old = sa.select(table.c.source, table.c.subject).where(table.c.at < before_ms).limit(limit)
    gone = sa.delete(table).where(sa.tuple_(table.c.source, table.c.subject).in_(old))
    return tx.execute(gone).rowcount
