"""What people said of answers in production, with the signals of each call: `reviewed`.

An answer was right when people let it stand as it was, and wrong when they edited or rejected it. Two kinds
are on record: those that were held, all of which people saw, and those that a rule decided, of which the draw
chose some. Of the latter each stands for as many as its share says: weight 1 / share.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.review import decisions, review_items
from roadworthy.review import ItemStatus

_SAID = {ItemStatus.APPROVED.value: True, ItemStatus.EDITED.value: False, ItemStatus.REJECTED.value: False}


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One answer that people have judged."""

    call_id: str
    workflow: str
    prompt_version: str
    prompt_hash: str
    model: str
    signals: Mapping[str, float]
    """By name; with `least` alone where only the least is on record."""
    right: bool
    weight: float
    """How many answers it stands for; at least 1."""
    sampled: bool
    """Whether a rule had decided, and people looked afterwards."""
    at: int


def reviewed(
    tx: sa.Connection, environment: str, prompt_id: str, since_ms: int, workflow: str | None = None
) -> list[Reviewed]:
    """Reviewed answers of a prompt, decided since then, oldest first; those without any signal are left out.

    A call whose answer was decided on twice counts once, with what was said last.
    """
    d, c, items = decisions.c, calls.c, review_items.c
    query = (
        sa.select(
            d.call_id, d.workflow, d.verdict, d.by, d.sampled, d.sample_share, d.created_at,
            c.prompt_version, c.prompt_hash, c.model, c.confidence, c.signals, items.status,
        )
        .select_from(
            decisions.join(calls, c.id == d.call_id).outerjoin(review_items, items.id == d.review_id)
        )
        .where(
            d.environment == environment,
            c.prompt_id == prompt_id,
            d.created_at >= since_ms,
            (d.by != "rule") | d.sampled,
        )
        .order_by(d.created_at, d.id)
    )  # fmt: skip
    if workflow is not None:
        query = query.where(d.workflow == workflow)
    found: dict[str, Reviewed] = {}
    for row in tx.execute(query).mappings():
        one = _reviewed(cast("Mapping[str, Any]", row))
        if one is not None:
            found[one.call_id] = one
    return list(found.values())


def prompts_of(tx: sa.Connection, environment: str, workflow: str) -> list[str]:
    """The prompts whose answers a workflow decided on."""
    query = (
        sa.select(calls.c.prompt_id)
        .join(decisions, calls.c.id == decisions.c.call_id)
        .where(decisions.c.environment == environment, decisions.c.workflow == workflow)
        .distinct()
        .order_by(calls.c.prompt_id)
    )
    return list(tx.execute(query).scalars())


def _reviewed(row: Mapping[str, Any]) -> Reviewed | None:
    by_rule = row["by"] == "rule"
    right = _SAID.get(row["status"] if by_rule else row["verdict"])
    signals = _signals(row)
    if right is None or not signals or not row["model"]:  # nobody has looked yet, or no model answered
        return None
    return Reviewed(
        call_id=row["call_id"],
        workflow=row["workflow"],
        prompt_version=row["prompt_version"],
        prompt_hash=row["prompt_hash"],
        model=row["model"],
        signals=signals,
        right=right,
        weight=1 / max(row["sample_share"] or 1.0, 1e-6) if by_rule else 1.0,
        sampled=by_rule,
        at=row["created_at"],
    )


def _signals(row: Mapping[str, Any]) -> dict[str, float]:
    if row["signals"]:
        return json.loads(row["signals"])
    return {} if row["confidence"] is None else {"least": row["confidence"]}
