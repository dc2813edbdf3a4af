"""`Audit`: records who did what, lists it, seals calls, exports and verifies.

    entry     made before the transaction: id, time and who acts (`acting`)
    append    stores it in the transaction of the change, so that there is never one without the other
    record    the two in one, where nothing else is to be stored

`entry` and `append` are apart because a transaction may run twice: the same entry is then stored once.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from roadworthy.audit import seal, store, verify
from roadworthy.audit.action import Action
from roadworthy.audit.actor import Actor, current_actor
from roadworthy.audit.chain import Head, Keyring
from roadworthy.audit.entry import Entry, Outcome, detail_text, storable
from roadworthy.db import Database
from roadworthy.errors import NotFound
from roadworthy.records import Clock, Ids, Json

_MOST_SEALS = 20
"""Made in one go; what is left is for the next time."""
_RECENT_MS = 2 * 86_400_000
"""Calls begun since then are looked at each time, all others each hour."""
_SEAL_EVERY_SECONDS = 60.0
_ALL_EVERY_SECONDS = 3_600.0


class Audit:
    """The audit log of a database. `scrub` takes secrets out of a text."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        environment: str,
        *,
        keyring: Callable[[], Keyring],
        scrub: Callable[[str], str],
        seal_after_seconds: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._environment = environment
        self._read_keyring = keyring
        self._keyring: Keyring | None = None
        self._scrub = scrub
        self._seal_after_ms = int(seal_after_seconds * 1000)
        self._sealed: float | None = None
        self._looked_at_all: float | None = None

    @property
    def keyring(self) -> Keyring:
        """The keys, read when the first is needed. Raises `ConfigurationError` when one is missing."""
        if self._keyring is None:
            self._keyring = self._read_keyring()
        return self._keyring

    def entry(
        self,
        action: Action,
        subject: str = "",
        *,
        actor: Actor | None = None,
        workflow: str = "",
        tenant: str = "",
        outcome: Outcome = Outcome.DONE,
        detail: Mapping[str, Json] | None = None,
    ) -> Entry:
        """An entry of what is about to be done, by whoever acts now unless `actor` says otherwise.

        `detail` holds ids, counts and states; never what people or models wrote.
        """
        by = actor or current_actor()
        return Entry(
            id=self._ids.new("audit"),
            at=self._clock.now_ms(),
            environment=self._environment,
            actor_kind=by.kind.value,
            actor=storable(by.id),
            actor_name=storable(by.name),
            action=action.value,
            subject=storable(self._scrub(subject)),
            workflow=storable(workflow),
            tenant=storable(tenant),
            outcome=outcome.value,
            request_id=storable(by.request_id),
            detail=detail_text(detail or {}, self._scrub),
        )

    def append(self, tx: sa.Connection, entry: Entry) -> None:
        """Store an entry with what it tells of: the last thing in a transaction, for others wait for it."""
        store.append(tx, entry, self.keyring)

    async def record(self, action: Action, subject: str = "", **about: Any) -> None:
        """Store an entry of its own; `about` as `entry` takes it."""
        entry = self.entry(action, subject, **about)
        await self._database.write(lambda tx: self.append(tx, entry))

    async def find(
        self,
        where: store.Filter,
        *,
        limit: int = 50,
        after: int | None = None,
        visible: sa.ColumnElement[bool] | None = None,
    ) -> list[Entry]:
        """Entries that fit, newest first; `after` is the last number of the page before."""
        return await self._database.read(
            lambda tx: store.find(tx, where, limit=limit, after=after, visible=visible)
        )

    async def get(self, entry: int | str) -> Entry:
        """One entry, by its number or its id. Raises `NotFound`."""
        found = await self._database.read(lambda tx: store.get(tx, entry))
        if found is None:
            raise NotFound(f"There is no audit entry {entry!r}.", hint="List them: roadworthy audit list")
        return found

    async def head(self) -> Head:
        """The end of the chain; kept elsewhere, it lets `verify` find a log that was written anew."""
        return await self._database.read(store.head)

    async def verify(self, *, kept: Head | None = None, calls: bool = True) -> verify.Verified:
        """Read the whole log, and with `calls` what it seals, for the first thing that is wrong."""
        settled_ms = self._clock.now_ms() - self._seal_after_ms
        return await asyncio.to_thread(
            verify.verify,
            self._database.read_now,
            self.keyring,
            kept=kept,
            calls=calls,
            settled_ms=settled_ms,
        )

    async def export(self, path: Path) -> Head:
        """Write every entry to a new file, a line of JSON each, and record that; returns the last one."""
        await self.record(Action.AUDIT_EXPORTED)
        until = await self.head()

        def write() -> None:
            with path.open("x", encoding="utf-8") as file:
                file.writelines(verify.export(self._database.read_now, until))

        await asyncio.to_thread(write)
        return until

    async def upkeep(self) -> None:
        """Seal what is to be sealed, once a minute however often it is called, in any number of processes."""
        now = self._clock.monotonic()
        if self._sealed is None or now - self._sealed >= _SEAL_EVERY_SECONDS:
            self._sealed = now
            await self.seal()

    async def seal(self) -> int:
        """Cover the calls that are a while over; returns how many calls and attempts that were.

        No call waits for it.
        """
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        everything = self._looked_at_all is None or now - self._looked_at_all >= _ALL_EVERY_SECONDS
        since_ms = 0 if everything else now_ms - _RECENT_MS
        before_ms = now_ms - self._seal_after_ms
        total = 0
        for _ in range(_MOST_SEALS):
            rows = await self._database.read(
                lambda tx: seal.unsealed(tx, since_ms=since_ms, before_ms=before_ms, limit=seal.MOST_AT_ONCE)
            )
            if not rows:
                self._looked_at_all = now if everything else self._looked_at_all
                break
            total += await self._seal(rows)
        return total

    async def _seal(self, rows: list[tuple[str, int]]) -> int:
        entry = self.entry(Action.CALLS_SEALED)

        def work(tx: sa.Connection) -> int:
            if store.has(tx, entry.id):
                return len(rows)  # this transaction was committed, and only the news of it got lost
            seal.mark(tx, entry.id, rows)
            made = seal.digest(tx, entry.id)
            if made.calls + made.attempts:  # else another process has just sealed them
                self.append(tx, entry.with_detail(made.as_json(), self._scrub))
            return made.calls + made.attempts

        return await self._database.write(work)
