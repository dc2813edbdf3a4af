"""Seals: one entry covers many calls, so that calls need not queue behind the end of the chain.

    seal      marks calls and attempts that no seal covers yet (`sealed_calls`), digests them, appends
    digest    of the rows of one seal: the same when it is made and when it is verified

A row is sealed once it is a while over. What is sealed is found by what is not marked, never by a time up to
which everything was sealed, so a row that came late is taken by the next seal. Two workers that seal at once
mark different rows: the second insert of a mark does nothing.

Only columns that never change after a call's end are digested. Left out are the totals of a call (a lost or
late attempt adds to them), the verdict on an answer of a provider's batch (made when its run goes on), what
erasure may blank (`user_id`, messages of errors, notes), and calls whose process was lost, which may still
turn up; their attempts are sealed.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.db.tables.audit import sealed_calls as marks
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.records import Json

MOST_AT_ONCE = 500
"""Calls, and as many attempts, in one seal."""

_SETTLED = ("succeeded", "failed", "cancelled")
_OF_CALL = (
    "id", "run_id", "step_id", "step_attempt", "workflow", "step", "task", "lane", "environment", "tenant",
    "prompt_id", "prompt_version", "prompt_hash", "route", "status", "rung", "rule", "stale", "degraded",
    "confidence", "model", "provider", "error_kind", "started_at", "finished_at",
)  # fmt: skip
_OF_ATTEMPT = (
    "call_id", "number", "reason", "model", "provider", "provider_model", "provider_request_id",
    "http_status", "finish_reason", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "cost_micro_usd", "cost_source", "saved_micro_usd", "lane", "started_at",
    "finished_at",
)  # fmt: skip
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Digest:
    """What one seal covers, as it stands."""

    calls: int
    attempts: int
    first: str
    """The first of the calls, in the order of their ids."""
    last: str
    from_ms: int
    """When the earliest of the calls began."""
    until_ms: int
    """When the latest of the calls began."""
    digest: str

    def as_json(self) -> dict[str, Json]:
        """For the entry's detail."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def unsealed(tx: sa.Connection, *, since_ms: int, before_ms: int, limit: int) -> list[tuple[str, int]]:
    """Calls (number 0) and attempts that ended before a time, of calls begun since, that no seal covers."""
    found: list[tuple[str, int]] = []
    marked = sa.select(marks.c.call_id).where(marks.c.call_id == calls.c.id, marks.c.number == 0)
    query = sa.select(calls.c.id, sa.literal(0)).where(
        calls.c.started_at >= since_ms,
        calls.c.finished_at < before_ms,
        calls.c.status.in_(_SETTLED),
        ~marked.exists(),
    )
    found += [(row[0], row[1]) for row in tx.execute(query.order_by(calls.c.id).limit(limit))]
    its = call_attempts.c
    marked = sa.select(marks.c.call_id).where(marks.c.call_id == its.call_id, marks.c.number == its.number)
    query = (
        sa.select(its.call_id, its.number)
        .join(calls, calls.c.id == its.call_id)
        .where(calls.c.started_at >= since_ms, its.finished_at < before_ms, ~marked.exists())
    )
    query = query.order_by(its.call_id, its.number).limit(limit)
    return found + [(row[0], row[1]) for row in tx.execute(query)]


def mark(tx: sa.Connection, seal: str, rows: list[tuple[str, int]]) -> None:
    """Note that a seal covers these; what another one covers stays with it."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    for start in range(0, len(rows), _AT_ONCE):
        values = [
            {"call_id": call_id, "number": number, "seal": seal}
            for call_id, number in rows[start : start + _AT_ONCE]
        ]
        tx.execute(dialect.insert(marks).values(values).on_conflict_do_nothing())


def digest(tx: sa.Connection, seal: str) -> Digest:
    """What a seal covers, from the rows as they are now."""
    found = hashlib.sha256()
    counts: list[int] = []
    ids: list[str] = []
    times: list[int] = []
    of_calls = sa.select(*(calls.c[name] for name in _OF_CALL))
    of_calls = of_calls.join(marks, (marks.c.call_id == calls.c.id) & (marks.c.number == 0))
    its = call_attempts.c
    # that an answer of a provider's batch does not pass its checks is found out later
    verdict = sa.case((its.lane == "live", its.status), else_="")
    of_attempts = sa.select(calls.c.started_at, verdict, *(its[name] for name in _OF_ATTEMPT))
    of_attempts = of_attempts.join(marks, (marks.c.call_id == its.call_id) & (marks.c.number == its.number))
    of_attempts = of_attempts.join(calls, calls.c.id == its.call_id)
    ordered: list[tuple[sa.Select[Any], int, int]] = [
        (of_calls.order_by(calls.c.id), _OF_CALL.index("id"), _OF_CALL.index("started_at")),
        (of_attempts.order_by(its.call_id, its.number), 2, 0),
    ]
    for query, at_id, at_time in ordered:
        count = 0
        for row in tx.execute(query.where(marks.c.seal == seal)):
            count += 1
            ids.append(row[at_id])
            times.append(row[at_time])
            found.update(json.dumps(list(row), separators=(",", ":"), default=repr).encode() + b"\n")
        counts.append(count)
    return Digest(
        *counts,
        first=min(ids, default=""),
        last=max(ids, default=""),
        from_ms=min(times, default=0),
        until_ms=max(times, default=0),
        digest=found.hexdigest(),
    )
