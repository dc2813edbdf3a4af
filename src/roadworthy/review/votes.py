"""The SQL of what people do with items: claims, drafts, verdicts, overdue ones.

A verdict locks its item, so of two that come at once the second sees what the first came to. Every write may
run twice with the same effect.
"""

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from roadworthy.db import insert_once, pack, unpack
from roadworthy.db.tables.review import review_drafts, review_items, review_verdicts
from roadworthy.errors import Forbidden, StateConflict
from roadworthy.records import Json
from roadworthy.review import store
from roadworthy.review.item import Item, ItemStatus
from roadworthy.review.reviewer import OWNER, Reviewer
from roadworthy.review.verdict import Choice, Vote, settle

_DAY_MS = 86_400_000
_STATUS = {
    Choice.APPROVE: ItemStatus.APPROVED,
    Choice.EDIT: ItemStatus.EDITED,
    Choice.REJECT: ItemStatus.REJECTED,
}
_INSERT_VERDICT = insert_once(
    review_verdicts, "review_id", "by_id", "by_name", "verdict", "note", "at", "value"
)


@dataclass(frozen=True, slots=True)
class Given:
    """What a verdict led to."""

    item: Item
    led_to: Literal["decided", "wait", "disputed"]
    first_time: bool
    """False when this very verdict was stored before, and only the news of it got lost."""


def lock(tx: sa.Connection, review_id: str) -> Item:
    """The item, which nobody else changes until the transaction ends. Raises `NotFound`."""
    tx.execute(sa.select(review_items.c.id).where(review_items.c.id == review_id).with_for_update())
    return store.get(tx, review_id)


def give(
    tx: sa.Connection, review_id: str, by: Reviewer, said: Vote, *, expected_version: int | None, now_ms: int
) -> Given:
    """Store a verdict and what it leads to. Raises `NotFound`, `Forbidden`, `StateConflict`."""
    item = lock(tx, review_id)
    require_role(item, by)
    before = said_of(tx, review_id)
    own = next((one for one in before if one.by_id == said.by_id), None)
    if own == said:
        return Given(item, "wait" if item.status is ItemStatus.OPEN else "decided", first_time=False)
    if item.status is not ItemStatus.OPEN:
        raise store.closed_already(item)
    if own is not None:
        raise StateConflict(
            f"{said.by_name!r} has given a verdict on {review_id} already; somebody else decides it.",
            details={"verdict": own.choice.value, "at": own.at},
        )
    if expected_version not in (None, item.version):
        raise StateConflict(
            f"Review {review_id} has changed since it was looked at (version {item.version} now).",
            hint="Look at it again; nothing that was written is lost.",
            details={"version": item.version},
        )
    _INSERT_VERDICT.run(
        tx,
        review_id=review_id,
        by_id=said.by_id,
        by_name=said.by_name,
        verdict=said.choice,
        note=said.note,
        at=said.at,
        value=None if said.choice is not Choice.EDIT else pack(said.value),
    )
    tx.execute(sa.delete(review_drafts).where(_of(review_drafts, review_id, said.by_id)))
    led_to = settle(before, said, item.people)
    if led_to == "decided":
        agreed = [one for one in before if item.people > 1 and one.agrees_with(said)]
        _close(tx, item, said, [one.by_name for one in (*agreed, said)])
    elif led_to == "disputed":
        _hand_on(tx, item, now_ms, people=1)
    return Given(store.get(tx, review_id), led_to, first_time=True)


def require_role(item: Item, by: Reviewer) -> None:
    """Raise `Forbidden` unless this person may decide the item."""
    if not item.may_be_decided_with(by.roles):
        wanted = " or ".join(repr(role) for role in dict.fromkeys((*item.roles, *item.escalate_to, OWNER)))
        raise Forbidden(f"{by.name!r} may not decide {item.id}: that takes the role {wanted}.")


def said_of(tx: sa.Connection, review_id: str) -> list[Vote]:
    """The verdicts on an item, in the order in which they were given."""
    query = sa.select(review_verdicts).where(review_verdicts.c.review_id == review_id)
    return [
        Vote(
            row.by_id,
            row.by_name,
            Choice(row.verdict),
            None if row.value is None else unpack(row.value),
            row.note,
            row.at,
        )
        for row in tx.execute(query.order_by(review_verdicts.c.at, review_verdicts.c.by_id))
    ]


