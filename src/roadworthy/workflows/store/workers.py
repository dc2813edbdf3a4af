"""Workers: their heartbeats, and finding those that died."""

from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.db.tables.workflows import workers
from roadworthy.workflows.store.runs import insert


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A process that executes runs."""

    id: str
    host: str
    process: str
    started_at: int
    beat_at: int
    stopped_at: int | None


def register(tx: sa.Connection, worker_id: str, host: str, process: str, now_ms: int) -> None:
    """Announce a worker."""
    tx.execute(
        insert(tx, workers, id=worker_id, host=host, process=process, started_at=now_ms, beat_at=now_ms)
    )


def beat(tx: sa.Connection, worker_id: str, now_ms: int) -> bool:
    """Say that a worker lives; False when others had taken it for dead (it is registered as living again)."""
    row = tx.execute(sa.select(workers.c.stopped_at).where(workers.c.id == worker_id)).first()
    tx.execute(sa.update(workers).where(workers.c.id == worker_id).values(beat_at=now_ms, stopped_at=None))
    return row is not None and row.stopped_at is None


def living(tx: sa.Connection) -> list[WorkerRow]:
    """Workers that have not stopped, as far as is known."""
    rows = tx.execute(sa.select(workers).where(workers.c.stopped_at.is_(None))).mappings()
    return [WorkerRow(**row) for row in rows]


def stop(tx: sa.Connection, worker_ids: list[str], now_ms: int) -> None:
    """Note that workers have stopped."""
    tx.execute(sa.update(workers).where(workers.c.id.in_(worker_ids)).values(stopped_at=now_ms))
