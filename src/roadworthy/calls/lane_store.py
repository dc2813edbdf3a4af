"""The SQL of the provider-batch lane: the requests that wait, and the provider's batches that hold them.

    waiting ──group──► submitted ──result──► answered, failed ──► taken
       │                   └──── its call was asked live ──► late ──result──► late, with its end
       └── its call was asked live ──► withdrawn

Every change of state names the state it comes from, so that each may be tried by any process, any number of
times. A batch belongs to the worker that claims it, for as long as that renews its claim.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets import Amount, Key
from roadworthy.calls.admission import Admission
from roadworthy.calls.attempt import AttemptStatus
from roadworthy.db import insert_once, pack, unpack
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.lanes import batch_requests as table
from roadworthy.db.tables.lanes import provider_batches as batches
from roadworthy.db.tables.workflows import runs
from roadworthy.models.provider_batch import BatchHandle
from roadworthy.records import Json


class LaneStatus(StrEnum):
    """Where a request of the lane stands."""

    WAITING = "waiting"
    """Collected, and in no batch yet."""
    SUBMITTED = "submitted"
    """In a batch, which is with the provider or on its way there."""
    ANSWERED = "answered"
    """The answer is here; its run has not taken it yet."""
    FAILED = "failed"
    """The batch gave no answer to it; its call goes on live."""
    TAKEN = "taken"
    """Its run has gone on with what came of it."""
    LATE = "late"
    """Its call was asked live while the batch was on its way; an answer is paid for, and not used."""
    WITHDRAWN = "withdrawn"
    """Its call was asked live, and it was never submitted."""


class BatchStatus(StrEnum):
    """Where a provider's batch stands."""

    SUBMITTING = "submitting"
    """On its way to the provider, or there already and we do not know."""
    RUNNING = "running"
    """With the provider; also until all its results are stored."""
    DONE = "done"
    """All results are stored."""
    FAILED = "failed"
    """The provider did not take it, or gave it up; the calls go on live."""
    EXPIRED = "expired"
    """The provider did not finish it in its time; what it had not run goes on live."""
    CANCELLED = "cancelled"
    """Ended by us, because nobody waited for it any more."""


_OPEN = (BatchStatus.SUBMITTING.value, BatchStatus.RUNNING.value)
_PENDING = (LaneStatus.WAITING.value, LaneStatus.SUBMITTED.value)
_ENDED_RUNS = ("succeeded", "skipped", "dead", "cancelled")
_RUN_ENDED = sa.exists().where(runs.c.id == table.c.run_id, runs.c.status.in_(_ENDED_RUNS))


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """One call's request in the lane."""

    id: str
    environment: str
    model: str
    """The model's name in the settings."""
    run_id: str
    step_id: str
    call_id: str
    made_at: int
    due_at: int
    """When its call is asked live."""
    status: LaneStatus = LaneStatus.WAITING
    batch_id: str | None = None
    ended_at: int | None = None
    error_kind: str | None = None
    hold: Admission | None = None
    """What is set aside for it."""
    request: bytes | None = None
    """What is asked, packed; None once it has ended."""
    result: bytes | None = None
    """What came back, packed; None once it is taken."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of requests at a provider."""

    id: str
    """Our name for it, by which it is found at the provider."""
    environment: str
    model: str
    state: BatchStatus
    count: int
    handle: BatchHandle | None
    made_at: int
    tried_at: int | None
    """When it was first sent, whatever became of that."""
    submitted_at: int | None
    cancelled_at: int | None
    """When its end was asked for."""


_INSERT = insert_once(table, *LaneRequest.__dataclass_fields__)
_INSERT_BATCH = insert_once(
    batches,
    "id",
    "environment",
    "model",
    "state",
    "count",
    "made_at",
    "next_at",
)

# Requests


def add(tx: sa.Connection, one: LaneRequest) -> None:
    """Store a request that waits."""
    values: dict[str, Any] = {name: getattr(one, name) for name in LaneRequest.__dataclass_fields__}
    _INSERT.run(tx, **{**values, "hold": _dump_hold(one.hold)})


def get(tx: sa.Connection, request_id: str) -> LaneRequest | None:
    """One request; None when it is not on record any more."""
    return next(iter(_read(tx, sa.select(table).where(table.c.id == request_id))), None)


def pending(tx: sa.Connection, request_id: str) -> bool:
    """Whether nothing has come of it yet."""
    status = tx.execute(sa.select(table.c.status).where(table.c.id == request_id)).scalar()
    return status in _PENDING


