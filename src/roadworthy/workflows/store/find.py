"""Finding runs: by a filter, by their parents, by their children."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.db.tables.workflows import run_payloads, runs
from roadworthy.workflows.run import Run, RunStatus
from roadworthy.workflows.store.runs import RUN_COLUMNS, as_run


def ancestors(tx: sa.Connection, run_id: str) -> list[sa.Row[*tuple[Any, ...]]]:
    """The run itself and the runs above it, nearest first: id, workflow, input_hash, depth."""
    chain = (
        sa.select(runs.c.id, runs.c.workflow, runs.c.input_hash, runs.c.parent_run_id, runs.c.depth)
        .where(runs.c.id == run_id)
        .cte("chain", recursive=True)
    )
    above = runs.alias("above")
    chain = chain.union_all(
        sa.select(
            above.c.id, above.c.workflow, above.c.input_hash, above.c.parent_run_id, above.c.depth
        ).join(chain, above.c.id == chain.c.parent_run_id)
    )
    return list(tx.execute(sa.select(chain)))


def children(tx: sa.Connection, run_ids: Sequence[str]) -> list[sa.Row[*tuple[Any, ...]]]:
    """State and output of these runs, as far as they are."""
    return list(
        tx.execute(
            sa.select(
                runs.c.id,
                runs.c.status,
                runs.c.skip_reason,
                runs.c.error_kind,
                runs.c.error_message,
                run_payloads.c.output,
            )
            .outerjoin(run_payloads, run_payloads.c.run_id == runs.c.id)
            .where(runs.c.id.in_(run_ids))
        )
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs to list; empty fields do not restrict."""

    workflow: str | None = None
    status: tuple[RunStatus, ...] = ()
    tenant: str | None = None
    user_id: str | None = None
    tag: str | None = None
    batch_id: str | None = None
    parent_run_id: str | None = None
    created_from: int | None = None
    created_before: int | None = None
    min_cost_micro_usd: int | None = None
    min_seconds: float | None = None
    error_kind: str | None = None
    text: str | None = None
    """Found in the run's id, error message or skip reason."""
    within: Callable[[sa.ColumnElement[str], sa.ColumnElement[str]], sa.ColumnElement[bool]] | None = None
    """A condition on workflow and tenant: what whoever asks may see."""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As SQL."""
        equal = {
            runs.c.workflow: self.workflow,
            runs.c.tenant: self.tenant,
            runs.c.user_id: self.user_id,
            runs.c.batch_id: self.batch_id,
            runs.c.parent_run_id: self.parent_run_id,
            runs.c.error_kind: self.error_kind,
        }
        found: list[sa.ColumnElement[bool]] = [
            column == value for column, value in equal.items() if value is not None
        ]
        if self.status:
            found.append(runs.c.status.in_(self.status))
        if self.tag is not None:
            found.append(runs.c.tags.contains(json.dumps(self.tag), autoescape=True))
        if self.created_from is not None:
            found.append(runs.c.created_at >= self.created_from)
        if self.created_before is not None:
            found.append(runs.c.created_at < self.created_before)
        if self.min_cost_micro_usd is not None:
            found.append(runs.c.cost_micro_usd >= self.min_cost_micro_usd)
        if self.min_seconds is not None:
            found.append(runs.c.finished_at - runs.c.started_at >= int(self.min_seconds * 1000))
        if self.within is not None:
            found.append(self.within(runs.c.workflow, runs.c.tenant))
        if self.text is not None:
            found.append(
                sa.or_(
                    *(
                        column.contains(self.text, autoescape=True)
                        for column in (runs.c.id, runs.c.error_message, runs.c.skip_reason)
                    )
                )
            )
        return found


def find(tx: sa.Connection, where: Filter, *, limit: int = 50, after: str | None = None) -> list[Run]:
    """Runs, newest first. `after` is the last id of the page before."""
    query = sa.select(*RUN_COLUMNS).where(*where.conditions()).order_by(runs.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(runs.c.id < after)
    return [as_run(cast("Mapping[str, Any]", row)) for row in tx.execute(query).mappings()]


def count_by_status(tx: sa.Connection, where: Filter) -> dict[RunStatus, int]:
    """How many runs stand where."""
    rows = tx.execute(
        sa.select(runs.c.status, sa.func.count()).where(*where.conditions()).group_by(runs.c.status)
    )
    return {RunStatus(status): count for status, count in rows}
