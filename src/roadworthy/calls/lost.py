"""Requests whose process died: what is known of them goes with the reservation, and from there on record."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets import Reservation
from roadworthy.calls import hours
from roadworthy.calls.attempt import Attempt, AttemptStatus
from roadworthy.calls.call import CallStatus, Progress
from roadworthy.db import insert_once
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.workflows import runs
from roadworthy.records import Json

_OF_CALL = (
    "id",
    "run_id",
    "step_id",
    "step_attempt",
    "workflow",
    "step",
    "task",
    "environment",
    "tenant",
    "user_id",
    "prompt_id",
    "prompt_version",
    "prompt_hash",
    "route",
    "started_at",
)
_INSERT_CALL = insert_once(calls, *_OF_CALL, "status", "finished_at")
_INSERT_ATTEMPT = insert_once(
    call_attempts,
    "call_id",
    "number",
    "reason",
    "model",
    "provider",
    "status",
    "error_kind",
    "input_tokens",
    "output_tokens",
    "cost_micro_usd",
    "cost_source",
    "started_at",
    "finished_at",
)


def describe(progress: Progress, attempt: Attempt) -> dict[str, Json]:
    """What a record of this request would need."""
    call = progress.call
    return {
        "id": progress.id,
        "run_id": call.run_id,
        "step_id": call.step_id,
        "step_attempt": call.step_attempt,
        "workflow": call.workflow,
        "step": call.step,
        "task": call.task,
        "environment": progress.environment,
        "tenant": call.tenant,
        "user_id": call.user_id,
        "prompt_id": call.version.prompt_id,
        "prompt_version": call.version.name,
        "prompt_hash": call.version.content_hash,
        "route": call.route,
        "started_at": progress.started_at,
        "reason": attempt.reason,
        "provider": attempt.target.provider,
    }


def record(tx: sa.Connection, reservation: Reservation, now_ms: int) -> None:
    """Store the request as lost, and what was set aside for it as its cost, by estimate."""
    extra: Any = reservation.extra
    about: Mapping[str, Any] = extra["call"]
    micro_usd = reservation.micro_usd or 0
    _INSERT_CALL.run(
        tx, **{name: about[name] for name in _OF_CALL}, status=CallStatus.LOST, finished_at=now_ms
    )
    inserted = _INSERT_ATTEMPT.run(
        tx,
        call_id=reservation.call_id,
        number=reservation.number,
        reason=about["reason"],
        model=reservation.model,
        provider=about["provider"],
        status=AttemptStatus.LOST,
        error_kind="process_lost",
        input_tokens=reservation.tokens,
        output_tokens=0,
        cost_micro_usd=micro_usd,
        cost_source="unknown" if reservation.micro_usd is None else "estimate after the process died",
        started_at=reservation.made_at,
        finished_at=now_ms,
    ).rowcount
    if not inserted:  # it ended after all, and its own record tells what it cost
        return
    its = calls.c.id == reservation.call_id
    began = tx.execute(sa.select(calls.c.started_at).where(its)).scalars().all()
    hours.changed_all(tx, began, now_ms)
    tx.execute(
        sa.update(calls)
        .where(its)
        .values(
            attempts=calls.c.attempts + 1,
            input_tokens=calls.c.input_tokens + reservation.tokens,
            cost_micro_usd=calls.c.cost_micro_usd + micro_usd,
            cost_known=sa.false(),
        )
    )
    tx.execute(
        sa.update(calls)
        .where(its, calls.c.status == CallStatus.RUNNING.value)
        .values(status=CallStatus.LOST.value, finished_at=now_ms)
    )
    if about["run_id"] is not None and micro_usd:
        tx.execute(
            sa.update(runs)
            .where(runs.c.id == about["run_id"])
            .values(cost_micro_usd=runs.c.cost_micro_usd + micro_usd)
        )