def is_full(tx: sa.Connection, environment: str, most: int) -> bool:
    """Whether so many requests are under way that no more are collected."""
    some = (
        sa.select(sa.literal(1))
        .where(table.c.environment == environment, table.c.status.in_(_PENDING))
        .limit(most)
        .subquery()
    )
    return tx.execute(sa.select(sa.func.count()).select_from(some)).scalar_one() >= most


def count_of(tx: sa.Connection, batch_id: str) -> tuple[int, int]:
    """How many requests of a batch of runs are on their way to the provider, and how many are there."""
    there = (table.c.status == LaneStatus.SUBMITTED.value) & (batches.c.state == BatchStatus.RUNNING.value)
    query = (
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.case((there, 1), else_=0)), 0))
        .select_from(table)
        .join(runs, runs.c.id == table.c.run_id)
        .outerjoin(batches, batches.c.id == table.c.batch_id)
        .where(runs.c.batch_id == batch_id, table.c.status.in_(_PENDING))
    )
    pending, at_provider = tx.execute(query).one()
    return pending - at_provider, int(at_provider)


def move(tx: sa.Connection, request_id: str, came_from: LaneStatus, to: LaneStatus, **values: Any) -> bool:
    """Bring a request from one state to another; False when it is in a third."""
    return bool(
        tx.execute(
            sa.update(table)
            .where(table.c.id == request_id, table.c.status == came_from.value)
            .values(status=to.value, **values)
        ).rowcount
    )


def end(
    tx: sa.Connection,
    request_id: str,
    status: LaneStatus,
    result: bytes | None,
    error_kind: str | None,
    now_ms: int,
) -> LaneStatus | None:
    """Store what came of a request: its state then; None when that was stored before."""
    ended = {"ended_at": now_ms, "error_kind": error_kind, "request": None}
    if move(tx, request_id, LaneStatus.SUBMITTED, status, result=result, **ended):
        return status
    late = sa.update(table).where(
        table.c.id == request_id, table.c.status == LaneStatus.LATE.value, table.c.ended_at.is_(None)
    )
    return LaneStatus.LATE if tx.execute(late.values(**ended)).rowcount else None


def is_untidy(tx: sa.Connection, environment: str, now_ms: int) -> bool:
    """Whether anything is under way that nobody waits for any more."""
    unwanted = sa.exists().where(
        table.c.environment == environment,
        ((table.c.status == LaneStatus.WAITING.value) & (table.c.due_at <= now_ms))
        | (table.c.status.in_(_PENDING) & _RUN_ENDED),
    )
    return bool(tx.execute(sa.select(unwanted)).scalar())


def to_withdraw(tx: sa.Connection, environment: str, now_ms: int, most: int) -> list[LaneRequest]:
    """Requests in no batch that nobody waits for any more."""
    query = (
        sa.select(table)
        .where(
            table.c.environment == environment,
            table.c.status == LaneStatus.WAITING.value,
            (table.c.due_at <= now_ms) | _RUN_ENDED,
        )
        .limit(most)
    )
    return _read(tx, query)


def give_up_of_ended_runs(tx: sa.Connection, environment: str) -> int:
    """Note as late what was submitted for runs that have ended."""
    return tx.execute(
        sa.update(table)
        .where(
            table.c.environment == environment,
            table.c.status == LaneStatus.SUBMITTED.value,
            _RUN_ENDED,
        )
        .values(status=LaneStatus.LATE.value)
    ).rowcount


# Batches


def waiting(tx: sa.Connection, environment: str) -> list[tuple[str, int, int]]:
    """For each model, how many requests wait, and since when the first."""
    query = (
        sa.select(table.c.model, sa.func.count(), sa.func.min(table.c.made_at))
        .where(table.c.environment == environment, table.c.status == LaneStatus.WAITING.value)
        .group_by(table.c.model)
    )
    return [(model, count, since) for model, count, since in tx.execute(query)]


