"""What serves, as this process knows it: one look in memory a call, and now and then one small query.

A snapshot older than `_FRESH_SECONDS` is held against the environment's counter before the next call uses it,
and loaded anew when that has moved; calls that come meanwhile wait for the same query. So a change serves in
every process that calls within half a second, and a process that does not call asks for nothing. Where the
database does not answer in time, what was known goes on serving.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from roadworthy.db import Database, one_state
from roadworthy.errors import DatabaseError
from roadworthy.records import Clock
from roadworthy.releases import store
from roadworthy.releases.release import Release

_FRESH_SECONDS = 0.4
_PATIENCE_SECONDS = 0.25
"""So long a call waits for the database to say what serves, where it knew something before."""

_log = logging.getLogger("roadworthy.releases")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What serves in an environment at one moment."""

    revision: int
    releases: Mapping[str, Release] = field(default_factory=dict[str, Release])


Loaded = Callable[[sa.Connection, Snapshot], None]


class Memory:
    """The newest snapshot of an environment. `loaded` is called with each, within the read that made it."""

    def __init__(self, database: Database, clock: Clock, environment: str, loaded: Loaded) -> None:
        self._database = database
        self._clock = clock
        self._environment = environment
        self._loaded = loaded
        self._known: Snapshot | None = None
        self._looked: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._blind = False

    @property
    def snapshot(self) -> Snapshot:
        """What is known; nothing before the first look."""
        return self._known or _NOTHING

    async def fresh(self) -> Snapshot:
        """What serves now. Raises `DatabaseError` when nothing was ever known, and cannot be."""
        if self._looked is not None and self._clock.monotonic() - self._looked < _FRESH_SECONDS:
            return self.snapshot
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(_seen)
        looking = self._looking
        if self._known is None:
            await asyncio.shield(looking)
        else:
            await asyncio.wait([looking], timeout=_PATIENCE_SECONDS)
            if not looking.done():
                self._go_on("it has not answered yet")
        return self.snapshot

    def look_now(self) -> Snapshot:
        """The same in this thread; for programs without an event loop, and as a program starts."""
        began = self._clock.monotonic()
        if not self._is_current(self._database.read_now(self._revision)):
            self._take(self._database.read_now(self._load))
        self._looked, self._blind = began, False
        return self.snapshot

    def forget(self) -> None:
        """Look again at the next call: this process has just changed something."""
        self._looked = None

    async def close(self) -> None:
        """Let a query that is under way end."""
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        began = self._clock.monotonic()
        try:
            if not self._is_current(await self._database.read(self._revision)):
                self._take(await self._database.read(self._load))
        except DatabaseError as error:
            if self._known is None:
                raise
            self._go_on(str(error))
            self._looked = self._clock.monotonic()
        else:
            self._looked, self._blind = began, False

    def _revision(self, tx: sa.Connection) -> int:
        return store.revision(tx, self._environment)

    def _load(self, tx: sa.Connection) -> Snapshot:
        one_state(tx)
        made = Snapshot(self._revision(tx), store.current(tx, self._environment))
        self._loaded(tx, made)
        return made

    def _is_current(self, revision: int) -> bool:
        return self._known is not None and self._known.revision == revision

    def _take(self, snapshot: Snapshot) -> None:
        if self._known is None or snapshot.revision > self._known.revision:
            self._known = snapshot

    def _go_on(self, why: str) -> None:
        if not self._blind:
            self._blind = True
            _log.warning("the database cannot say what serves, so what served goes on serving: %s", why)


_NOTHING = Snapshot(0)


def _seen(looking: "asyncio.Task[None]") -> None:
    if not looking.cancelled():
        looking.exception()  # whoever waits for it gets it; nobody may
