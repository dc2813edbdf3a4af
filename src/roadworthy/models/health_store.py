"""The SQL of models' health: one row for each model, one for each place from which it is being probed.

Every write has the same effect when it runs twice. A moment further ahead than anybody could have written is
from before the wall clock was set back, and does not count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.db import Prepared
from roadworthy.db.tables.models import model_health, model_probes
from roadworthy.models.breaker import State

_FAR_MS = 600_000
"""Nobody takes a place for so much longer than others do."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the processes have found out about one model."""

    model: str
    state: State
    """`CLOSED` or `OPEN`; who probes an open one is in another table."""
    open_until_ms: int
    updated_at: int
    by: str
    """The process that wrote the state."""
    blocked_until_ms: int
    """Until when its provider wants no requests."""


def _upsert(table: sa.Table, change: tuple[str, ...], where: Callable[[Any], Any]) -> Prepared:
    """An insert of all columns that changes some of them where there is a row already and `where` holds."""
    made: dict[str, Any] = {}
    for dialect, insert in (("sqlite", sqlite.insert(table)), ("postgresql", postgresql.insert(table))):
        new: Any = insert.excluded
        made[dialect] = insert.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: new[name] for name in change},
            where=where(new),
        )
    return Prepared(made, *table.c.keys())


def _whole(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger())


_row, _place = model_health.c, model_probes.c
_THE_MODEL = sa.and_(
    _row.environment == sa.bindparam("the_environment"), _row.model == sa.bindparam("the_model")
)
_OUR_PLACE = sa.and_(
    _place.environment == sa.bindparam("the_environment"),
    _place.model == sa.bindparam("the_model"),
    _place.by == sa.bindparam("by"),
)
_IS_OPEN = _row.state == sa.literal_column(f"'{State.OPEN}'")

_READ = Prepared(
    sa.select(
        _row.model, _row.state, _row.open_until_ms, _row.updated_at, _row.by, _row.blocked_until_ms
    ).where(_row.environment == sa.bindparam("the_environment"))
)
_OPEN = _upsert(
    model_health,
    ("state", "open_until_ms", "updated_at", "by"),
    lambda new: sa.or_(
        _IS_OPEN,
        _row.by == new.by,
        sa.not_(_row.updated_at.between(_whole("since_ms"), _whole("now_ms"))),
    ),
)
_OPEN_AGAIN = Prepared(
    sa.update(model_health).where(_THE_MODEL, _IS_OPEN), "open_until_ms", "updated_at", "by"
)
_CLOSE = Prepared(
    sa.update(model_health).where(_THE_MODEL, _IS_OPEN), "state", "open_until_ms", "updated_at", "by"
)
_BLOCK = _upsert(
    model_health, ("blocked_until_ms",), lambda new: _row.blocked_until_ms != new.blocked_until_ms
)
_CLAIM = _upsert(
    model_probes,
    ("by", "until_ms"),
    lambda _new: sa.or_(_place.until_ms <= _whole("now_ms"), _place.until_ms > _whole("far_ms")),
)
_KEEP = Prepared(sa.update(model_probes).where(_OUR_PLACE), "until_ms")
_LEAVE = Prepared(sa.delete(model_probes).where(_OUR_PLACE))


@dataclass(frozen=True, slots=True)
class Voice:
    """One process that speaks about one model."""

    environment: str
    model: str
    process: str

    @property
    def where(self) -> dict[str, str]:
        """Parameters that find the model's row."""
        return {"the_environment": self.environment, "the_model": self.model}

    @property
    def row(self) -> dict[str, str]:
        """Values of a new row."""
        return {"environment": self.environment, "model": self.model, "by": self.process}


def opened(tx: sa.Connection, voice: Voice, until_ms: int, now_ms: int, trust_ms: int) -> None:
    """The process's breaker opened; not written where another one closed its own in the last `trust_ms`."""
    _OPEN.run(
        tx,
        **voice.row,
        state=State.OPEN,
        open_until_ms=until_ms,
        blocked_until_ms=0,
        updated_at=now_ms,
        since_ms=now_ms - trust_ms,
        now_ms=now_ms,
    )


def opened_again(tx: sa.Connection, voice: Voice, until_ms: int, now_ms: int) -> None:
    """A probe failed; not written where another process has closed its breaker meanwhile."""
    _OPEN_AGAIN.run(tx, **voice.where, open_until_ms=until_ms, updated_at=now_ms, by=voice.process)


def closed(tx: sa.Connection, voice: Voice, now_ms: int) -> None:
    """The model works."""
    state = State.CLOSED
    _CLOSE.run(tx, **voice.where, state=state, open_until_ms=0, updated_at=now_ms, by=voice.process)


def blocked(tx: sa.Connection, voice: Voice, until_ms: int) -> None:
    """The provider wants no requests. A new row says nothing about the breaker, so nobody signs it."""
    row = {**voice.row, "by": "", "state": State.CLOSED}
    _BLOCK.run(tx, **row, open_until_ms=0, blocked_until_ms=until_ms, updated_at=0)


def claim(tx: sa.Connection, voice: Voice, places: int, until_ms: int, now_ms: int) -> bool:
    """Take one of so many places to probe from, or keep the one that this process has."""
    if _KEEP.run(tx, **voice.where, by=voice.process, until_ms=until_ms).rowcount:
        return True
    times = {"until_ms": until_ms, "now_ms": now_ms, "far_ms": until_ms + _FAR_MS}
    return any(_CLAIM.run(tx, **voice.row, **times, slot=slot).rowcount for slot in range(places))


def leave(tx: sa.Connection, voice: Voice) -> None:
    """Give the process's place back."""
    _LEAVE.run(tx, **voice.where, by=voice.process)


def read(tx: sa.Connection, environment: str) -> list[Report]:
    """What is known about every model."""
    rows = _READ.run(tx, the_environment=environment).fetchall()
    return [Report(row[0], State(row[1]), *row[2:]) for row in rows]
