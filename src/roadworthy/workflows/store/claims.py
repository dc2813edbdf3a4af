"""Claims: a worker takes a run, begins it, ends it or gives it up; who lost its claim changes nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from roadworthy.db import Prepared, pack
from roadworthy.db.tables.workflows import run_payloads, runs
from roadworthy.records import Json
from roadworthy.workflows.run import Failure, Run, RunStatus
from roadworthy.workflows.store.runs import as_run, failure_columns, payload


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a run. Every write for the run is made under it: who lost it changes nothing."""

    run_id: str
    number: int
    worker_id: str


class ClaimLost(BaseException):
    """Another worker holds the run now; whatever this one was doing for it must have no effect."""


def claim_parameters(claim: Claim) -> dict[str, Any]:
    """What `held_by_parameters` is given."""
    return {"claim_run_id": claim.run_id, "claim_number": claim.number, "claim_worker_id": claim.worker_id}


def held_by_parameters() -> sa.ColumnElement[bool]:
    """The condition that a claim still holds, for a statement that is built once."""
    return (
        (runs.c.id == sa.bindparam("claim_run_id"))
        & (runs.c.claim == sa.bindparam("claim_number"))
        & (runs.c.worker_id == sa.bindparam("claim_worker_id"))
        & (runs.c.status == sa.literal_column(f"'{RunStatus.RUNNING}'"))
    )


def _held(claim: Claim) -> sa.ColumnElement[bool]:
    """The condition that a claim still holds."""
    return (
        (runs.c.id == claim.run_id)
        & (runs.c.claim == claim.number)
        & (runs.c.worker_id == claim.worker_id)
        & (runs.c.status == RunStatus.RUNNING)
    )


def holds(tx: sa.Connection, claim: Claim) -> bool:
    """Whether a claim still holds."""
    return tx.execute(sa.select(runs.c.id).where(_held(claim))).first() is not None


_HELD_QUERY = sa.select(runs.c.id).where(held_by_parameters())
_HELD = Prepared({"sqlite": _HELD_QUERY, "postgresql": _HELD_QUERY.with_for_update(key_share=True)})


def assert_held(tx: sa.Connection, claim: Claim) -> None:
    """Raise `ClaimLost` unless this worker holds the run; keeps others from taking it until the commit."""
    if _HELD.run(tx, **claim_parameters(claim)).fetchone() is None:
        raise ClaimLost(claim.run_id)


_DUE = (
    sa.select(runs.c.id)
    .where(
        runs.c.status.in_((RunStatus.QUEUED, RunStatus.WAITING)),
        runs.c.due_at <= sa.bindparam("now_ms"),
        runs.c.workflow.in_(sa.bindparam("workflows", expanding=True)),
    )
    .order_by(runs.c.due_at, runs.c.id)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    sa.update(runs)
    .where(runs.c.id.in_(_DUE))
    .values(
        status=RunStatus.RUNNING,
        worker_id=sa.bindparam("the_worker_id"),
        claim=runs.c.claim + 1,
        waiting_for=None,
        changed_at=sa.bindparam("now_ms"),
    )
    .returning(runs.c.id, runs.c.workflow, runs.c.claim, runs.c.rewind_to)
)


def claim_due(
    tx: sa.Connection, worker_id: str, workflows: Collection[str], limit: int, now_ms: int
) -> list[sa.Row[*tuple[Any, ...]]]:
    """Take up to `limit` runs that are due, oldest first. No two workers take the same one."""
    given = {"the_worker_id": worker_id, "workflows": list(workflows), "most": limit, "now_ms": now_ms}
    return list(tx.execute(_CLAIM, given))


def take(tx: sa.Connection, run_id: str, worker_id: str) -> Claim | None:
    """Take over a run that the engine handed to this worker; None when it is not to be run any more."""
    number = tx.execute(
        sa.update(runs)
        .where(runs.c.id == run_id, runs.c.status == RunStatus.RUNNING)
        .values(worker_id=worker_id, claim=runs.c.claim + 1)
        .returning(runs.c.claim)
    ).scalar()
    return None if number is None else Claim(run_id, number, worker_id)


@dataclass(frozen=True, slots=True)
class Entered:
    """What a run's body is given when it begins."""

    run: Run
    input: Json
    depth: int
    rewound_from: int | None


