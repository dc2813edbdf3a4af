"""Steps and attempts. Every write is made under the worker's claim on the run."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from roadworthy.db import Prepared, insert_once, pack, unpack
from roadworthy.db.tables.workflows import attempts, step_payloads, steps
from roadworthy.records import Json
from roadworthy.workflows.run import Attempt, AttemptStatus, Failure, Step, StepKind, StepStatus
from roadworthy.workflows.store.claims import Claim, assert_held
from roadworthy.workflows.store.runs import insert


@dataclass(frozen=True, slots=True)
class NewStep:
    """What a step begins with."""

    id: str
    position: int
    name: str
    key: str
    kind: StepKind
    input: Json


@dataclass(frozen=True, slots=True)
class Begun:
    """How a step stands when a worker comes to it."""

    step_id: str
    attempt: int
    """The number of the attempt that begins now."""
    lost: int
    """How many earlier attempts died with their worker."""
    failed: int
    """How many earlier attempts failed."""
    outcome: Json
    """The recorded outcome, when it had finished already; else None."""
    recorded_key: str
    """The name and input hash under which it was recorded."""


_INSERT_STEP = insert_once(
    steps,
    "id",
    "run_id",
    "position",
    "name",
    "key",
    "kind",
    "status",
    "attempt",
    "attempt_at",
    "worker_id",
    "started_at",
)
_INSERT_PAYLOAD = insert_once(step_payloads, "step_id", "run_id", "input")
_INSERT_ATTEMPT = insert_once(
    attempts,
    "step_id",
    "number",
    "run_id",
    "worker_id",
    "status",
    "started_at",
    "finished_at",
    "error_kind",
    "error_message",
)
_RECORDED = (
    sa.select(
        steps.c.id,
        steps.c.status,
        steps.c.key,
        steps.c.attempt,
        steps.c.attempt_at,
        steps.c.worker_id,
        step_payloads.c.output,
    )
    .outerjoin(step_payloads, step_payloads.c.step_id == steps.c.id)
    .where(
        steps.c.run_id == sa.bindparam("the_run_id"),
        steps.c.position == sa.bindparam("the_position"),
        steps.c.rewound == 0,
    )
)
_THE_STEP = sa.update(steps).where(steps.c.id == sa.bindparam("the_id"))
_FINISH_STEP = Prepared(_THE_STEP, "status", "finished_at", "over_budget", "error_kind", "error_message")
_SET_OUTPUT = Prepared(
    sa.update(step_payloads).where(step_payloads.c.step_id == sa.bindparam("the_id")), "output"
)


def begin(tx: sa.Connection, claim: Claim, new: NewStep, now_ms: int) -> Begun:
    """Begin an attempt of a step, or return what it came to before."""
    assert_held(tx, claim)
    made = _INSERT_STEP.run(
        tx,
        id=new.id,
        run_id=claim.run_id,
        position=new.position,
        name=new.name,
        key=new.key,
        kind=new.kind,
        status=StepStatus.RUNNING,
        attempt=1,
        attempt_at=now_ms,
        worker_id=claim.worker_id,
        started_at=now_ms,
    ).rowcount
    if made:
        _INSERT_PAYLOAD.run(tx, step_id=new.id, run_id=claim.run_id, input=pack(new.input))
        return Begun(new.id, 1, 0, 0, None, new.key)
    row = tx.execute(_RECORDED, {"the_run_id": claim.run_id, "the_position": new.position}).one()
    if row.status in (StepStatus.SUCCEEDED, StepStatus.FAILED):
        return Begun(row.id, row.attempt, 0, 0, unpack(row.output), row.key)
    if row.key != new.key:
        return Begun(row.id, row.attempt, 0, 0, None, row.key)
    return _begin_again(tx, claim, row, now_ms)


def _begin_again(tx: sa.Connection, claim: Claim, row: sa.Row[*tuple[Any, ...]], now_ms: int) -> Begun:
    """The attempt under way was lost with its worker, or it had failed and the next one was never begun."""
    _end_attempt(
        tx, claim, row.id, row.attempt, row.attempt_at, AttemptStatus.LOST, None, now_ms, row.worker_id
    )
    query = sa.select(attempts.c.status, sa.func.count()).where(attempts.c.step_id == row.id)
    # dict() would take the result for a mapping, for it has keys().
    ended = {status: count for status, count in tx.execute(query.group_by(attempts.c.status))}  # noqa: C416
    lost, failed = ended.get(AttemptStatus.LOST, 0), ended.get(AttemptStatus.FAILED, 0)
    begin_attempt(tx, claim, row.id, row.attempt + 1, now_ms)
    return Begun(row.id, row.attempt + 1, lost, failed, None, row.key)


def retry(
    tx: sa.Connection, claim: Claim, step_id: str, number: int, began_at: int, failure: Failure, now_ms: int
) -> None:
    """Note that attempt `number` failed and that the next one will be made."""
    assert_held(tx, claim)
    _end_attempt(tx, claim, step_id, number, began_at, AttemptStatus.FAILED, failure, now_ms)


def begin_attempt(tx: sa.Connection, claim: Claim, step_id: str, number: int, now_ms: int) -> None:
    """Note that attempt `number` begins."""
    assert_held(tx, claim)
    tx.execute(
        sa.update(steps)
        .where(steps.c.id == step_id)
        .values(
            attempt=number,
            attempt_at=now_ms,
            worker_id=claim.worker_id,
            status=StepStatus.RUNNING,
            finished_at=None,
        )
    )


def finish(
    tx: sa.Connection,
    claim: Claim,
    step_id: str,
    number: int,
    *,
    began_at: int,
    outcome: bytes,
    failure: Failure | None,
    over_budget: bool,
    now_ms: int,
) -> None:
    """Store a step's packed outcome for good."""
    assert_held(tx, claim)
    _FINISH_STEP.run(
        tx,
        the_id=step_id,
        status=StepStatus.SUCCEEDED if failure is None else StepStatus.FAILED,
        finished_at=now_ms,
        over_budget=over_budget,
        error_kind=failure.kind if failure else None,
        error_message=failure.message if failure else None,
    )
    _SET_OUTPUT.run(tx, the_id=step_id, output=outcome)
    ended = AttemptStatus.SUCCEEDED if failure is None else AttemptStatus.FAILED
    _end_attempt(tx, claim, step_id, number, began_at, ended, failure, now_ms)