def group(
    tx: sa.Connection,
    batch_id: str,
    environment: str,
    model: str,
    *,
    most: int,
    now_ms: int,
) -> int:
    """Make a batch of what waits for a model; how many requests it has. 0: it was not made."""
    if not _INSERT_BATCH.run(
        tx,
        id=batch_id,
        environment=environment,
        model=model,
        state=BatchStatus.SUBMITTING,
        count=0,
        made_at=now_ms,
        next_at=now_ms,
    ).rowcount:  # the same transaction was committed before, and only its answer was lost
        return tx.execute(sa.select(batches.c.count).where(batches.c.id == batch_id)).scalar_one()
    oldest = (
        sa.select(table.c.id)
        .where(
            table.c.environment == environment,
            table.c.status == LaneStatus.WAITING.value,
            table.c.model == model,
            table.c.due_at > now_ms,
        )
        .order_by(table.c.made_at, table.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    count = tx.execute(
        sa.update(table)
        .where(table.c.id.in_(oldest))
        .values(status=LaneStatus.SUBMITTED.value, batch_id=batch_id)
    ).rowcount
    if count:
        tx.execute(sa.update(batches).where(batches.c.id == batch_id).values(count=count))
    else:
        tx.execute(sa.delete(batches).where(batches.c.id == batch_id))
    return count


def put_back(tx: sa.Connection, batch_id: str, request_ids: Sequence[str]) -> None:
    """Have requests wait again that did not fit into their batch."""
    for request_id in request_ids:
        move(tx, request_id, LaneStatus.SUBMITTED, LaneStatus.WAITING, batch_id=None)
    left = sa.select(sa.func.count()).where(table.c.batch_id == batch_id).scalar_subquery()
    tx.execute(sa.update(batches).where(batches.c.id == batch_id).values(count=left))


def claim(tx: sa.Connection, environment: str, worker_id: str, now_ms: int, claim_until: int) -> Batch | None:
    """Take a batch that has to be looked after now, and that no living worker holds."""
    due = (
        sa.select(batches.c.id)
        .where(
            batches.c.environment == environment,
            batches.c.state.in_(_OPEN),
            batches.c.next_at <= now_ms,
            batches.c.claim_until <= now_ms,
        )
        .order_by(batches.c.next_at, batches.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (
        tx.execute(
            sa.update(batches)
            .where(batches.c.id.in_(due))
            .values(claimed_by=worker_id, claim_until=claim_until)
            .returning(*(batches.c[name] for name in Batch.__dataclass_fields__))
        )
        .mappings()
        .first()
    )
    return None if row is None else _batch(row)


def renew(tx: sa.Connection, batch_id: str, worker_id: str, claim_until: int) -> bool:
    """Hold on to a batch; False when another worker has it."""
    return _set(tx, batch_id, worker_id, claim_until=claim_until)


def trying(tx: sa.Connection, batch_id: str, worker_id: str, now_ms: int) -> bool:
    """Note that a batch is being sent from now on; False when another worker has it."""
    return _set(tx, batch_id, worker_id, tried_at=sa.func.coalesce(batches.c.tried_at, now_ms))


def not_sent(tx: sa.Connection, batch_id: str, worker_id: str) -> bool:
    """Note that the provider has certainly not got it."""
    return _set(tx, batch_id, worker_id, tried_at=None)


def handle_of(tx: sa.Connection, batch_id: str) -> BatchHandle | None:
    """What is known of a batch at the provider."""
    handle = tx.execute(sa.select(batches.c.handle).where(batches.c.id == batch_id)).scalar()
    return None if handle is None else BatchHandle.from_json(unpack(handle))


def submitted(
    tx: sa.Connection, batch_id: str, worker_id: str, handle: BatchHandle, now_ms: int, next_at: int
) -> bool:
    """Note that the provider has the batch; False when another worker has noted its own."""
    return _set(
        tx,
        batch_id,
        worker_id,
        state=BatchStatus.RUNNING.value,
        handle=pack(handle.to_json()),
        submitted_at=now_ms,
        next_at=next_at,
        claim_until=0,
    )


def look_again(
    tx: sa.Connection, batch_id: str, worker_id: str, next_at: int, *, cancelled_at: int | None = None
) -> bool:
    """Leave a batch until then, for any worker."""
    values = {"next_at": next_at, "claim_until": 0}
    return _set(tx, batch_id, worker_id, **values, **({"cancelled_at": cancelled_at} if cancelled_at else {}))


def close(tx: sa.Connection, batch_id: str, state: BatchStatus, now_ms: int, error_kind: str | None) -> bool:
    """End a batch; False when it has ended before."""
    values = {"state": state.value, "ended_at": now_ms, "claim_until": 0, "error_kind": error_kind}
    return bool(
        tx.execute(
            sa.update(batches).where(batches.c.id == batch_id, batches.c.state.in_(_OPEN)).values(**values)
        ).rowcount
    )


def requests_of(tx: sa.Connection, batch_id: str) -> list[LaneRequest]:
    """The requests of a batch that have not ended, in their order."""
    query = (
        sa.select(table)
        .where(table.c.batch_id == batch_id, table.c.ended_at.is_(None))
        .order_by(table.c.made_at, table.c.id)
    )
    return _read(tx, query)


def some_of(tx: sa.Connection, batch_id: str, request_ids: Iterable[str]) -> dict[str, LaneRequest]:
    """Those of a batch's requests that have not ended, by id."""
    query = sa.select(table).where(
        table.c.batch_id == batch_id, table.c.id.in_(request_ids), table.c.ended_at.is_(None)
    )
    return {one.id: one for one in _read(tx, query)}


def is_wanted(tx: sa.Connection, batch_id: str) -> bool:
    """Whether a run still waits for anything in a batch."""
    query = sa.select(
        sa.exists().where(table.c.batch_id == batch_id, table.c.status == LaneStatus.SUBMITTED.value)
    )
    return bool(tx.execute(query).scalar())


def others_at_provider(tx: sa.Connection, batch: Batch) -> list[str]:
    """The provider's ids of other batches of the same model."""
    query = (
        sa.select(batches.c.handle)
        .where(
            batches.c.environment == batch.environment,
            batches.c.model == batch.model,
            batches.c.id != batch.id,
            batches.c.handle.is_not(None),
        )
        .order_by(batches.c.made_at.desc())
        .limit(1_000)
    )
    return [BatchHandle.from_json(unpack(handle)).id for handle in tx.execute(query).scalars()]


def delete(tx: sa.Connection, before_ms: int, most: int) -> int:
    """Delete some requests and batches that ended before a time; how many."""
    gone = 0
    for one in (table, batches):
        old = sa.select(one.c.id).where(one.c.made_at < before_ms, one.c.ended_at < before_ms).limit(most)
        gone += tx.execute(sa.delete(one).where(one.c.id.in_(old))).rowcount
    return gone


# The calls behind them


def not_valid(tx: sa.Connection, call_id: str, number: int, error_kind: str, message: str) -> None:
    """Note that an answer that was stored as good does not pass its checks."""
    tx.execute(
        sa.update(call_attempts)
        .where(call_attempts.c.call_id == call_id, call_attempts.c.number == number)
        .values(status=AttemptStatus.INVALID.value, error_kind=error_kind, error_message=message)
    )


def attempts_of(tx: sa.Connection, call_id: str) -> list[Any]:
    """The rows of a call's attempts, in their order."""
    query = sa.select(call_attempts).where(call_attempts.c.call_id == call_id)
    return list(tx.execute(query.order_by(call_attempts.c.number)))


def began_at(tx: sa.Connection, call_id: str) -> int | None:
    """When a call began."""
    return tx.execute(sa.select(calls.c.started_at).where(calls.c.id == call_id)).scalar()


def _set(tx: sa.Connection, batch_id: str, worker_id: str, **values: Any) -> bool:
    return bool(
        tx.execute(
            sa.update(batches)
            .where(batches.c.id == batch_id, batches.c.claimed_by == worker_id, batches.c.state.in_(_OPEN))
            .values(**values)
        ).rowcount
    )


def _read(tx: sa.Connection, query: "sa.Select[Any]") -> list[LaneRequest]:
    found: list[LaneRequest] = []
    for row in tx.execute(query).mappings():
        values: dict[str, Any] = {name: row[name] for name in LaneRequest.__dataclass_fields__}
        values["status"] = LaneStatus(row["status"])
        values["hold"] = _load_hold(row["hold"])
        found.append(LaneRequest(**values))
    return found


def _batch(row: Any) -> Batch:
    values: dict[str, Any] = {name: row[name] for name in Batch.__dataclass_fields__}
    values["state"] = BatchStatus(row["state"])
    values["handle"] = BatchHandle.from_json(unpack(row["handle"])) if row["handle"] else None
    return Batch(**values)


def _dump_hold(hold: Admission | None) -> str | None:
    """Only budgets hold anything for a batch: it has no rate and no slot."""
    if hold is None:
        return None
    told: Json = [hold.id, [list(key) for key in hold.keys], hold.amount.micro_usd, hold.amount.tokens]
    return json.dumps(told)


def _load_hold(told: str | None) -> Admission | None:
    if told is None:
        return None
    id_, keys, micro_usd, tokens = json.loads(told)
    return Admission(id_, tuple(Key(*key) for key in keys), Amount(micro_usd, tokens), (), None)
