"""Runs: creating, stopping, reopening, reading. Every change of state names the state it comes from."""

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


def insert(tx: sa.Connection, into: Any, /, **values: Any) -> Any:
    """An insert that leaves an existing row as it is."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    return dialect.insert(into).values(**values).on_conflict_do_nothing()


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
_ONE = sa.select(*RUN_COLUMNS).where(runs.c.id == sa.bindparam("the_id"))
_WORKFLOW = Prepared(sa.select(runs.c.workflow).where(runs.c.id == sa.bindparam("the_id")))
_STATUS = Prepared(sa.select(runs.c.status).where(runs.c.id == sa.bindparam("the_id")))
_PAYLOAD = Prepared(
    sa.select(run_payloads.c.input, run_payloads.c.output).where(
        run_payloads.c.run_id == sa.bindparam("the_id")
    )
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


def failure_columns(failure: Failure | None) -> dict[str, Any]:
    """Why a run does not go on, as its row has it."""
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
        .values(status=RunStatus.PARKED, due_at=None, changed_at=now_ms, **failure_columns(failure))
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
