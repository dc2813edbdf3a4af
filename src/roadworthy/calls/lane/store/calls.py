"""The SQL of the calls behind the lane: what they were before they waited."""

from typing import Any

import sqlalchemy as sa

from roadworthy.calls.attempt import AttemptStatus
from roadworthy.db.tables.calls import call_attempts, calls


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
