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
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from roadworthy.db.prepared import Prepared
from roadworthy.db.writer import Writer
from roadworthy.errors import ConfigurationError, DatabaseError

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
        self.url = _normalised(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._patience_seconds = patience_seconds
        self._closed = threading.Event()
        if self.is_sqlite:
            self.engine = _sqlite_engine(self.url, durability, pool_size, busy_timeout_seconds)
            self._read_engine = _sqlite_engine(self.url, durability, pool_size, busy_timeout_seconds)
            _take_turns(self.engine)
        else:
            self.engine = self._read_engine = _postgres_engine(self.url, pool_size, connect_timeout_seconds)
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
        return _translated(error, self.display_url) if isinstance(error, exc.DBAPIError) else None

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
                if not _is_transient(error):
                    raise _translated(error, self.display_url) from error
                if time.monotonic() + pause_seconds > give_up_at or self._closed.is_set():
                    raise _translated(error, self.display_url) from error
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


def _normalised(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise ConfigurationError(
            "database.url is not an address of a database.",
            hint="Write sqlite:///path/to/file.db or postgresql://user@host/name.",
        ) from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed
    raise ConfigurationError(
        f"database.url names {backend!r}, which is not supported.", hint="Use sqlite:/// or postgresql://."
    )


def _sqlite_engine(url: sa.URL, durability: str, pool_size: int, busy_timeout_seconds: float) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            "database.url names an SQLite database in memory, which cannot survive a restart.",
            hint="Give it a file: sqlite:///.roadworthy/roadworthy.db",
        )
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"The folder for the database file {url.database!r} cannot be made: {error.strerror}."
        ) from error
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_timeout_seconds,
        connect_args={"timeout": busy_timeout_seconds, "check_same_thread": False},
    )
    synchronous = "FULL" if durability == "full" else "NORMAL"

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            "cache_size=-16000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        register_clock_functions(connection)

    event.listen(engine, "connect", prepare)
    return engine


def _take_turns(engine: sa.Engine) -> None:
    """Let this process's threads wait for each other in line instead of polling for the file's lock.

    A waiting SQLite connection sleeps up to 100 ms at a time; with a dozen threads that is most of the time.
    """
    turn = threading.RLock()
    holders: set[int] = set()

    def begin(connection: sa.Connection) -> None:
        turn.acquire()
        holders.add(id(connection))

    def end(connection: sa.Connection) -> None:
        if id(connection) in holders:
            holders.discard(id(connection))
            turn.release()

    event.listen(engine, "begin", begin)
    event.listen(engine, "commit", end)
    event.listen(engine, "rollback", end)


def register_clock_functions(connection: sqlite3.Connection) -> None:
    """Give any SQLite the millisecond clock that the engine's SQL asks for.

    `unixepoch('subsec')` is NULL before SQLite 3.42, so both functions are answered from here instead.
    """

    def unixepoch(*arguments: Any) -> float | int:
        now = time.time()
        return now if "subsec" in arguments or "subsecond" in arguments else int(now)

    def strftime(form: str, *arguments: Any) -> str | None:
        if any(argument not in ("now", "subsec", "subsecond") for argument in arguments):
            return None
        now = datetime.now(UTC)
        plain = {"%f": f"{now.second:02d}.{now.microsecond // 1000:03d}", "%s": str(int(now.timestamp()))}
        for name, value in plain.items():
            form = form.replace(name, value)
        return now.strftime(form)

    connection.create_function("unixepoch", -1, unixepoch)
    connection.create_function("strftime", -1, strftime)


_IDLE_TRANSACTION_MS = 10_000


def _postgres_engine(url: sa.URL, pool_size: int, connect_timeout_seconds: float) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=connect_timeout_seconds,
        connect_args={
            "connect_timeout": max(1, int(connect_timeout_seconds)),
            "application_name": "roadworthy",
            # a process that is stopped inside a transaction must not hold its locks against the others
            "options": f"-c idle_in_transaction_session_timeout={_IDLE_TRANSACTION_MS}",
        },
    )

    def mark(context: Any) -> None:
        # The durable engine waits for a server that is away only if the error says so.
        unanswered = getattr(context.original_exception, "sqlstate", "") is None
        if context.connection is None and unanswered:
            context.is_disconnect = True

    event.listen(engine, "handle_error", mark)
    return engine


def _is_transient(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return isinstance(error, exc.OperationalError) and not isinstance(error.orig, sqlite3.Error)
    # connection lost, serialization failure, deadlock, shutting down, starting up
    return state[:2] == "08" or state in {"40001", "40P01", "57P01", "57P02", "57P03"}


_SQLITE_CAUSES = {
    sqlite3.SQLITE_FULL: (
        "The disk that holds {url} is full; the last change was not stored.",
        "Free some space, then go on: nothing that was stored is lost.",
    ),
    sqlite3.SQLITE_CANTOPEN: ("The file of {url} cannot be opened.", "Check the path and its permissions."),
    sqlite3.SQLITE_READONLY: ("{url} cannot be written to.", "Check the permissions of file and folder."),
    sqlite3.SQLITE_PERM: ("{url} cannot be written to.", "Check the permissions of file and folder."),
    sqlite3.SQLITE_NOTADB: ("{url} is not an SQLite database.", "Point database.url at another file."),
    sqlite3.SQLITE_CORRUPT: ("The file of {url} is damaged.", "Restore it from a backup."),
    sqlite3.SQLITE_IOERR: ("The disk under {url} reports an error.", "Check the disk and its free space."),
    sqlite3.SQLITE_BUSY: ("{url} stayed locked by another process.", "Try again."),
    sqlite3.SQLITE_LOCKED: ("{url} stayed locked by another process.", "Try again."),
}
"""Message and hint by SQLite's primary result code."""

_POSTGRES_CAUSES = {
    "53100": ("The disk of the server behind {url} is full.", "Free some space, then go on."),
    "28P01": ("{url} refused the user or the password.", "Check database.url."),
    "28000": ("{url} refused the user or the password.", "Check database.url."),
    "3D000": ("{url} does not exist.", "Create the database first."),
}
"""Message and hint by SQLSTATE."""


def _translated(error: exc.DBAPIError, display_url: str) -> DatabaseError:
    cause = error.orig
    state = getattr(cause, "sqlstate", None)
    if isinstance(cause, sqlite3.Error):
        known = _SQLITE_CAUSES.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    else:
        known = _POSTGRES_CAUSES.get(str(state))
    if known is None and isinstance(error, exc.OperationalError):
        known = (
            "The database {url} cannot be reached.",
            "Check that the server runs and the address is right.",
        )
    if known is None:
        return DatabaseError(f"The database refused a statement ({type(cause).__name__} {state or ''}).")
    return DatabaseError(known[0].format(url=display_url), hint=known[1])