def claim(tx: sa.Connection, review_id: str, by: Reviewer, until_ms: int, now_ms: int) -> Item:
    """Claim an open item that nobody else claims, or extend the claim. Raises `NotFound`, `StateConflict`."""
    c = review_items.c
    free = c.claimed_until.is_(None) | (c.claimed_until <= now_ms) | (c.claimed_by == by.id)
    tx.execute(
        sa.update(review_items)
        .where(c.id == review_id, c.status == ItemStatus.OPEN, free)
        .values(claimed_by=by.id, claimed_name=store.storable(by.name), claimed_until=until_ms)
    )
    return _require_open(store.get(tx, review_id))


def release(tx: sa.Connection, review_id: str, by_id: str) -> Item:
    """Give up a claim, where it is one's own. Raises `NotFound`."""
    tx.execute(
        sa.update(review_items)
        .where(review_items.c.id == review_id, review_items.c.claimed_by == by_id)
        .values(claimed_by=None, claimed_name=None, claimed_until=None)
    )
    return store.get(tx, review_id)


def assign(tx: sa.Connection, review_id: str, to: str | None) -> Item:
    """Say who is to decide an open item. Raises `NotFound`, `StateConflict`."""
    item = _require_open(lock(tx, review_id))
    if item.assigned_to != to:
        _change(tx, item, assigned_to=to)
    return store.get(tx, review_id)


def save_draft(tx: sa.Connection, review_id: str, by_id: str, draft: Json, now_ms: int) -> None:
    """Keep what a person has written so far; the newest holds."""
    values = {"draft": pack(draft), "updated_at": now_ms}
    if not tx.execute(
        sa.update(review_drafts).where(_of(review_drafts, review_id, by_id)).values(**values)
    ).rowcount:
        _INSERT_DRAFT.run(tx, review_id=review_id, by_id=by_id, **values)


_INSERT_DRAFT = insert_once(review_drafts, "review_id", "by_id", "updated_at", "draft")


def draft(tx: sa.Connection, review_id: str, by_id: str) -> tuple[Json, int] | None:
    """What a person has written so far, and when."""
    row = tx.execute(
        sa.select(review_drafts.c.draft, review_drafts.c.updated_at).where(
            _of(review_drafts, review_id, by_id)
        )
    ).first()
    return None if row is None else (unpack(row.draft), row.updated_at)


def escalate(tx: sa.Connection, now_ms: int, limit: int) -> tuple[list[Item], list[Item]]:
    """Hand up to `limit` overdue items to the next role; returns these, and those that have none any more.

    The latter come once a day, until somebody decides.
    """
    c = review_items.c
    again = c.reminded_at.is_(None) | (c.reminded_at <= now_ms - _DAY_MS)
    overdue = (
        sa.select(c.id)
        .where(
            c.status == sa.literal_column(f"'{ItemStatus.OPEN}'"),
            c.due_at <= now_ms,
            (c.escalate_to != "") | again,
        )
        .order_by(c.due_at, c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    escalated: list[Item] = []
    left: list[Item] = []
    for review_id in tx.execute(overdue).scalars().all():
        item = store.get(tx, review_id)
        if item.escalate_to:
            _hand_on(tx, item, now_ms, people=item.people)
            escalated.append(store.get(tx, review_id))
        else:
            tx.execute(sa.update(review_items).where(c.id == review_id).values(reminded_at=now_ms))
            left.append(item)
    return escalated, left


def _hand_on(tx: sa.Connection, item: Item, now_ms: int, *, people: int) -> None:
    """To the next role; after the last one to an owner."""
    following = item.escalate_to or (OWNER,)
    due_at = item.due_at
    if item.escalate_after_ms is not None and (item.escalate_to or due_at is not None):
        due_at = now_ms + item.escalate_after_ms
    _change(
        tx,
        item,
        roles=following[0],
        escalate_to=" ".join(following[1:]),
        escalated_at=now_ms,
        due_at=due_at,
        people=people,
        assigned_to=None,
    )


def _close(tx: sa.Connection, item: Item, said: Vote, names: list[str]) -> None:
    _change(
        tx,
        item,
        status=_STATUS[said.choice].value,
        answered_by=store.storable(" and ".join(names)),
        answered_at=said.at,
        note=said.note,
        answer=pack(said.value) if said.choice is Choice.EDIT else None,
        claimed_by=None,
        claimed_name=None,
        claimed_until=None,
    )


def _change(tx: sa.Connection, item: Item, **values: Any) -> None:
    tx.execute(
        sa.update(review_items)
        .where(review_items.c.id == item.id)
        .values(**values, version=review_items.c.version + 1)
    )


def _require_open(item: Item) -> Item:
    if item.status is not ItemStatus.OPEN:
        raise store.closed_already(item)
    return item


def _of(table: sa.Table, review_id: str, by_id: str) -> sa.ColumnElement[bool]:
    return (table.c.review_id == review_id) & (table.c.by_id == by_id)
