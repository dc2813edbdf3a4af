"""Runs: creating, claiming, finishing. Every change of state names the state it comes from."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.db import Prepared, insert_once, pack, unpack
from roadworthy.db.tables.workflows import run_payloads, runs
from roadworthy.errors import IdempotencyConflict, NotFound, StateConflict
from roadworthy.records import Json
from roadworthy.workflows.run import FINISHED, Failure, Run, RunStatus

RUN_COLUMNS = tuple(runs.c[name] for name in Run.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is created with."""

    id: str
    workflow: str
    input: Json
    input_hash: str
    environment: str
    fingerprint: str
    tenant: str = ""
    user_id: str = ""
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    traceparent: str = ""
    parent_run_id: str | None = None
    depth: int = 0
    replay_of: str | None = None
    batch_id: str | None = None
    batch_item: int | None = None
    schedule: str | None = None
    lane: str = "live"
    lane_until: int | None = None
    due_at: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a run. Every write for the run is made under it: who lost it changes nothing."""

    run_id: str
    number: int
    worker_id: str


def insert(tx: sa.Connection, into: Any, /, **values: Any) -> Any:
    """An insert that leaves an existing row as it is."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    return dialect.insert(into).values(**values).on_conflict_do_nothing()


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


_MOST_CHANGES = 5
"""So often a run may change its state while somebody cancels it."""
_NEW_COLUMNS = (
    *(name for name in NewRun.__slots__ if name != "input"),
    "status",
    "created_at",
    "changed_at",
)
_INSERT_RUN = insert_once(runs, *_NEW_COLUMNS)
_INSERT_PAYLOAD = insert_once(run_payloads, "run_id", "input")
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
_ONE = sa.select(*RUN_COLUMNS).where(runs.c.id == sa.bindparam("the_id"))
_WORKFLOW = Prepared(sa.select(runs.c.workflow).where(runs.c.id == sa.bindparam("the_id")))
_STATUS = Prepared(sa.select(runs.c.status).where(runs.c.id == sa.bindparam("the_id")))
_PAYLOAD = Prepared(
    sa.select(run_payloads.c.input, run_payloads.c.output).where(
        run_payloads.c.run_id == sa.bindparam("the_id")
    )
)
_SET_OUTPUT = Prepared(
    sa.update(run_payloads).where(run_payloads.c.run_id == sa.bindparam("the_id")), "output"
)


def create(tx: sa.Connection, new: NewRun, now_ms: int) -> tuple[str, bool]:
    """Store a queued run; returns its id and whether it is new. The same key gives the same run.

    Raises `IdempotencyConflict` when the key was used with another input.
    """
    values: dict[str, Any] = {name: getattr(new, name) for name in NewRun.__slots__ if name != "input"}
    values |= {
        "status": RunStatus.QUEUED,
        "tags": json.dumps(list(new.tags)),
        "created_at": now_ms,
        "changed_at": now_ms,
        "due_at": now_ms if new.due_at is None else new.due_at,
    }
    if _INSERT_RUN.run(tx, **values).rowcount:
        _INSERT_PAYLOAD.run(tx, run_id=new.id, input=pack(new.input))
        return new.id, True
    same = runs.c.id == new.id
    if new.idempotency_key is not None:
        same |= (
            (runs.c.workflow == new.workflow)
            & (runs.c.tenant == new.tenant)
            & (runs.c.idempotency_key == new.idempotency_key)
        )
    row = tx.execute(sa.select(runs.c.id, runs.c.input_hash).where(same)).one()
    if row.input_hash != new.input_hash:
        raise IdempotencyConflict(
            f"The key {new.idempotency_key!r} was used before for {new.workflow!r}, "
            f"with another input (run {row.id}).",
            hint="Use a new key for a new request.",
        )
    return row.id, False


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


def held(claim: Claim) -> sa.ColumnElement[bool]:
    """The condition that a claim still holds."""
    return (
        (runs.c.id == claim.run_id)
        & (runs.c.claim == claim.number)
        & (runs.c.worker_id == claim.worker_id)
        & (runs.c.status == RunStatus.RUNNING)
    )


def holds(tx: sa.Connection, claim: Claim) -> bool:
    """Whether a claim still holds."""
    return tx.execute(sa.select(runs.c.id).where(held(claim))).first() is not None


@dataclass(frozen=True, slots=True)
class Entered:
    """What a run's body is given when it begins."""

    run: Run
    input: Json
    depth: int
    rewound_from: int | None


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
        **_failure_columns(failure),
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
            .where(held(claim))
            .values(
                status=status,
                due_at=due_at,
                waiting_for=waiting_for,
                worker_id=None,
                changed_at=now_ms,
                **_failure_columns(failure),
            )
        ).rowcount
    )


def _failure_columns(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {"error_kind": None, "error_message": None, "error_step": None, "error_position": None}
    return {
        "error_kind": failure.kind,
        "error_message": failure.message,
        "error_step": failure.step or None,
        "error_position": failure.position,
    }


def wake(tx: sa.Connection, run_ids: Sequence[str], now_ms: int) -> int:
    """Make waiting runs due now."""
    return tx.execute(
        sa.update(runs)
        .where(runs.c.id.in_(run_ids), runs.c.status == RunStatus.WAITING)
        .values(due_at=now_ms)
    ).rowcount


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
            .where(held(Claim(run_id, claim, worker_id)))
            .values(status=RunStatus.QUEUED, due_at=now_ms, worker_id=None, changed_at=now_ms)
        ).rowcount
    )


