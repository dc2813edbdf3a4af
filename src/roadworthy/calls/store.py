"""The SQL of calls: a call's row, its attempts, and what was sent and received.

What every call runs is prepared; what is for people to look at is ordinary SQLAlchemy. Every write may run
twice with the same effect.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.calls import hours
from roadworthy.calls.attempt import Attempt, AttemptStatus
from roadworthy.calls.call import Call, CallStatus, Progress
from roadworthy.db import Prepared, insert_once, pack, unpack
from roadworthy.db.tables.calls import call_attempts, call_payloads, calls
from roadworthy.db.tables.workflows import runs
from roadworthy.errors import InvalidInput, RoadworthyError
from roadworthy.records import Json, Usage, to_micro_usd

Scrub = Callable[[str], str]

_LONGEST_TEXT = 2_000
_LONGEST_NAME = 200
_LATEST = 100
_GRACE_MS = 60_000
"""How long after its deadline a call is given up: its last write may be waiting for the database."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """Where a call stands, to be stored."""

    progress: Progress
    status: CallStatus
    rung: str | None = None
    rule: str | None = None
    model: str | None = None
    provider: str | None = None
    stale: bool = False
    degraded: bool = False
    confidence: float | None = None
    signals: Mapping[str, float] | None = None
    saved_micro_usd: int = 0
    error_kind: str | None = None
    error_message: str | None = None
    finished_at: int | None = None


def _upsert(table: sa.Table, key: str) -> Prepared:
    made: dict[str, Any] = {}
    names = [column.name for column in table.c]
    for dialect, insert in (("sqlite", sqlite.insert(table)), ("postgresql", postgresql.insert(table))):
        new = {name: insert.excluded[name] for name in names if name != key}
        made[dialect] = insert.on_conflict_do_update(index_elements=[key], set_=new)
    return Prepared(made, *names)


_UPSERT_CALL = _upsert(calls, "id")
_INSERT_CALL = insert_once(calls, *calls.c.keys())
_INSERT_ATTEMPT = insert_once(call_attempts, *call_attempts.c.keys())
_INSERT_PAYLOAD = insert_once(call_payloads, *call_payloads.c.keys())
_ADD_TO_RUN = Prepared(
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("the_run_id"))
    .values(cost_micro_usd=runs.c.cost_micro_usd + sa.bindparam("micro_usd"))
)
_ITS_ATTEMPTS = call_attempts.c.call_id == sa.bindparam("the_call_id")
_LOCK_CALL = sa.select(calls.c.started_at).where(calls.c.id == sa.bindparam("the_call_id")).with_for_update()
_SUMMED = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_micro_usd")
_ADD_UP = (
    sa.update(calls)
    .where(calls.c.id == sa.bindparam("the_call_id"))
    .values(
        {
            "attempts": sa.select(sa.func.count()).where(_ITS_ATTEMPTS).scalar_subquery(),
            "cost_known": ~sa.exists().where(
                _ITS_ATTEMPTS,
                (call_attempts.c.cost_source == "unknown")
                | call_attempts.c.cost_source.startswith("estimate"),
            ),
            **{
                name: sa.select(sa.func.coalesce(sa.func.sum(call_attempts.c[name]), 0))
                .where(_ITS_ATTEMPTS)
                .scalar_subquery()
                for name in _SUMMED
            },
        }
    )
)
_RUNNING = calls.c.status == sa.literal_column(f"'{CallStatus.RUNNING}'")
_CLOSE = (
    sa.update(calls)
    .values(status=CallStatus.LOST.value, finished_at=sa.bindparam("now_ms"))
    .returning(calls.c.started_at)
)
_CLOSE_OVERDUE = _CLOSE.where(_RUNNING, calls.c.deadline_at < sa.bindparam("before_ms"))
_CLOSE_OF_EARLIER = _CLOSE.where(
    _RUNNING,
    calls.c.run_id == sa.bindparam("the_run_id"),
    calls.c.step_id == sa.bindparam("the_step_id"),
    calls.c.step_attempt < sa.bindparam("the_step_attempt"),
)


def record(
    tx: sa.Connection,
    row: CallRow,
    attempts: Sequence[Attempt],
    fresh: Sequence[Attempt],
    scrub: Scrub,
    now_ms: int,
) -> None:
    """Store the call as it stands, with the `fresh` attempts, and add what these cost to its run."""
    call_id, run_id = row.progress.id, row.progress.call.run_id
    _UPSERT_CALL.run(tx, **_call_values(row, attempts))
    hours.changed(tx, row.progress.started_at, now_ms)
    for attempt in fresh:
        add_attempt(tx, call_id, run_id, attempt, scrub)


def record_left(
    tx: sa.Connection, row: CallRow, attempts: Sequence[Attempt], scrub: Scrub, now_ms: int
) -> None:
    """Store what a call has cost that its asker could not store; what is on record of it already stays."""
    call_id, run_id = row.progress.id, row.progress.call.run_id
    _INSERT_CALL.run(tx, **_call_values(row, attempts))
    for attempt in attempts:
        add_attempt(tx, call_id, run_id, attempt, scrub)
    add_up(tx, call_id, now_ms)
    ended = {"status": row.status.value, "finished_at": row.finished_at}
    tx.execute(sa.update(calls).where(calls.c.id == call_id, _RUNNING).values(**ended))


def add_attempt(tx: sa.Connection, call_id: str, run_id: str | None, attempt: Attempt, scrub: Scrub) -> None:
    """Store an attempt, once, and add what it cost to its run."""
    if not _INSERT_ATTEMPT.run(tx, **_attempt_values(call_id, attempt, scrub)).rowcount:
        return
    _INSERT_PAYLOAD.run(tx, **_payload_values(call_id, attempt, scrub))
    if run_id is not None and attempt.cost_usd:
        _ADD_TO_RUN.run(tx, the_run_id=run_id, micro_usd=to_micro_usd(attempt.cost_usd))


def add_up(tx: sa.Connection, call_id: str, now_ms: int) -> None:
    """Make a call's totals those of its attempts, where two transactions may be adding some."""
    # locked, so that the next statement sees what the other one stored
    began = tx.execute(_LOCK_CALL, {"the_call_id": call_id}).scalars().all()
    tx.execute(_ADD_UP, {"the_call_id": call_id})
    hours.changed_all(tx, began, now_ms)


