"""The SQL of the batches of the lane: made of what waits, claimed, sent, and ended."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from roadworthy.calls.lane.batch import Batch, BatchStatus
from roadworthy.calls.lane.request import LaneStatus
from roadworthy.calls.lane.store.requests import move
from roadworthy.db import insert_once, pack, unpack
from roadworthy.db.tables.lanes import batch_requests as requests
from roadworthy.db.tables.lanes import provider_batches as table
from roadworthy.models.provider_batch import BatchHandle

_OPEN = (BatchStatus.SUBMITTING.value, BatchStatus.RUNNING.value)
_INSERT = insert_once(table, "id", "environment", "model", "state", "count", "made_at", "next_at")


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
    if not _INSERT.run(
        tx,
        id=batch_id,
        environment=environment,
        model=model,
        state=BatchStatus.SUBMITTING,
        count=0,
        made_at=now_ms,
        next_at=now_ms,
    ).rowcount:  # the same transaction was committed before, and only its answer was lost
        return tx.execute(sa.select(table.c.count).where(table.c.id == batch_id)).scalar_one()
    oldest = (
        sa.select(requests.c.id)
        .where(
            requests.c.environment == environment,
            requests.c.status == LaneStatus.WAITING.value,
            requests.c.model == model,
            requests.c.due_at > now_ms,
        )
        .order_by(requests.c.made_at, requests.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    count = tx.execute(
        sa.update(requests)
        .where(requests.c.id.in_(oldest))
        .values(status=LaneStatus.SUBMITTED.value, batch_id=batch_id)
    ).rowcount
    if count:
        tx.execute(sa.update(table).where(table.c.id == batch_id).values(count=count))
    else:
        tx.execute(sa.delete(table).where(table.c.id == batch_id))
    return count


def put_back(tx: sa.Connection, batch_id: str, request_ids: Sequence[str]) -> None:
    """Have requests wait again that did not fit into their batch."""
    for request_id in request_ids:
        move(tx, request_id, LaneStatus.SUBMITTED, LaneStatus.WAITING, batch_id=None)
    left = sa.select(sa.func.count()).where(requests.c.batch_id == batch_id).scalar_subquery()
    tx.execute(sa.update(table).where(table.c.id == batch_id).values(count=left))


def claim(tx: sa.Connection, environment: str, worker_id: str, now_ms: int, claim_until: int) -> Batch | None:
    """Take a batch that has to be looked after now, and that no living worker holds."""
    due = (
        sa.select(table.c.id)
        .where(
            table.c.environment == environment,
            table.c.state.in_(_OPEN),
            table.c.next_at <= now_ms,
            table.c.claim_until <= now_ms,
        )
        .order_by(table.c.next_at, table.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (
        tx.execute(
            sa.update(table)
            .where(table.c.id.in_(due))
            .values(claimed_by=worker_id, claim_until=claim_until)
            .returning(*(table.c[name] for name in Batch.__dataclass_fields__))
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
    return _set(tx, batch_id, worker_id, tried_at=sa.func.coalesce(table.c.tried_at, now_ms))


def not_sent(tx: sa.Connection, batch_id: str, worker_id: str) -> bool:
    """Note that the provider has certainly not got it."""
    return _set(tx, batch_id, worker_id, tried_at=None)


def handle_of(tx: sa.Connection, batch_id: str) -> BatchHandle | None:
    """What is known of a batch at the provider."""
    handle = tx.execute(sa.select(table.c.handle).where(table.c.id == batch_id)).scalar()
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
            sa.update(table).where(table.c.id == batch_id, table.c.state.in_(_OPEN)).values(**values)
        ).rowcount
    )


def is_wanted(tx: sa.Connection, batch_id: str) -> bool:
    """Whether a run still waits for anything in a batch."""
    query = sa.select(
        sa.exists().where(requests.c.batch_id == batch_id, requests.c.status == LaneStatus.SUBMITTED.value)
    )
    return bool(tx.execute(query).scalar())


def others_at_provider(tx: sa.Connection, batch: Batch) -> list[str]:
    """The provider's ids of other batches of the same model."""
    query = (
        sa.select(table.c.handle)
        .where(
            table.c.environment == batch.environment,
            table.c.model == batch.model,
            table.c.id != batch.id,
            table.c.handle.is_not(None),
        )
        .order_by(table.c.made_at.desc())
        .limit(1_000)
    )
    return [BatchHandle.from_json(unpack(handle)).id for handle in tx.execute(query).scalars()]


def delete(tx: sa.Connection, before_ms: int, most: int) -> int:
    """Delete some requests and batches that ended before a time; how many."""
    gone = 0
    for one in (requests, table):
        old = sa.select(one.c.id).where(one.c.made_at < before_ms, one.c.ended_at < before_ms).limit(most)
        gone += tx.execute(sa.delete(one).where(one.c.id.in_(old))).rowcount
    return gone


def _set(tx: sa.Connection, batch_id: str, worker_id: str, **values: Any) -> bool:
    return bool(
        tx.execute(
            sa.update(table)
            .where(table.c.id == batch_id, table.c.claimed_by == worker_id, table.c.state.in_(_OPEN))
            .values(**values)
        ).rowcount
    )


def _batch(row: Any) -> Batch:
    values: dict[str, Any] = {name: row[name] for name in Batch.__dataclass_fields__}
    values["state"] = BatchStatus(row["state"])
    values["handle"] = BatchHandle.from_json(unpack(row["handle"])) if row["handle"] else None
    return Batch(**values)
