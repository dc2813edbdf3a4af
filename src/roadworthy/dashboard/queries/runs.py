"""What the list of runs shows: runs, and beside each the prompts it asked and the tokens it took."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.db.tables.calls import calls
from roadworthy.workflows import Filter, Run
from roadworthy.workflows.store.find import find

PAGE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One run in the list."""

    run: Run
    prompts: tuple[str, ...]
    """The prompts it asked, with their versions, in alphabetical order."""
    tokens: int
    share: float
    """Its duration as a share of the longest one on the page."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the list."""

    rows: tuple[Row, ...]
    has_more: bool


def page_of(tx: sa.Connection, where: Filter, *, after: str | None) -> Listed:
    """The runs after one, newest first."""
    found = find(tx, where, limit=PAGE + 1, after=after)
    shown = found[:PAGE]
    asked = _asked(tx, [run.id for run in shown])
    longest = max((run.seconds or 0.0 for run in shown), default=0.0) or 1.0
    return Listed(
        tuple(Row(run, *asked.get(run.id, ((), 0)), share=(run.seconds or 0.0) / longest) for run in shown),
        has_more=len(found) > PAGE,
    )


def _asked(tx: sa.Connection, run_ids: Sequence[str]) -> dict[str, tuple[tuple[str, ...], int]]:
    """By run: its prompts and its tokens."""
    query = (
        sa.select(
            calls.c.run_id,
            calls.c.prompt_version,
            sa.func.sum(calls.c.input_tokens + calls.c.output_tokens),
        )
        .where(calls.c.run_id.in_(run_ids))
        .group_by(calls.c.run_id, calls.c.prompt_version)
        .order_by(calls.c.prompt_version)
    )
    made: dict[str, tuple[tuple[str, ...], int]] = {}
    for run_id, version, tokens in tx.execute(query):
        names, sum_so_far = made.get(run_id, ((), 0))
        made[run_id] = ((*names, version), sum_so_far + int(tokens))
    return made
