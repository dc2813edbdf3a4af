"""The connection to the one database, for SQLite and PostgreSQL alike.

A use case is a plain function of a connection; `read` and `write` run it in a thread as one transaction. A
transaction that loses its connection or its lock is run again until `patience_seconds` have passed, so a
function given to `write` must have the same effect when it runs twice: it inserts under ids made before, and
updates under a condition. PostgreSQL uses a bounded pool. SQLite writes go through one thread (`writer.py`);
its threads keep their connections, since taking one from a pool costs more than a small transaction.
"""

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from roadworthy.db.engines import normalised, postgres_engine, sqlite_engine, take_turns
from roadworthy.db.faults import is_transient, translated
from roadworthy.db.prepared import Prepared
from roadworthy.db.writer import Writer
from roadworthy.errors import DatabaseError

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

_log = logging.getLogger("roadworthy.db")

_BEGIN = Prepared(sa.text("BEGIN IMMEDIATE"))


class Database:
    """One open database. Close it with `close`."""

    def __init__(
        self,
        url: str,
        *,
        durability: str = "normal",
        pool_size: int = 8,
        busy_timeout_seconds: float = 10.0,
        connect_timeout_seconds: float = 10.0,
        patience_seconds: float = 30.0,
    ) -> None:
        self.url = normalised(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._patience_seconds = patience_seconds
        self._closed = threading.Event()
        if self.is_sqlite:
            self.engine = sqlite_engine(self.url, durability, pool_size, busy_timeout_seconds)
            self._read_engine = sqlite_engine(self.url, durability, pool_size, busy_timeout_seconds)
            take_turns(self.engine)
        else:
            self.engine = self._read_engine = postgres_engine(self.url, pool_size, connect_timeout_seconds)
        for engine in {self.engine, self._read_engine}:
            event.listen(engine, "checkin", self._keep_none_when_closed)
        self._threads = ThreadPoolExecutor(
            2 if self.is_sqlite else pool_size, thread_name_prefix="roadworthy-db"
        )
        self._kept, self._read_kept = _Kept(self.engine), _Kept(self._read_engine)
        self._writer = Writer(self._write_kept_now) if self.is_sqlite else None

    @property
    def display_url(self) -> str:
        """The address without its password."""
        return self.url.render_as_string(hide_password=True)

    def explain(self, error: BaseException | None) -> DatabaseError | None:
        """What a driver's error means to whoever runs this program; None for other errors."""
        return translated(error, self.display_url) if isinstance(error, exc.DBAPIError) else None

    def read_now(self, work: Work[T]) -> T:
        """Run `work` here, in this thread; for programs without an event loop."""
        return self._repeat(lambda: self._read(work))

    def write_now(self, work: Work[T]) -> T:
        """Run `work` here, in this thread, as one transaction; for programs without an event loop."""
        return self._repeat(lambda: self._write(work))

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a thread on a connection. Statements that must agree begin with `one_state`."""
        loop = asyncio.get_running_loop()
        read = self._read_kept_now if self.is_sqlite else self.read_now
        return await loop.run_in_executor(self._threads, read, work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a thread as one transaction. A cancelled caller does not undo it."""
        if self._writer is not None:
            return await self._writer.write(work)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.write_now, work)

    def close(self) -> None:
        """Wait for running transactions and close every connection."""
        self._closed.set()
        if self._writer is not None:
            self._writer.close()
        self._threads.shutdown(wait=True)
        self._kept.close()
        self._read_kept.close()
        self.engine.dispose()
        self._read_engine.dispose()

    def _keep_none_when_closed(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        """Close what a thread gives back after `close`: a step that was not waited for, a last look."""
        if self._closed.is_set():
            record.invalidate()

    def _read(self, work: Work[T]) -> T:
        with self._read_engine.connect() as connection:
            return work(connection)

    def _write(self, work: Work[T]) -> T:
        with self.engine.connect() as connection:
            return self._transact(connection, work)

    def _write_kept_now(self, work: Work[T]) -> T:
        return self._repeat(lambda: self._kept.use(lambda connection: self._transact(connection, work)))

    def _read_kept_now(self, work: Work[T]) -> T:
        return self._repeat(lambda: self._read_kept.use(work))

    def _transact(self, connection: sa.Connection, work: Work[T]) -> T:
        with connection.begin():
            if self.is_sqlite:
                _BEGIN.run(connection)
            return work(connection)

    def _repeat(self, attempt: Callable[[], T]) -> T:
        give_up_at = time.monotonic() + self._patience_seconds
        pause_seconds = 0.05
        while True:
            try:
                return attempt()
            except exc.DBAPIError as error:
                if not is_transient(error):
                    raise translated(error, self.display_url) from error
                if time.monotonic() + pause_seconds > give_up_at or self._closed.is_set():
                    raise translated(error, self.display_url) from error
                _log.warning("database not available, trying again", extra={"pause_seconds": pause_seconds})
            self._closed.wait(pause_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
            pause_seconds = min(pause_seconds * 2, 1.0)


class _Kept:
    """Connections that stay open between uses: as many as threads use them at the same time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._free: deque[sa.Connection] = deque()

    def use(self, work: Work[T]) -> T:
        """Run `work` on one of them. One on which it failed is not kept, whatever is wrong with it."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            result = work(connection)
            connection.rollback()  # ends what a read began; after a commit there is nothing to end
        except BaseException:
            connection.close()
            raise
        self._free.append(connection)
        return result

    def close(self) -> None:
        while self._free:
            self._free.pop().close()


def one_state(tx: sa.Connection) -> None:
    """Have all that is read on this connection from now on be of one state of the database.

    Within a transaction that has begun, it does nothing: that is as it is.
    """
    if not tx.in_transaction():
        sqlite = tx.dialect.name == "sqlite"  # its driver begins a transaction only for a write
        tx.exec_driver_sql("BEGIN" if sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
