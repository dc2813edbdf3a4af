"""How each database is opened: its address, its connections, and what every connection is told first."""

import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from roadworthy.errors import ConfigurationError, DatabaseError

_IDLE_TRANSACTION_MS = 10_000


def normalised(url: str) -> sa.URL:
    """The address with its driver. Raises `ConfigurationError`."""
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


def sqlite_engine(url: sa.URL, durability: str, pool_size: int, busy_timeout_seconds: float) -> sa.Engine:
    """Connections to a file, whose folder is made. Raises `ConfigurationError`, `DatabaseError`."""
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


def take_turns(engine: sa.Engine) -> None:
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


def postgres_engine(url: sa.URL, pool_size: int, connect_timeout_seconds: float) -> sa.Engine:
    """Connections to a server, which need not answer yet."""
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
