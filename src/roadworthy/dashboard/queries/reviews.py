"""What the inbox shows: open reviews by due time, closed ones newest first, and who is at work on them.

Nothing here reads a question or an answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.audit import Action
from roadworthy.dashboard.queries.badges import Within
from roadworthy.db.tables.audit import audit_entries
from roadworthy.db.tables.review import review_items, review_quality, review_verdicts
from roadworthy.errors import NotFound
from roadworthy.review import Item, ItemStatus, Reviewer, Stats, quality, store
from roadworthy.review.sampling import Aim

PAGE = 50
QUEUE = 200
"""So many open reviews are walked through from one to the next."""
MOST_COUNTED = 999
_NEVER_MS = 2**60
_MOST_STATS = 6

_C = review_items.c
_IS_OPEN = _C.status == sa.literal_column(f"'{ItemStatus.OPEN}'")
_DUE = sa.func.coalesce(_C.due_at, sa.literal(_NEVER_MS, sa.BigInteger))


class Show(StrEnum):
    """Which reviews the inbox lists."""

    OPEN = "open"
    MINE = "mine"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Inbox:
    """Whose inbox, and what it is to list."""

    environment: str
    within: Within
    person_id: str
    person_name: str
    now_ms: int
    show: Show = Show.OPEN
    workflow: str = ""

    @property
    def _base(self) -> list[sa.ColumnElement[bool]]:
        of = [_C.workflow == self.workflow] if self.workflow else []
        return [_C.environment == self.environment, self.within(_C.workflow, _C.tenant), *of]

    @property
    def _kinds(self) -> Mapping[Show, sa.ColumnElement[bool]]:
        claimed = (_C.claimed_by == self.person_id) & (_C.claimed_until > self.now_ms)
        return {
            Show.MINE: (_C.assigned_to == self.person_name) | claimed,
            Show.OVERDUE: _C.due_at <= self.now_ms,
            Show.ESCALATED: _C.escalated_at.is_not(None),
        }

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As SQL."""
        if self.show is Show.DECIDED:
            return [*self._base, _C.status != ItemStatus.OPEN]
        more = self._kinds.get(self.show)
        return [_IS_OPEN, *self._base, *([] if more is None else [more])]

    def counts(self, tx: sa.Connection) -> dict[Show, int]:
        """How many of each there are, among the first thousand that are open."""
        kinds = self._kinds
        found = (
            sa.select(*(sa.case((kind, 1), else_=0).label(show.value) for show, kind in kinds.items()))
            .where(_IS_OPEN, *self._base)
            .limit(MOST_COUNTED + 1)
            .subquery()
        )
        row = tx.execute(
            sa.select(sa.func.count(), *(sa.func.sum(found.c[show.value]) for show in kinds)).select_from(
                found
            )
        ).one()
        return {Show.OPEN: row[0]} | {show: int(row[at] or 0) for at, show in enumerate(kinds, 1)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One review in the list."""

    item: Item
    said: bool
    """Whether whoever looks has given a verdict on it; others have to, then."""

    def is_for(self, who: Reviewer, now_ms: int) -> bool:
        """Whether this person may decide it, has not yet, and nobody else is at work on it."""
        item = self.item
        claimed = item.claimed_by not in (None, who.id) and (item.claimed_until or 0) > now_ms
        return not self.said and not claimed and item.may_be_decided_with(who.roles)


Place = tuple[int, int, str]


def place_of(item: Item) -> Place:
    """Where an open review stands: the first one due comes first, what is never due last."""
    return (_NEVER_MS if item.due_at is None else item.due_at, item.created_at, item.id)


def page_of(tx: sa.Connection, inbox: Inbox, *, after: str | None = None, limit: int = PAGE) -> list[Waiting]:
    """The reviews after one; one more than `limit` when there are more. Raises `NotFound`."""
    newest_first = inbox.show is Show.DECIDED
    keys: tuple[sa.ColumnElement[Any], ...] = (
        (_C.created_at, _C.id) if newest_first else (_DUE, _C.created_at, _C.id)
    )
    said = sa.exists().where(review_verdicts.c.review_id == _C.id, review_verdicts.c.by_id == inbox.person_id)
    query = sa.select(*store.SMALL, said.label("said")).where(*inbox.conditions())
    if after is not None:
        last = tx.execute(
            sa.select(*keys).where(_C.id == after, inbox.within(_C.workflow, _C.tenant))
        ).first()
        if last is None:
            raise NotFound(f"There is no review {after!r}.")
        place = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(last, keys, strict=True)))
        query = query.where(sa.tuple_(*keys) < place if newest_first else sa.tuple_(*keys) > place)
    query = query.order_by(*(key.desc() for key in keys) if newest_first else keys).limit(limit + 1)
    rows = tx.execute(query).mappings()
    return [Waiting(store.item_of(cast("Mapping[str, Any]", row)), bool(row["said"])) for row in rows]


def claimed_since(tx: sa.Connection, review_id: str, by_id: str) -> int | None:
    """When somebody began to look at a review, as the audit log has it."""
    entries = audit_entries.c
    query = sa.select(entries.at).where(
        entries.subject == review_id, entries.action == Action.REVIEW_CLAIMED, entries.actor == by_id
    )
    return tx.execute(query.order_by(entries.seq.desc()).limit(1)).scalar()


def sampled(tx: sa.Connection, environment: str, aim: Callable[[str], Aim]) -> list[Stats]:
    """How well automatic decisions hold, for the workflows and versions that were looked at last."""
    c = review_quality.c
    query = sa.select(c.workflow, c.prompt_version).where(c.environment == environment)
    newest = tx.execute(query.order_by(c.updated_at.desc()).limit(_MOST_STATS)).all()
    return [Stats(quality.of(tx, environment, *named), aim(named.workflow)) for named in newest]