def usual_cost_micro_usd(tx: sa.Connection, prompt_id: str) -> int:
    """The mean cost of this prompt's latest calls that asked a model; 0 without any."""
    latest = (
        sa.select(calls.c.cost_micro_usd)
        .where(
            calls.c.prompt_id == prompt_id,
            calls.c.attempts > 0,
            calls.c.status == CallStatus.SUCCEEDED.value,
        )
        .order_by(calls.c.started_at.desc())
        .limit(_LATEST)
        .subquery()
    )
    return int(tx.execute(sa.select(sa.func.avg(latest.c.cost_micro_usd))).scalar() or 0)


def close_overdue(tx: sa.Connection, now_ms: int) -> None:
    """Close calls that should have ended by themselves: their process died."""
    _close(tx, _CLOSE_OVERDUE, now_ms, before_ms=now_ms - _GRACE_MS)


def close_of_earlier(tx: sa.Connection, call: Call[Any], now_ms: int) -> None:
    """Close calls that earlier attempts of the same step left open when their worker died."""
    values = {"the_run_id": call.run_id, "the_step_id": call.step_id, "the_step_attempt": call.step_attempt}
    _close(tx, _CLOSE_OF_EARLIER, now_ms, **values)


def _close(tx: sa.Connection, statement: Any, now_ms: int, **values: Any) -> None:
    closed = tx.execute(statement, {**values, "now_ms": now_ms}).scalars().all()
    hours.changed_all(tx, closed, now_ms)


def of_run(tx: sa.Connection, run_id: str, *, payloads: bool = False) -> list[dict[str, Json]]:
    """The calls of a run with their attempts (`tried`), oldest first; bodies only where asked for."""
    return _read(tx, calls.c.run_id == run_id, payloads=payloads)


def of_id(tx: sa.Connection, call_id: str, *, payloads: bool = False) -> dict[str, Json] | None:
    """One call with its attempts (`tried`); None when there is none of that id."""
    return next(iter(_read(tx, calls.c.id == call_id, payloads=payloads)), None)


