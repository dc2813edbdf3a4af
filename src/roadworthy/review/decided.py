"""The record of a decision, and its SQL: written once, with the step that decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.db import insert_once
from roadworthy.db.tables.review import decisions, review_items
from roadworthy.db.tables.workflows import runs
from roadworthy.errors import NotFound
from roadworthy.records import Json, iso
from roadworthy.review.store import storable


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided on one answer, by whom, on what grounds."""

    id: str
    run_id: str
    step_id: str
    call_id: str | None
    environment: str
    workflow: str
    tenant: str = ""
    prompt_version: str
    prompt_hash: str
    verdict: str
    """`approved`, `edited` or `rejected`."""
    by: str
    """`rule`, `person` or `people`."""
    name: str
    reason: str = ""
    confidence: float | None = None
    band_proceed: float | None = None
    band_reject: float | None = None
    asked_because: str | None = None
    """Why people were asked; None where a rule decided."""
    review_id: str | None = None
    """The item on which people decided, or will say whether the rule was right."""
    sampled: bool = False
    """Whether the draw chose it for a later look."""
    sample_share: float | None = None
    """With what probability the draw chose; None where a person decided anyway."""
    value_hash: str
    """Of the value that was decided on, after an edit."""
    created_at: int

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        told: dict[str, Json] = {name: getattr(self, name) for name in Decided.__dataclass_fields__}
        return {**told, "created_at": iso(self.created_at)}


_INSERT = insert_once(decisions, *Decided.__dataclass_fields__)


def add(tx: sa.Connection, made: Decided) -> None:
    """Store a decision; one that is stored already stays as it is. A held item learns what came of it."""
    values = {name: getattr(made, name) for name in Decided.__dataclass_fields__}
    values |= {name: storable(values[name]) for name in ("name", "reason")}
    _INSERT.run(tx, **values)
    if made.review_id is not None:
        tx.execute(
            sa.update(review_items)
            .where(review_items.c.id == made.review_id, review_items.c.decision_id.is_(None))
            .values(decision_id=made.id)
        )


def get(tx: sa.Connection, decision_id: str) -> Decided:
    """One decision. Raises `NotFound`."""
    row = tx.execute(sa.select(decisions).where(decisions.c.id == decision_id)).mappings().first()
    if row is None:
        raise NotFound(f"There is no decision {decision_id!r}.")
    return _decided(cast("Mapping[str, Any]", row))


def of_run(tx: sa.Connection, run_id: str) -> list[Decided]:
    """The decisions of a run, in order."""
    query = sa.select(decisions).where(decisions.c.run_id == run_id)
    found = tx.execute(query.order_by(decisions.c.created_at, decisions.c.id)).mappings()
    return [_decided(cast("Mapping[str, Any]", row)) for row in found]


def delete(tx: sa.Connection, before_ms: int, limit: int) -> int:
    """Delete up to `limit` old decisions whose runs are gone; returns how many."""
    old = (
        sa.select(decisions.c.id)
        .where(
            decisions.c.created_at < before_ms,
            ~sa.exists().where(runs.c.id == decisions.c.run_id),
        )
        .limit(limit)
    )
    return tx.execute(sa.delete(decisions).where(decisions.c.id.in_(old))).rowcount


def _decided(row: Mapping[str, Any]) -> Decided:
    values: dict[str, Any] = {name: row[name] for name in Decided.__dataclass_fields__}
    values["sampled"] = bool(values["sampled"])
    return Decided(**values)
