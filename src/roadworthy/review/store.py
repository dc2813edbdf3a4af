"""The SQL of review items: opened once, closed once.

Every change of state names the state it comes from, so of two people who answer at once the second is told.
Every write may run twice with the same effect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.db import insert_once, pack, unpack
from roadworthy.db.tables.review import review_drafts, review_items, review_verdicts
from roadworthy.errors import NotFound, StateConflict, did_you_mean
from roadworthy.records import Json, iso
from roadworthy.review.item import Item, ItemStatus, Kind

_LONGEST_TEXT = 2_000
_MOST_MEANT = 5
_CONTENT = ("question", "answer")
_NAMES = ("roles", "escalate_to")

_INSERT = insert_once(review_items, *(name for name in Item.__dataclass_fields__ if name != "answer"))
SMALL = tuple(review_items.c[name] for name in Item.__dataclass_fields__ if name not in _CONTENT)
"""The columns of lists: all but question and answer."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items to list; empty fields do not restrict."""

    status: tuple[ItemStatus, ...] = ()
    environment: str | None = None
    workflow: str | None = None
    tenant: str | None = None
    run_id: str | None = None
    kind: tuple[Kind, ...] = ()
    assigned_to: str | None = None
    within: Callable[[sa.ColumnElement[str], sa.ColumnElement[str]], sa.ColumnElement[bool]] | None = None
    """A condition on workflow and tenant: what whoever asks may see."""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As SQL."""
        equal = {
            review_items.c.environment: self.environment,
            review_items.c.workflow: self.workflow,
            review_items.c.tenant: self.tenant,
            review_items.c.run_id: self.run_id,
            review_items.c.assigned_to: self.assigned_to,
        }
        found: list[sa.ColumnElement[bool]] = [
            column == value for column, value in equal.items() if value is not None
        ]
        if len(self.status) == 1:  # as a constant, so that the index of open items serves
            found.append(review_items.c.status == sa.literal_column(f"'{self.status[0]}'"))
        elif self.status:
            found.append(review_items.c.status.in_(self.status))
        if self.kind:
            found.append(review_items.c.kind.in_(self.kind))
        if self.within is not None:
            found.append(self.within(review_items.c.workflow, review_items.c.tenant))
        return found


def add(tx: sa.Connection, item: Item) -> bool:
    """Store an open item; False when it is stored already, which then stays as it is."""
    values: dict[str, Any] = {name: getattr(item, name) for name in Item.__dataclass_fields__}
    del values["answer"]
    values |= {"reason": storable(item.reason), "question": pack(item.question)}
    values |= {name: " ".join(values[name]) for name in _NAMES}
    return bool(_INSERT.run(tx, **values).rowcount)


def answer(tx: sa.Connection, review_id: str, value: Json, by: str, note: str, now_ms: int) -> Item:
    """Close an open item with this value. Raises `NotFound`, and `StateConflict` when it is not open."""
    return _close(tx, review_id, ItemStatus.ANSWERED, by, note, now_ms, pack(value))


def decline(tx: sa.Connection, review_id: str, by: str, note: str, now_ms: int) -> Item:
    """Close an open item without an answer. Raises `NotFound`, and `StateConflict` when it is not open."""
    return _close(tx, review_id, ItemStatus.DECLINED, by, note, now_ms, None)


def reopen(tx: sa.Connection, run_id: str) -> int:
    """Open again what was withdrawn when the run stopped: it goes on and waits for it again."""
    return tx.execute(
        sa.update(review_items)
        .where(
            review_items.c.run_id == run_id,
            review_items.c.status == ItemStatus.WITHDRAWN,
            review_items.c.kind != Kind.SAMPLE,
        )
        .values(status=ItemStatus.OPEN, answered_at=None, version=review_items.c.version + 1)
    ).rowcount


def withdraw(tx: sa.Connection, run_id: str, now_ms: int) -> int:
    """Close what is open for a run that no longer waits for it; returns how many items that were.

    Samples stay: what was decided without a person was decided, whatever became of the run.
    """
    return tx.execute(
        sa.update(review_items)
        .where(
            review_items.c.run_id == run_id,
            review_items.c.status == ItemStatus.OPEN,
            review_items.c.kind != Kind.SAMPLE,
        )
        .values(status=ItemStatus.WITHDRAWN, answered_at=now_ms, version=review_items.c.version + 1)
    ).rowcount


def get(tx: sa.Connection, review_id: str) -> Item:
    """One item with its question and answer. Raises `NotFound`."""
    row = tx.execute(sa.select(review_items).where(review_items.c.id == review_id)).mappings().first()
    if row is None:
        meant = did_you_mean(review_id, beginning_with(tx, review_id, _MOST_MEANT))
        raise NotFound(
            f"There is no review {review_id!r}.", hint=meant or "List them: roadworthy reviews list"
        )
    return item_of(cast("Mapping[str, Any]", row))


def find(
    tx: sa.Connection, where: Filter, *, limit: int = 50, after: str | None = None, newest_first: bool = False
) -> list[Item]:
    """Items without question and answer, oldest first unless told otherwise.

    `after` is the last id of the page before. Raises `NotFound` when there is no such item.
    """
    place = sa.tuple_(review_items.c.created_at, review_items.c.id)
    query = sa.select(*SMALL).where(*where.conditions()).limit(limit)
    if after is not None:
        last = sa.tuple_(sa.literal(get(tx, after).created_at), sa.literal(after))
        query = query.where(place < last if newest_first else place > last)
    order = (review_items.c.created_at, review_items.c.id)
    query = query.order_by(*(column.desc() for column in order) if newest_first else order)
    return [item_of(cast("Mapping[str, Any]", row)) for row in tx.execute(query).mappings()]


def beginning_with(tx: sa.Connection, start: str, limit: int) -> list[str]:
    """The ids that begin so, in order."""
    query = sa.select(review_items.c.id).where(review_items.c.id.startswith(start, autoescape=True))
    return list(tx.execute(query.order_by(review_items.c.id).limit(limit)).scalars())


def delete_closed(tx: sa.Connection, before_ms: int, limit: int) -> int:
    """Delete up to `limit` items that were closed before this time; returns how many. Open ones stay."""
    old = (
        sa.select(review_items.c.id)
        .where(
            review_items.c.created_at < before_ms,
            review_items.c.answered_at < before_ms,
            review_items.c.status != ItemStatus.OPEN,
        )
        .limit(limit)
    )
    gone = list(tx.execute(old).scalars())
    if gone:
        for table in (review_verdicts, review_drafts):
            tx.execute(sa.delete(table).where(table.c.review_id.in_(gone)))
        tx.execute(sa.delete(review_items).where(review_items.c.id.in_(gone)))
    return len(gone)


def storable(text: str) -> str:
    """Text that every database takes: no NUL, no half characters, 2,000 characters at most."""
    return text[:_LONGEST_TEXT].encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _close(
    tx: sa.Connection,
    review_id: str,
    status: ItemStatus,
    by: str,
    note: str,
    now_ms: int,
    value: bytes | None,
) -> Item:
    closed = {
        "status": status.value,
        "answered_by": storable(by),
        "answered_at": now_ms,
        "note": storable(note),
        "answer": value,
    }
    changed = tx.execute(
        sa.update(review_items)
        .where(review_items.c.id == review_id, review_items.c.status == ItemStatus.OPEN)
        .values(**closed, version=review_items.c.version + 1)
    ).rowcount
    item = get(tx, review_id)
    if not changed and not _is_this(tx, review_id, closed):
        raise closed_already(item)
    return item


def _is_this(tx: sa.Connection, review_id: str, closed: Mapping[str, Any]) -> bool:
    """Whether this very write is stored already: its transaction was, and only the news of it got lost."""
    same = [review_items.c[name] == value for name, value in closed.items() if value is not None]
    return bool(tx.execute(sa.select(review_items.c.id).where(review_items.c.id == review_id, *same)).first())


def closed_already(item: Item) -> StateConflict:
    """Who was first, and with what: in words, and in `details` for programs."""
    by = f" by {item.answered_by!r}" if item.answered_by else ""
    at = f" at {iso(item.answered_at)}" if item.answered_at is not None else ""
    return StateConflict(
        f"Review {item.id} was {item.status}{by}{at}; that stands.",
        hint=f"See it: roadworthy reviews show {item.id}",
        details={"decided_by": item.answered_by, "verdict": item.status.value, "at": item.answered_at},
    )


def item_of(row: Mapping[str, Any]) -> Item:
    """An item from its columns, all of them or the `SMALL` ones."""
    values = dict(row)
    values["kind"], values["status"] = Kind(values["kind"]), ItemStatus(values["status"])
    values |= {name: tuple(values[name].split()) for name in _NAMES}
    for name in _CONTENT:
        if values.get(name) is not None:
            values[name] = unpack(values[name])
    return Item(**{name: values[name] for name in Item.__dataclass_fields__ if name in values})
