"""Deletes what is older than the settings keep, in small transactions, the engine's rows with ours.

The keys of actions stay: an act must not be done twice because its run is long gone. So does what calls came
to, hour by hour; those that are not added up yet are deleted later.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import sqlalchemy as sa

from roadworthy.audit import Action, Entry
from roadworthy.budgets import store as budget_store
from roadworthy.calls import hours
from roadworthy.calls.lane.store import batches
from roadworthy.db.tables.answers import cached_answers
from roadworthy.db.tables.audit import sealed_calls
from roadworthy.db.tables.calls import call_attempts, call_payloads, calls
from roadworthy.db.tables.evals import experiment_results, experiments, tape
from roadworthy.db.tables.workflows import (
    attempts,
    run_payloads,
    runs,
    signals,
    step_payloads,
    steps,
    workers,
)
from roadworthy.models import rates
from roadworthy.releases import exposure
from roadworthy.review import decided
from roadworthy.review import store as review_store
from roadworthy.workflows.context import Parts
from roadworthy.workflows.run import RunStatus

if TYPE_CHECKING:
    from roadworthy.workflows.engine import Engine

_AT_ONCE = 500
_DAY_MS = 86_400_000
_OVER = (RunStatus.SUCCEEDED, RunStatus.SKIPPED, RunStatus.REJECTED, RunStatus.CANCELLED)
"""Dead runs are kept until somebody resumes or cancels them: they are work that was promised."""


async def sweep(parts: Parts, engine: "Engine") -> int:
    """Delete finished runs, and payloads and calls past their days; returns how many runs went."""
    now_ms, keep = parts.clock.now_ms(), parts.settings.retention
    runs_before = now_ms - keep.runs_days * _DAY_MS
    payloads_before = now_ms - keep.payloads_days * _DAY_MS
    calls_before = now_ms - keep.calls_days * _DAY_MS
    swept = 0
    # before anything is deleted, so that what is missing is never without its reason
    entry = parts.audit.entry(
        Action.RECORDS_DELETED,
        detail={
            "calls_before_ms": calls_before,
            "runs_before_ms": runs_before,
            "payloads_before_ms": payloads_before,
        },
    )
    await parts.database.write(lambda tx: _announce(tx, parts, entry, calls_before, runs_before))
    while gone := await parts.database.write(lambda tx: _delete_runs(tx, runs_before)):
        await engine.forget(gone)
        swept += len(gone)
    evals_before = now_ms - keep.evals_days * _DAY_MS
    some_of: tuple[Callable[[sa.Connection], int | bool], ...] = (
        lambda tx: _delete_payloads(tx, payloads_before),
        lambda tx: _delete_calls(tx, calls_before),
        lambda tx: review_store.delete_closed(tx, payloads_before, _AT_ONCE),
        lambda tx: decided.delete(tx, calls_before, _AT_ONCE),
        lambda tx: budget_store.forget(tx, calls_before),
        lambda tx: _delete_evals(tx, evals_before),
        lambda tx: exposure.delete(tx, calls_before, _AT_ONCE),
        lambda tx: batches.delete(tx, payloads_before, _AT_ONCE),
    )
    for delete in some_of:
        while await parts.database.write(delete):
            continue
    await parts.database.write(lambda tx: rates.forget_full(tx, now_ms))
    await parts.database.write(
        lambda tx: (
            tx.execute(sa.delete(cached_answers).where(cached_answers.c.stale_until <= now_ms)).rowcount
        )
    )
    await parts.database.write(
        lambda tx: tx.execute(sa.delete(workers).where(workers.c.stopped_at < runs_before)).rowcount
    )
    if swept:
        parts.telemetry.emit("retention.swept", runs=swept)
    return swept


def _announce(tx: sa.Connection, parts: Parts, entry: Entry, calls_before: int, runs_before: int) -> None:
    """Note in the audit log what is about to be deleted, where there is anything."""
    old_calls = sa.select(calls.c.id).where(calls.c.started_at < calls_before).limit(1)
    if tx.execute(old_calls).first() or tx.execute(_old_runs(runs_before, 1)).first():
        parts.audit.append(tx, entry)


def _old_runs(before: int, limit: int) -> "sa.Select[str]":
    over = (runs.c.created_at < before, runs.c.finished_at < before, runs.c.status.in_(_OVER))
    return sa.select(runs.c.id).where(*over).limit(limit)


def _delete_runs(tx: sa.Connection, before: int) -> list[str]:
    gone = list(tx.execute(_old_runs(before, _AT_ONCE)).scalars())
    if gone:
        for table in (attempts, step_payloads, steps, signals):
            tx.execute(sa.delete(table).where(table.c.run_id.in_(gone)))
        tx.execute(sa.delete(run_payloads).where(run_payloads.c.run_id.in_(gone)))
        tx.execute(sa.delete(runs).where(runs.c.id.in_(gone)))
    return gone


def _delete_payloads(tx: sa.Connection, before: int) -> int:
    old = (
        sa.select(call_payloads.c.call_id)
        .join(calls, calls.c.id == call_payloads.c.call_id)
        .where(calls.c.started_at < before)
        .limit(_AT_ONCE)
    )
    return tx.execute(sa.delete(call_payloads).where(call_payloads.c.call_id.in_(old))).rowcount


def _delete_calls(tx: sa.Connection, before: int) -> int:
    """Of whole hours, once what they came to is added up."""
    until = hours.sweep_until(tx, before)
    gone = list(tx.execute(sa.select(calls.c.id).where(calls.c.started_at < until).limit(_AT_ONCE)).scalars())
    if gone:
        for table in (call_payloads, call_attempts, sealed_calls):
            tx.execute(sa.delete(table).where(table.c.call_id.in_(gone)))
        tx.execute(sa.delete(calls).where(calls.c.id.in_(gone)))
    return len(gone)


def _delete_evals(tx: sa.Connection, before: int) -> int:
    """Answers on tape, and experiments one at a time: one may have a hundred thousand results."""
    old = sa.select(tape.c.key).where(tape.c.made_at < before).limit(_AT_ONCE)
    gone = tx.execute(sa.delete(tape).where(tape.c.key.in_(old))).rowcount
    query = sa.select(experiments.c.id).where(experiments.c.started_at < before)
    experiment = tx.execute(query.order_by(experiments.c.started_at).limit(1)).scalar()
    if experiment is None:
        return gone
    tx.execute(sa.delete(experiment_results).where(experiment_results.c.experiment_id == experiment))
    tx.execute(sa.delete(experiments).where(experiments.c.id == experiment))
    return gone + 1
