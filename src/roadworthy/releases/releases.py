"""`Releases`: which arm serves a key, and the changes of it; `app.releases`.

    assign      look up a subject's release in memory and draw by the key; pins win
    promote     one arm for everybody         split     several, by share
    rollback    what served alone before      clear     back to settings and code

A change is made against the revision that was looked at: of two at once the second gets `StateConflict`.
Whether a version may serve is not known here: what was found comes as `evidence`, and the app asks for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.audit import Action, Audit, Entry, current_actor
from roadworthy.db import Database
from roadworthy.errors import NotFound, StateConflict
from roadworthy.records import Clock, Ids, Json
from roadworthy.releases import store
from roadworthy.releases.exposure import Exposure, Gathered
from roadworthy.releases.memory import Loaded, Memory, Snapshot
from roadworthy.releases.pins import current_pins
from roadworthy.releases.release import (
    SLOTS,
    Arm,
    Change,
    ChangeKind,
    Release,
    arm_json,
    check_values,
    named,
)
from roadworthy.releases.shares import digest_of, reshare, slot_of

_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class Assigned:
    """What serves one key."""

    name: str
    """A version's label, a route, or a flag's value."""
    content_hash: str = ""
    """Of a prompt's version; empty where it is pinned."""
    exposure: Exposure | None = None
    """To be recorded, where it was drawn."""