_BEGIN_COLUMNS: tuple[str, ...] = (*Run.__dataclass_fields__, "rewound_from", "depth")
_BEGIN = Prepared(
    sa.update(runs)
    .where(
        held_by_parameters(),
        runs.c.started_at.is_(None)
        | (runs.c.fingerprint == "")
        | (runs.c.fingerprint == sa.bindparam("the_fingerprint")),
    )
    .values(
        started_at=sa.func.coalesce(runs.c.started_at, sa.bindparam("now_ms")),
        deadline_at=sa.func.coalesce(runs.c.deadline_at, sa.bindparam("deadline", type_=sa.BigInteger)),
        fingerprint=sa.bindparam("the_fingerprint"),
        rewind_to=sa.null(),
        error_kind=sa.null(),
        error_message=sa.null(),
        error_step=sa.null(),
        error_position=sa.null(),
    )
    .returning(*(runs.c[name] for name in _BEGIN_COLUMNS))
)


def begin(
    tx: sa.Connection, claim: Claim, *, fingerprint: str, timeout_seconds: float | None, now_ms: int
) -> Entered | None:
    """Note that the run's body begins; None when the claim is lost or the run began on other code."""
    deadline = None if timeout_seconds is None else now_ms + int(timeout_seconds * 1000)
    row = _BEGIN.run(
        tx, **claim_parameters(claim), now_ms=now_ms, deadline=deadline, the_fingerprint=fingerprint
    ).fetchone()
    if row is None:
        return None
    values = dict(zip(_BEGIN_COLUMNS, row, strict=True))
    rewound_from, depth = values.pop("rewound_from"), values.pop("depth")
    return Entered(as_run(values), payload(tx, claim.run_id)[0], depth, rewound_from)


_FAILURE_COLUMNS = ("error_kind", "error_message", "error_step", "error_position")
_FINISH = Prepared(
    sa.update(runs).where(held_by_parameters()),
    "status",
    "finished_at",
    "changed_at",
    "due_at",
    "skip_reason",
    "over_budget",
    "cancel_requested",
    *_FAILURE_COLUMNS,
)
_SET_OUTPUT = Prepared(
    sa.update(run_payloads).where(run_payloads.c.run_id == sa.bindparam("the_id")), "output"
)


def finish(
    tx: sa.Connection,
    claim: Claim,
    status: RunStatus,
    *,
    now_ms: int,
    output: Json = None,
    skip_reason: str | None = None,
    failure: Failure | None = None,
    over_budget: bool = False,
) -> bool:
    """End a run; False when the claim is lost."""
    values = {
        "status": status,
        "finished_at": now_ms,
        "changed_at": now_ms,
        "due_at": None,
        "skip_reason": skip_reason,
        "over_budget": over_budget,
        "cancel_requested": False,
        **failure_columns(failure),
    }
    done = _FINISH.run(tx, **claim_parameters(claim), **values).rowcount
    if done and status in (RunStatus.SUCCEEDED, RunStatus.SKIPPED, RunStatus.REJECTED):
        _SET_OUTPUT.run(tx, the_id=claim.run_id, output=pack(output))
    return bool(done)


def leave(
    tx: sa.Connection,
    claim: Claim,
    status: RunStatus,
    *,
    now_ms: int,
    due_at: int | None,
    waiting_for: str | None = None,
    failure: Failure | None = None,
) -> bool:
    """Give a run up unfinished: queued again, waiting, or parked; False when the claim is lost."""
    return bool(
        tx.execute(
            sa.update(runs)
            .where(_held(claim))
            .values(
                status=status,
                due_at=due_at,
                waiting_for=waiting_for,
                worker_id=None,
                changed_at=now_ms,
                **failure_columns(failure),
            )
        ).rowcount
    )


def requeue_of_workers(tx: sa.Connection, worker_ids: Collection[str], now_ms: int) -> list[str]:
    """Queue again every run that these workers held."""
    return list(
        tx.execute(
            sa.update(runs)
            .where(runs.c.worker_id.in_(worker_ids), runs.c.status == RunStatus.RUNNING)
            .values(status=RunStatus.QUEUED, due_at=now_ms, worker_id=None, changed_at=now_ms)
            .returning(runs.c.id)
        ).scalars()
    )


def running_on(tx: sa.Connection, worker_id: str) -> list[sa.Row[*tuple[Any, ...]]]:
    """What a worker holds: id, claim, and whether a stop is requested."""
    return list(
        tx.execute(
            sa.select(runs.c.id, runs.c.claim, runs.c.cancel_requested).where(
                runs.c.worker_id == worker_id, runs.c.status == RunStatus.RUNNING
            )
        )
    )


def requeue_one(tx: sa.Connection, run_id: str, worker_id: str, claim: int, now_ms: int) -> bool:
    """Queue again one run that its own worker lost track of."""
    return bool(
        tx.execute(
            sa.update(runs)
            .where(_held(Claim(run_id, claim, worker_id)))
            .values(status=RunStatus.QUEUED, due_at=now_ms, worker_id=None, changed_at=now_ms)
        ).rowcount
    )
