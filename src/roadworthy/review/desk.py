"""What people do with an open item before they decide: `Desk`. Look at it, take it on, hand it out, draft."""

import sqlalchemy as sa

from roadworthy.audit import Action
from roadworthy.records import Json
from roadworthy.review import store, votes
from roadworthy.review.item import Item, ItemStatus
from roadworthy.review.register import Register
from roadworthy.review.reviewer import Reviewer, name_of, reviewer_of
from roadworthy.review.verdict import Vote

_MOST_CLAIMED_SECONDS = 3_600


class Desk(Register):
    """The items of a project, with who is at work on which."""

    async def verdicts(self, review_id: str, for_by: Reviewer | str) -> list[Vote]:
        """What people have said. Of an open item, only whoever has given a verdict is shown the others'."""
        who = reviewer_of(for_by)

        def look(tx: sa.Connection) -> list[Vote]:
            item, said = store.get(tx, review_id), votes.said_of(tx, review_id)
            known = item.status is not ItemStatus.OPEN or any(one.by_id == who.id for one in said)
            return said if known else []

        return await self._database.read(look)

    async def claim(self, review_id: str, by: Reviewer | str, seconds: float = 120) -> Item:
        """Say that one looks at an open item now; again before the time is over to go on.

        It is yours when the item's `claimed_by` is your id: else somebody else looks at it, who is only to be
        told of. A claim keeps nobody from deciding. Raises `NotFound`, `Forbidden`, `StateConflict`.
        """
        who, now_ms = reviewer_of(by), self._clock.now_ms()
        until_ms = now_ms + int(min(seconds, _MOST_CLAIMED_SECONDS) * 1000)
        entry = self._audit.entry(Action.REVIEW_CLAIMED)

        def claim(tx: sa.Connection) -> Item:
            before = store.get(tx, review_id)
            votes.require_role(before, who)
            item = votes.claim(tx, review_id, who, until_ms, now_ms)
            if item.claimed_by == who.id != before.claimed_by:  # going on with one's own is no news
                self._note_down(tx, entry, item)
            return item

        return await self._database.write(claim)

    async def release(self, review_id: str, by: Reviewer | str) -> Item:
        """Give one's claim up; another's stays. Raises `NotFound`."""
        who = reviewer_of(by)
        return await self._database.write(lambda tx: votes.release(tx, review_id, who.id))

    async def assign(self, review_id: str, to: str | None) -> Item:
        """Say by name who is to decide an open item, or nobody in particular; whoever may hand out work may.

        Raises `NotFound`, `StateConflict`.
        """
        name = None if to is None else name_of(to)
        entry = self._audit.entry(Action.REVIEW_ASSIGNED)

        def assign(tx: sa.Connection) -> Item:
            item = votes.assign(tx, review_id, name)
            self._note_down(tx, entry, item)
            return item

        return await self._database.write(assign)

    async def save_draft(self, review_id: str, draft: Json, *, by: Reviewer | str) -> int:
        """Keep what somebody has written so far, for them alone; returns the time, in milliseconds.

        It stays when somebody else decides first. Raises `NotFound`, `Forbidden`, `InvalidInput`.
        """
        who, now_ms = reviewer_of(by), self._clock.now_ms()

        def save(tx: sa.Connection) -> None:
            votes.require_role(store.get(tx, review_id), who)
            votes.save_draft(tx, review_id, who.id, draft, now_ms)

        await self._database.write(save)
        return now_ms

    async def draft(self, review_id: str, by: Reviewer | str) -> tuple[Json, int] | None:
        """One's own draft, and when it was saved; None without one."""
        who = reviewer_of(by)
        return await self._database.read(lambda tx: votes.draft(tx, review_id, who.id))