def request_cancel(tx: sa.Connection, run_id: str, now_ms: int) -> RunStatus:
    """Cancel a run: at once when nobody executes it, else by request; returns the state it is in now.

    Raises `StateConflict` when it has finished already.
    """
    run = get(tx, run_id)
    for _ in range(_MOST_CHANGES):
        status = _try_cancel(tx, run_id, now_ms)
        if status is not None:
            return status
        run = get(tx, run_id)
        if run.status in FINISHED:
            break  # else it has just changed its state between two looks
    if run.status is RunStatus.CANCELLED:
        return run.status
    raise StateConflict(f"Run {run_id} cannot be cancelled: it {run.status}.")


def _try_cancel(tx: sa.Connection, run_id: str, now_ms: int) -> RunStatus | None:
    at_once = (RunStatus.QUEUED, RunStatus.WAITING, RunStatus.PARKED, RunStatus.DEAD)
    if tx.execute(
        sa.update(runs)
        .where(runs.c.id == run_id, runs.c.status.in_(at_once))
        .values(
            status=RunStatus.CANCELLED,
            finished_at=now_ms,
            changed_at=now_ms,
            due_at=None,
            waiting_for=None,
            claim=runs.c.claim + 1,
        )
    ).rowcount:
        return RunStatus.CANCELLED
    if tx.execute(
        sa.update(runs)
        .where(runs.c.id == run_id, runs.c.status == RunStatus.RUNNING)
        .values(cancel_requested=True)
    ).rowcount:
        return RunStatus.RUNNING
    return None


def reopen(
    tx: sa.Connection, run_id: str, allowed: Collection[RunStatus], *, rewind_to: int | None, now_ms: int
) -> bool:
    """Queue a stopped run again, from the step at `rewind_to` (None: where it stopped)."""
    values: dict[str, Any] = {
        "status": RunStatus.QUEUED,
        "due_at": now_ms,
        "changed_at": now_ms,
        "finished_at": None,
        "deadline_at": None,
        "worker_id": None,
        "cancel_requested": False,
        "claim": runs.c.claim + 1,
        "fingerprint": "",  # whoever resumes a run accepts the code as it is now
    }
    if rewind_to is not None:
        values |= {"rewind_to": rewind_to, "rewound_from": rewind_to}
    return bool(
        tx.execute(
            sa.update(runs).where(runs.c.id == run_id, runs.c.status.in_(allowed)).values(**values)
        ).rowcount
    )


def unpark(tx: sa.Connection, fingerprints: Mapping[str, str], now_ms: int) -> int:
    """Queue the parked runs whose own code is what this worker has."""
    count = 0
    for workflow, fingerprint in fingerprints.items():
        count += tx.execute(
            sa.update(runs)
            .where(
                runs.c.status == RunStatus.PARKED,
                runs.c.workflow == workflow,
                runs.c.fingerprint == fingerprint,
            )
            .values(status=RunStatus.QUEUED, due_at=now_ms, changed_at=now_ms)
        ).rowcount
    return count


def park_unknown(tx: sa.Connection, known: Collection[str], failure: Failure, now_ms: int) -> int:
    """Park queued runs of workflows that this project no longer has."""
    return tx.execute(
        sa.update(runs)
        .where(runs.c.status == RunStatus.QUEUED, runs.c.workflow.not_in(known))
        .values(status=RunStatus.PARKED, due_at=None, changed_at=now_ms, **_failure_columns(failure))
    ).rowcount


def get(tx: sa.Connection, run_id: str) -> Run:
    """One run. Raises `NotFound`."""
    row = tx.execute(_ONE, {"the_id": run_id}).mappings().first()
    if row is None:
        raise _unknown(run_id)
    return as_run(cast("Mapping[str, Any]", row))


def status(tx: sa.Connection, run_id: str) -> RunStatus:
    """Where a run stands. Raises `NotFound`."""
    row = _STATUS.run(tx, the_id=run_id).fetchone()
    if row is None:
        raise _unknown(run_id)
    return RunStatus(row[0])


def workflow_of(tx: sa.Connection, run_id: str) -> str:
    """Which workflow a run is of. Raises `NotFound`."""
    row = _WORKFLOW.run(tx, the_id=run_id).fetchone()
    if row is None:
        raise _unknown(run_id)
    return str(row[0])


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"There is no run {run_id!r}.", hint="List them: roadworthy runs list")


def payload(tx: sa.Connection, run_id: str) -> tuple[Json, Json]:
    """What went into a run and what came out (None before it has finished)."""
    row = _PAYLOAD.run(tx, the_id=run_id).fetchone()
    if row is None:
        return None, None
    given, output = row
    return unpack(given), None if output is None else unpack(output)


def as_run(row: Mapping[str, Any]) -> Run:
    """A row of `runs` as its record."""
    values = {name: row[name] for name in Run.__dataclass_fields__}
    values["status"] = RunStatus(values["status"])
    values["tags"] = tuple(json.loads(values["tags"]))
    values["over_budget"] = bool(values["over_budget"])
    return Run(**values)
