"""The SQL of the requests of the lane."""

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets import Amount, Key
from roadworthy.calls.admission import Admission
from roadworthy.calls.lane.batch import BatchStatus
from roadworthy.calls.lane.request import LaneRequest, LaneStatus
from roadworthy.db import insert_once
from roadworthy.db.tables.lanes import batch_requests as table
from roadworthy.db.tables.lanes import provider_batches as batches
from roadworthy.db.tables.workflows import runs
from roadworthy.records import Json

_PENDING = (LaneStatus.WAITING.value, LaneStatus.SUBMITTED.value)
_ENDED_RUNS = ("succeeded", "skipped", "rejected", "dead", "cancelled")
_RUN_ENDED = sa.exists().where(runs.c.id == table.c.run_id, runs.c.status.in_(_ENDED_RUNS))
_INSERT = insert_once(table, *LaneRequest.__dataclass_fields__)


def add(tx: sa.Connection, one: LaneRequest) -> bool:
    """Store a request that waits; False when it is there already."""
    values: dict[str, Any] = {name: getattr(one, name) for name in LaneRequest.__dataclass_fields__}
    return bool(_INSERT.run(tx, **{**values, "hold": _dump_hold(one.hold)}).rowcount)


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


def waiting(tx: sa.Connection, environment: str) -> list[tuple[str, int, int]]:
    """For each model, how many requests wait, and since when the first."""
    query = (
        sa.select(table.c.model, sa.func.count(), sa.func.min(table.c.made_at))
        .where(table.c.environment == environment, table.c.status == LaneStatus.WAITING.value)
        .group_by(table.c.model)
    )
    return [(model, count, since) for model, count, since in tx.execute(query)]


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


def _read(tx: sa.Connection, query: "sa.Select[Any]") -> list[LaneRequest]:
    found: list[LaneRequest] = []
    for row in tx.execute(query).mappings():
        values: dict[str, Any] = {name: row[name] for name in LaneRequest.__dataclass_fields__}
        values["status"] = LaneStatus(row["status"])
        values["hold"] = _load_hold(row["hold"])
        found.append(LaneRequest(**values))
    return found


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
