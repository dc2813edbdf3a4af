"""The SQL of the log. Nothing here changes or deletes an entry, and the database's triggers refuse it.

`append` locks the head's row until the transaction ends, so appends wait for each other and a chain never
forks; a transaction that is undone takes its number back. So it comes last in a transaction, after everything
that may wait for other rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.audit.chain import Head, Keyring
from roadworthy.audit.entry import COLUMNS, Entry
from roadworthy.db import Prepared, insert_once
from roadworthy.db.tables.audit import audit_entries as table
from roadworthy.db.tables.audit import audit_heads as heads

_AT_ONCE = 2_000
_ALL = sa.select(*(table.c[name] for name in COLUMNS))
_KNOWN = Prepared(sa.select(table.c.seq).where(table.c.id == sa.bindparam("the_id")))
_FIRST_HEAD = insert_once(heads, "id", "seq", "hash", "key_id")
_TAKE = Prepared(
    sa.update(heads)
    .where(heads.c.id == sa.literal_column("1"))
    .values(seq=heads.c.seq + sa.literal_column("1"))
    .returning(heads.c.seq, heads.c.hash, heads.c.key_id)
)
_SET = Prepared(sa.update(heads).where(heads.c.id == sa.literal_column("1")), "hash", "key_id")
_INSERT = Prepared(sa.insert(table), *COLUMNS)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to list; empty fields do not restrict."""

    action: str | None = None
    """An action, or the beginning of some that ends with a dot: `review.`."""
    actor: str | None = None
    """An id, or a name."""
    subject: str | None = None
    environment: str | None = None
    workflow: str | None = None
    tenant: str | None = None
    outcome: str | None = None
    from_ms: int | None = None
    before_ms: int | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As SQL."""
        equal = ("subject", "environment", "workflow", "tenant", "outcome")
        found: list[sa.ColumnElement[bool]] = [
            table.c[name] == value for name in equal if (value := getattr(self, name)) is not None
        ]
        if self.action is not None:
            begins = self.action.endswith(".")
            its = table.c.action
            found.append(its.startswith(self.action, autoescape=True) if begins else its == self.action)
        if self.actor is not None:
            found.append((table.c.actor == self.actor) | (table.c.actor_name == self.actor))
        if self.from_ms is not None:
            found.append(table.c.at >= self.from_ms)
        if self.before_ms is not None:
            found.append(table.c.at < self.before_ms)
        return found


def append(tx: sa.Connection, entry: Entry, keyring: Keyring) -> int:
    """Add an entry to the end of the chain, once; returns its number.

    Raises `ConfigurationError` when the chain is signed and no key is at hand.
    """
    known = _KNOWN.run(tx, the_id=entry.id).fetchone()
    if known is not None:
        return known[0]
    taken = _TAKE.run(tx).fetchone()
    if taken is None:
        _FIRST_HEAD.run(tx, id=1, seq=0, hash="", key_id="")
        taken = _TAKE.run(tx).fetchone()
    before = Head(taken[0] - 1, taken[1], taken[2])
    keyring.require(before)
    entry = replace(
        entry,
        seq=taken[0],
        algorithm=keyring.algorithm,
        key_id=keyring.key_id,
        prev_hash=before.hash,
    )
    values = {name: getattr(entry, name) for name in COLUMNS}
    values["hash"] = keyring.hash(values)
    _INSERT.run(tx, **values)
    _SET.run(tx, hash=values["hash"], key_id=keyring.key_id)
    return entry.seq


def head(tx: sa.Connection) -> Head:
    """The end of the chain."""
    row = tx.execute(sa.select(heads.c.seq, heads.c.hash, heads.c.key_id)).first()
    return Head(*row) if row is not None else Head()


def last_seq(tx: sa.Connection) -> int:
    """The highest number that an entry has; 0 without any."""
    return tx.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.seq), 0))).scalar_one()


def has(tx: sa.Connection, entry_id: str) -> bool:
    """Whether an entry is stored."""
    return _KNOWN.run(tx, the_id=entry_id).fetchone() is not None


def get(tx: sa.Connection, entry: int | str) -> Entry | None:
    """One entry, by its number or its id."""
    which = table.c.seq == entry if isinstance(entry, int) else table.c.id == entry
    row = tx.execute(_ALL.where(which)).mappings().first()
    return None if row is None else Entry(**cast("Mapping[str, Any]", row))


def find(
    tx: sa.Connection,
    where: Filter,
    *,
    limit: int = 50,
    after: int | None = None,
    visible: sa.ColumnElement[bool] | None = None,
) -> list[Entry]:
    """Entries that fit, newest first; `after` is the last number of the page before."""
    query = _ALL.where(*where.conditions()).order_by(table.c.seq.desc()).limit(limit)
    if after is not None:
        query = query.where(table.c.seq < after)
    if visible is not None:
        query = query.where(visible)
    return [Entry(**cast("Mapping[str, Any]", row)) for row in tx.execute(query).mappings()]


def page(tx: sa.Connection, after: int, until: int) -> list[dict[str, Any]]:
    """The entries that come next, in order, as they stand: 2,000 at most."""
    query = _ALL.where(table.c.seq > after, table.c.seq <= until).order_by(table.c.seq).limit(_AT_ONCE)
    return [dict(zip(COLUMNS, row, strict=True)) for row in tx.execute(query)]


def details(tx: sa.Connection, action: str) -> Iterator[str]:
    """The details of every entry of this action."""
    for (text,) in tx.execute(sa.select(table.c.detail).where(table.c.action == action)):
        yield text