def _read(tx: sa.Connection, which: sa.ColumnElement[bool], *, payloads: bool) -> list[dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for row in tx.execute(sa.select(calls).where(which).order_by(calls.c.started_at, calls.c.id)).mappings():
        values = cast("dict[str, Json]", dict(row))
        values["skipped"] = json.loads(row["skipped"]) if row["skipped"] else []
        values["signals"] = json.loads(row["signals"]) if row["signals"] else {}
        found[row["id"]] = {**values, "tried": []}
    chosen: list[Any] = [call_attempts]
    query = sa.join(call_attempts, calls, calls.c.id == call_attempts.c.call_id)
    if payloads:
        same = (call_payloads.c.call_id == call_attempts.c.call_id) & (
            call_payloads.c.number == call_attempts.c.number
        )
        query, chosen = (
            query.outerjoin(call_payloads, same),
            [*chosen, call_payloads.c.sent, call_payloads.c.received],
        )
    for row in tx.execute(
        sa.select(*chosen).select_from(query).where(which).order_by(call_attempts.c.number)
    ).mappings():
        tried: dict[str, Any] = dict(row)
        tried["notes"] = json.loads(tried["notes"]) if tried["notes"] else []
        for name in ("sent", "received"):
            if tried.get(name) is not None:
                tried[name] = unpack(tried[name])
        cast("list[Json]", found[row["call_id"]]["tried"]).append(tried)
    return list(found.values())


def _call_values(row: CallRow, attempts: Sequence[Attempt]) -> dict[str, Any]:
    progress, call = row.progress, row.progress.call
    usage = sum((attempt.usage for attempt in attempts), Usage())
    return {
        "id": progress.id,
        "run_id": call.run_id,
        "step_id": call.step_id,
        "step_attempt": call.step_attempt,
        "workflow": call.workflow,
        "step": call.step,
        "task": call.task,
        "lane": call.lane,
        "environment": progress.environment,
        "tenant": call.tenant,
        "user_id": call.user_id,
        "prompt_id": call.version.prompt_id,
        "prompt_version": call.version.name,
        "prompt_hash": call.version.content_hash,
        "route": call.route,
        "status": row.status.value,
        "rung": row.rung,
        "rule": _text(row.rule, _LONGEST_NAME),
        "stale": row.stale,
        "degraded": row.degraded,
        "confidence": row.confidence,
        "signals": json.dumps(row.signals, sort_keys=True) if row.signals else None,
        "skipped": _skipped(progress),
        "saved_micro_usd": row.saved_micro_usd,
        "model": _text(row.model, _LONGEST_NAME),
        "provider": row.provider,
        "error_kind": row.error_kind,
        "error_message": _text(row.error_message, _LONGEST_TEXT),
        "attempts": len(attempts),
        "cost_micro_usd": sum(to_micro_usd(attempt.cost_usd) for attempt in attempts),
        "cost_known": all(attempt.cost_known for attempt in attempts),
        "started_at": progress.started_at,
        "deadline_at": progress.deadline_at,
        "finished_at": row.finished_at,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }


def _attempt_values(call_id: str, attempt: Attempt, scrub: Scrub) -> dict[str, Any]:
    response, error, usage = attempt.response, attempt.error, attempt.usage
    message = error.message if isinstance(error, RoadworthyError) else f"{type(error).__name__}: {error}"
    return {
        "call_id": call_id,
        "number": attempt.number,
        "reason": attempt.reason,
        "model": attempt.target.name,
        "provider": attempt.target.provider,
        "provider_model": _text(attempt.served_model, _LONGEST_NAME),
        "provider_request_id": _text(attempt.provider_request_id, _LONGEST_NAME),
        "status": attempt.status.value,
        "error_kind": attempt.error_kind,
        "error_message": _text(scrub(message), _LONGEST_TEXT) if error is not None else None,
        "http_status": attempt.http_status,
        "finish_reason": response.finish_reason if response is not None else None,
        "notes": json.dumps([note[:_LONGEST_TEXT] for note in attempt.notes]) if attempt.notes else None,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cost_micro_usd": to_micro_usd(attempt.cost_usd),
        "cost_source": attempt.cost_source,
        "saved_micro_usd": _saved(attempt),
        "lane": attempt.lane,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
    }


def _saved(attempt: Attempt) -> int:
    """Micro-dollars, rounded down: a saving is never stored as more than it was; it may be a loss."""
    return int((attempt.saved_usd * 1_000_000).to_integral_value(rounding=ROUND_FLOOR))


def _skipped(progress: Progress) -> str | None:
    if not progress.skipped:
        return None
    return json.dumps([{"name": s.name, "kind": str(s.kind), "why": s.why} for s in progress.skipped])


def _payload_values(call_id: str, attempt: Attempt, scrub: Scrub) -> dict[str, Any]:
    received = attempt.received
    if attempt.status is AttemptStatus.FAILED:  # a failure's words are nobody's answer, and may name a key
        received = _scrubbed(received, scrub)
    return {
        "call_id": call_id,
        "number": attempt.number,
        "sent": _packed(attempt.sent),
        "received": _packed(received),
    }


def _packed(payload: Json) -> bytes:
    """Bytes for storage, whatever a provider sent: what JSON cannot say is kept as text."""
    try:
        return pack(payload)
    except InvalidInput:
        try:
            text = json.dumps(payload)
        except (TypeError, ValueError, RecursionError) as error:
            text = f"(not stored: {type(error).__name__})"
        return pack({"text": text})


def _scrubbed(payload: Json, scrub: Scrub) -> Json:
    if isinstance(payload, str):
        return scrub(payload)
    if isinstance(payload, dict):
        return {scrub(key): _scrubbed(value, scrub) for key, value in payload.items()}
    return [_scrubbed(value, scrub) for value in payload] if isinstance(payload, list) else payload


def _text(text: str | None, limit: int) -> str | None:
    """Text that every database takes: no NUL, no half characters, not without end."""
    if text is None:
        return None
    return text[:limit].encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