def stop_open(tx: sa.Connection, run_id: str, now_ms: int) -> None:
    """Close what was under way when a run ended."""
    tx.execute(
        sa.update(steps)
        .where(steps.c.run_id == run_id, steps.c.status == StepStatus.RUNNING)
        .values(status=StepStatus.STOPPED, finished_at=now_ms)
    )


def rewind(tx: sa.Connection, run_id: str, position: int, generation: int, *, failed_only: bool) -> None:
    """Set aside what the run did from `position` on, to be done again; the rows stay for the record."""
    query = sa.update(steps).where(
        steps.c.run_id == run_id, steps.c.position >= position, steps.c.rewound == 0
    )
    if failed_only:
        query = query.where(steps.c.status == StepStatus.FAILED)
    tx.execute(query.values(rewound=generation))


def is_over(tx: sa.Connection, run_id: str, position: int) -> bool:
    """Whether the step at this place has an outcome."""
    return bool(
        tx.execute(
            sa.select(steps.c.id).where(
                steps.c.run_id == run_id,
                steps.c.position == position,
                steps.c.rewound == 0,
                steps.c.status.in_((StepStatus.SUCCEEDED, StepStatus.FAILED)),
            )
        ).first()
    )


def set_aside(tx: sa.Connection, claim: Claim, step_id: str) -> None:
    """Set one recorded step aside, because what it was asked has changed after a rewind."""
    assert_held(tx, claim)
    tx.execute(sa.update(steps).where(steps.c.id == step_id).values(rewound=claim.number))


def copy_until(
    tx: sa.Connection, source_run_id: str, run_id: str, position: int, new_ids: dict[str, str]
) -> None:
    """Give a new run the finished steps of another one before `position`."""
    kept = (
        (steps.c.run_id == source_run_id)
        & (steps.c.position < position)
        & (steps.c.rewound == 0)
        & steps.c.status.in_((StepStatus.SUCCEEDED, StepStatus.FAILED))
    )
    for row in tx.execute(
        sa.select(steps, step_payloads.c.input, step_payloads.c.output)
        .join(step_payloads, step_payloads.c.step_id == steps.c.id)
        .where(kept)
    ).mappings():
        values = dict(row)
        payload = {name: values.pop(name) for name in ("input", "output")}
        step_id = new_ids[values["id"]]
        tx.execute(insert(tx, steps, **{**values, "id": step_id, "run_id": run_id}))
        tx.execute(insert(tx, step_payloads, step_id=step_id, run_id=run_id, **payload))


def list_of(tx: sa.Connection, run_id: str, *, payloads: bool = True) -> list[Step]:
    """The steps of a run in the order they began, with their attempts."""
    tried: dict[str, list[Attempt]] = {}
    for row in tx.execute(sa.select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.number)):
        tried.setdefault(row.step_id, []).append(
            Attempt(
                row.number,
                AttemptStatus(row.status),
                row.worker_id,
                row.started_at,
                row.finished_at,
                row.error_kind,
                row.error_message,
            )
        )
    query = (
        sa.select(steps).where(steps.c.run_id == run_id).order_by(steps.c.position, steps.c.rewound.desc())
    )
    bodies: dict[str, sa.Row[*tuple[Any, ...]]] = {}
    if payloads:
        bodies = {
            row.step_id: row
            for row in tx.execute(sa.select(step_payloads).where(step_payloads.c.run_id == run_id))
        }
    found: list[Step] = []
    for row in tx.execute(query):
        body = bodies.get(row.id)
        found.append(
            Step(
                **{
                    name: getattr(row, name)
                    for name in Step.__dataclass_fields__
                    if name not in ("input", "output", "attempts", "kind", "status")
                },
                kind=StepKind(row.kind),
                status=StepStatus(row.status),
                input=unpack(body.input) if body else None,
                output=unpack(body.output) if body and body.output is not None else None,
                attempts=tuple(tried.get(row.id, ())),
            )
        )
    return found


def _end_attempt(
    tx: sa.Connection,
    claim: Claim,
    step_id: str,
    number: int,
    began_at: int,
    status: AttemptStatus,
    failure: Failure | None,
    now_ms: int,
    worker_id: str | None = None,
) -> None:
    _INSERT_ATTEMPT.run(
        tx,
        step_id=step_id,
        number=number,
        run_id=claim.run_id,
        worker_id=worker_id or claim.worker_id,
        status=status,
        started_at=began_at,
        finished_at=now_ms,
        error_kind=failure.kind if failure else None,
        error_message=failure.message if failure else None,
    )