class Releases:
    """What serves in one environment."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        environment: str,
        *,
        audit: Audit,
        loaded: Loaded = lambda _tx, _snapshot: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._audit = audit
        self.environment = environment
        self.memory = Memory(database, clock, environment, loaded)
        self._gathered = Gathered(database, clock)

    async def fresh(self) -> Snapshot:
        """What serves now; at most half a second old. Raises `DatabaseError` before anything was known."""
        return await self.memory.fresh()

    def current(self, subject: str) -> Release | None:
        """The release of a subject, as it is known; None: settings or code say what serves."""
        return self.memory.snapshot.releases.get(subject)

    def assign(self, subject: str, key: str) -> Assigned | None:
        """What serves this key, as it is known; None: settings or code say."""
        pinned = current_pins().get(subject)
        if pinned is not None:
            return Assigned(pinned)
        release = self.current(subject)
        if release is None:
            return None
        if len(release.arms) == 1:
            return Assigned(*release.arms[0].key)
        digest = digest_of(release.salt, subject, key)
        arm = release.arm_at(slot_of(digest))
        exposure = Exposure(
            self.environment, subject, release.revision, release.salt, arm.name, digest.hex()[:32]
        )
        return Assigned(*arm.key, exposure)

    def new_key(self) -> str:
        """A key for what is nobody's: the draw is then not sticky."""
        return self._ids.new("key")

    def noticed(self, assigned: Assigned | None) -> None:
        """Have what was drawn outside of calls and runs recorded, in the background."""
        if assigned is not None and assigned.exposure is not None:
            self._gathered.notice(assigned.exposure)

    async def close(self) -> None:
        """Let what is under way end, and store what waits."""
        await self.memory.close()
        await self._gathered.close()

    async def history(
        self, subject: str, *, limit: int | None = 20, before: int | None = None
    ) -> Sequence[Change]:
        """Its changes, newest first."""
        return await self._database.read(
            lambda tx: store.history(tx, self.environment, subject, limit=limit, before=before)
        )

    async def now(self, subject: str) -> Release | None:
        """The release of a subject as the database has it: for those who decide, and see what was decided."""
        return await self._database.read(lambda tx: store.current(tx, self.environment).get(subject))

    async def standing(self) -> Sequence[Change]:
        """The change behind each release that holds, by subject: all that settings and code do not say."""
        return await self._database.read(lambda tx: store.standing(tx, self.environment))

    async def promote(
        self,
        subject: str,
        arm: Arm,
        action: Action,
        *,
        default: Sequence[Arm] = (),
        expect: int | None = None,
        kind: ChangeKind = ChangeKind.PROMOTE,
        reason: str = "",
        evidence: Mapping[str, Json] | None = None,
        also: Callable[[sa.Connection], None] | None = None,
    ) -> Change:
        """Let one arm serve everybody. `default` is what serves where there is no release yet.

        Raises `StateConflict` when something else serves by now than at revision `expect`.
        """
        whole = Arm(arm.name, arm.content_hash)
        return await self._change(
            subject,
            action,
            lambda now, _: _Wanted(kind, (whole,), now.salt if now else ""),
            default=default,
            expect=expect,
            reason=reason,
            evidence=evidence,
            also=also,
        )

    async def split(
        self,
        subject: str,
        slots: Mapping[tuple[str, str], int],
        *,
        action: Action = Action.SPLIT_CHANGED,
        default: Sequence[Arm] = (),
        expect: int | None = None,
        override: bool = False,
        reason: str = "",
        evidence: Mapping[str, Json] | None = None,
        also: Callable[[sa.Connection], None] | None = None,
    ) -> Change:
        """Let several arms share, each with so many slots by name and content hash.

        Raises:
            InvalidInput: A flag's value looks like `on` or `off`, and is neither.
            StateConflict: Something else serves by now than at revision `expect`.
        """
        check_values(subject, (name for name, _ in slots))
        assert sum(slots.values()) == SLOTS  # noqa: S101 - `shares.slots_of` made them

        def wanted(now: Release | None, _: Sequence[Change]) -> _Wanted:
            known = now.arms if now is not None else tuple(default)
            goes_on = now is not None and len(now.arms) > 1
            arms = reshare(known, slots)
            salt = now.salt if now is not None and goes_on else self._salt
            kind = ChangeKind.SPLIT if len(arms) > 1 else ChangeKind.PROMOTE
            return _Wanted(ChangeKind.OVERRIDE if override else kind, arms, salt)

        return await self._change(
            subject,
            action,
            wanted,
            default=default,
            expect=expect,
            reason=reason,
            evidence=evidence,
            also=also,
        )

    async def rollback(
        self,
        subject: str,
        action: Action,
        *,
        default: Sequence[Arm] = (),
        expect: int | None = None,
        reason: str = "",
    ) -> Change:
        """Let what served alone before serve again; once more goes back further.

        Raises:
            NotFound: Nothing else served before.
            StateConflict: Something else serves by now than at revision `expect`.
        """

        def wanted(now: Release | None, history: Sequence[Change]) -> _Wanted:
            arms = now.arms if now is not None else tuple(default)
            found = _served_before(history, arms)
            if found is None:
                raise NotFound(
                    f"Nothing else served for {named(subject)} before in {self.environment!r}.",
                    hint="See what served when: roadworthy prompts status ID"
                    if subject.startswith("prompt:")
                    else "",
                )
            return _Wanted(ChangeKind.ROLLBACK, found.before, found.salt, found.revision)

        return await self._change(
            subject, action, wanted, default=default, expect=expect, reason=reason, evidence=None, also=None
        )

    async def clear(
        self,
        subject: str,
        action: Action,
        *,
        default: Sequence[Arm] = (),
        expect: int | None = None,
        reason: str = "",
    ) -> Change:
        """Let settings and code say what serves. Raises `NotFound` when they do already."""

        def wanted(now: Release | None, _: Sequence[Change]) -> _Wanted:
            if now is None:
                raise NotFound(
                    f"Nothing is released for {named(subject)} in {self.environment!r}: "
                    "settings and code say what serves already."
                )
            return _Wanted(ChangeKind.CLEAR, (), "")

        return await self._change(
            subject, action, wanted, default=default, expect=expect, reason=reason, evidence=None, also=None
        )

    @property
    def _salt(self) -> str:
        return self._ids.new("salt").removeprefix("salt_")

    async def _change(
        self,
        subject: str,
        action: Action,
        wanted: "Callable[[Release | None, Sequence[Change]], _Wanted]",
        *,
        default: Sequence[Arm],
        expect: int | None,
        reason: str,
        evidence: Mapping[str, Json] | None,
        also: Callable[[sa.Connection], None] | None,
    ) -> Change:
        change_id, at, by = self._ids.new("release"), self._clock.now_ms(), current_actor()
        entry = self._audit.entry(action, subject)

        def work(tx: sa.Connection) -> Change:
            made = store.change(tx, change_id)
            if made is not None:  # this transaction was committed, and only the news of it got lost
                return made
            revision = store.raise_revision(tx, self.environment)
            now = store.current(tx, self.environment).get(subject)
            if expect is not None and expect != (now.revision if now else 0):
                raise StateConflict(
                    f"What serves for {named(subject)} was changed by somebody else meanwhile.",
                    hint="Look again at what serves, and decide anew.",
                )
            its = wanted(now, store.history(tx, self.environment, subject))
            change = Change(
                id=change_id,
                environment=self.environment,
                subject=subject,
                revision=revision,
                kind=its.kind,
                arms=its.arms,
                before=now.arms if now is not None else tuple(default),
                salt=its.salt,
                undoes=its.undoes,
                by=by.id,
                by_name=by.name,
                reason=reason[:_LONGEST_REASON],
                evidence=evidence,
                at=at,
            )
            if also is not None:
                also(tx)
            store.apply(tx, change)
            self._audit.append(tx, _told(entry, change))
            return change

        try:
            return await self._database.write(work)
        finally:
            self.memory.forget()


@dataclass(frozen=True, slots=True)
class _Wanted:
    kind: ChangeKind
    arms: tuple[Arm, ...]
    salt: str
    undoes: int | None = None


def _served_before(history: Sequence[Change], arms: Sequence[Arm]) -> Change | None:
    """The newest change, of those that still hold, before which something else served alone."""
    serving = {arm.key for arm in arms} if len(arms) == 1 else set[tuple[str, str]]()
    below: int | None = None
    for change in history:
        if below is not None and change.revision >= below:
            continue
        if change.undoes is not None:
            below = change.undoes
        elif len(change.before) == 1 and {arm.key for arm in change.before} != serving:
            return change
    return None


def _told(entry: Entry, change: Change) -> Entry:
    detail: dict[str, Json] = {
        "change": change.id,
        "kind": change.kind.value,
        "revision": change.revision,
        "arms": [arm_json(arm) for arm in change.arms],
        "before": [arm_json(arm) for arm in change.before],
        "evidence": dict(change.evidence) if change.evidence is not None else None,
    }
    return entry.with_detail(detail, str)
