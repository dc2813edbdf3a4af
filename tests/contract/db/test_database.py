"""The connection: transactions, threads, clear errors, and statements that go straight to the driver."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from roadworthy.db import Database, Prepared, insert_once, pack, unpack, upgrade
from roadworthy.db.tables.workflows import signals
from roadworthy.errors import ConfigurationError, DatabaseError, InvalidInput

_INSERT = insert_once(signals, "id", "run_id", "name", "payload", "created_at")
_NAMES = Prepared(
    sa.select(signals.c.name).where(signals.c.run_id == sa.bindparam("run_id")).order_by(signals.c.id)
)


@pytest.fixture
def database(fresh_database_url: str):
    """An open database with the schema."""
    opened = Database(fresh_database_url)
    yield opened
    opened.close()


def put(tx: sa.Connection, number: int, run_id: str = "r") -> int:
    """Insert one row; returns 1 when it is new."""
    return _INSERT.run(
        tx, id=f"s{number:04d}", run_id=run_id, name=f"n{number}", payload=pack(number), created_at=1
    ).rowcount


def names(tx: sa.Connection) -> list[str]:
    """What is there."""
    return [row[0] for row in _NAMES.run(tx, run_id="r").fetchall()]


async def test_writes_that_wait_together_each_get_their_own_result(database: Database) -> None:
    """A hundred writes at once are stored, in order, each answered with its own result."""
    results = await asyncio.gather(*(database.write(lambda tx, n=n: (put(tx, n), n)) for n in range(100)))
    assert results == [(1, n) for n in range(100)]
    assert await database.read(names) == [f"n{n}" for n in range(100)]


async def test_a_write_that_fails_takes_no_other_with_it(database: Database) -> None:
    """Works that share a transaction do not share its failure, and nothing of the failed one is stored."""

    def fail(tx: sa.Connection, number: int) -> None:
        put(tx, number)
        raise InvalidInput(f"number {number}")

    works = [database.write(lambda tx, n=n: fail(tx, n) if n % 10 == 5 else put(tx, n)) for n in range(50)]
    results = await asyncio.gather(*works, return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, InvalidInput)] == [5, 15, 25, 35, 45]
    assert await database.read(names) == [f"n{n}" for n in range(50) if n % 10 != 5]


async def test_a_cancelled_caller_does_not_undo_or_block_the_write(database: Database) -> None:
    """Giving up the wait leaves the transaction to finish, and the next one is answered."""
    task = asyncio.ensure_future(database.write(lambda tx: put(tx, 1)))
    await asyncio.sleep(0)
    task.cancel()
    assert await database.write(lambda tx: put(tx, 2)) == 1
    assert "n2" in await database.read(names)


async def test_a_read_sees_what_was_stored_since_the_one_before(database: Database) -> None:
    """No read leaves a view of the database behind for the next, neither prepared nor through SQLAlchemy."""
    count = sa.select(sa.func.count()).select_from(signals)
    for number in range(3):
        assert await database.read(lambda tx: tx.execute(count).scalar_one()) == number
        assert len(await database.read(names)) == number
        await database.write(lambda tx, n=number: put(tx, n))


async def test_a_read_that_fails_harms_none_after_it(database: Database) -> None:
    """A fault of the database, or of the work itself, is told; the next read has a sound connection."""
    await database.write(lambda tx: put(tx, 1))
    with pytest.raises(DatabaseError):
        await database.read(lambda tx: tx.exec_driver_sql("SELECT nothing FROM nowhere"))
    with pytest.raises(ZeroDivisionError):
        await database.read(lambda tx: len(names(tx)) / 0)
    assert await database.read(names) == ["n1"]


def test_an_enum_is_stored_as_its_text(database: Database) -> None:
    """Whatever a driver makes of enums, the column holds the value, and is found by it."""

    class Name(StrEnum):
        PAID = "invoice paid"

    def put_enum(tx: sa.Connection) -> None:
        _INSERT.run(tx, id="s1", run_id=Name.PAID, name=Name.PAID, payload=pack(1), created_at=1)

    database.write_now(put_enum)
    found = database.read_now(lambda tx: _NAMES.run(tx, run_id="invoice paid").fetchall())
    assert [tuple(row) for row in found] == [("invoice paid",)]
    assert database.read_now(lambda tx: _NAMES.run(tx, run_id=Name.PAID).fetchall()) == found


def test_an_insert_leaves_an_existing_row_as_it_is(database: Database) -> None:
    """The second insert of the same id changes nothing and says so."""
    assert database.write_now(lambda tx: put(tx, 1)) == 1
    assert database.write_now(lambda tx: put(tx, 1, "other")) == 0
    assert database.read_now(names) == ["n1"]


def test_a_fault_of_a_prepared_statement_is_a_database_error(database: Database) -> None:
    """The driver's own exceptions do not get out."""
    with pytest.raises(DatabaseError):
        database.write_now(
            lambda tx: _INSERT.run(tx, id="x", run_id=None, name="n", payload=b"", created_at=1)
        )


def test_an_sqlite_database_is_opened_for_many_readers_and_durable_writes(tmp_path: Path) -> None:
    """WAL, the chosen durability, a busy time-out and foreign keys are set on every connection."""
    for durability, synchronous in (("normal", 1), ("full", 2)):
        database = Database(
            f"sqlite:///{tmp_path}/{durability}.db", durability=durability, busy_timeout_seconds=7
        )
        try:
            for pragma, value in (
                ("journal_mode", "wal"),
                ("synchronous", synchronous),
                ("busy_timeout", 7000),
                ("foreign_keys", 1),
            ):
                found = database.read_now(
                    lambda tx, pragma=pragma: tx.exec_driver_sql(f"PRAGMA {pragma}").scalar()
                )
                assert found == value
        finally:
            database.close()


def test_any_sqlite_has_a_clock_in_milliseconds_that_goes_forward(sqlite_url: str) -> None:
    """`unixepoch('subsec')` and `strftime('%f')` answer with milliseconds whatever SQLite the machine has."""
    database = Database(sqlite_url)
    try:
        query = "SELECT unixepoch('subsec'), strftime('%Y-%m-%d %H:%M:%f', 'now'), unixepoch()"

        def look(tx: sa.Connection) -> list[tuple[float, str, int]]:
            return [tuple(tx.exec_driver_sql(query).one()) for _ in range(200)]

        rows = database.read_now(look)
    finally:
        database.close()
    times = [row[0] for row in rows]
    assert times == sorted(times)
    assert len({round(time * 1000) for time in times}) > 1
    assert all(len(row[1].rpartition(".")[2]) == 3 for row in rows)
    assert all(isinstance(row[2], int) for row in rows)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///:memory:", "in memory"),
        ("mysql://host/name", "'mysql', which is not supported"),
        ("no address at all", "not an address"),
    ],
)
def test_an_address_that_cannot_serve_is_refused_at_once(url: str, told: str) -> None:
    """The message names the setting and what to write instead."""
    with pytest.raises(ConfigurationError, match=told):
        Database(url)


def test_what_is_given_back_after_the_end_is_closed(fresh_database_url: str) -> None:
    """A thread that still reads at the end, and one that begins afterwards, leave nothing open."""
    database = Database(fresh_database_url)
    reads, closed = threading.Event(), threading.Event()

    def look(tx: sa.Connection) -> Any:
        assert tx.exec_driver_sql("SELECT 1").scalar() == 1
        reads.set()
        assert closed.wait(10)
        return tx.connection.driver_connection

    with ThreadPoolExecutor(1) as late:
        looking = late.submit(database.read_now, look)
        assert reads.wait(10)
        database.close()
        closed.set()
        for connection in (looking.result(), database.read_now(look)):
            with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
                connection.execute("SELECT 1")


def test_a_file_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    """Pointing at the wrong file gives one clear message, and the file is left as it is."""
    file = tmp_path / "letter.db"
    file.write_text("Dear customer, " * 100)
    database = Database(f"sqlite:///{file}")
    try:
        with pytest.raises(DatabaseError, match="not an SQLite database"):
            upgrade(database)
    finally:
        database.close()
    assert file.read_text().startswith("Dear customer")


def test_a_server_that_cannot_be_reached_is_told_without_its_password() -> None:
    """The message says which address, and never the password in it."""
    database = Database(
        "postgresql://app:hunter2hunter2@127.0.0.1:1/app", patience_seconds=0.2, connect_timeout_seconds=1
    )
    try:
        with pytest.raises(DatabaseError, match="cannot be reached") as told:
            database.read_now(lambda tx: tx.exec_driver_sql("SELECT 1").scalar())
    finally:
        database.close()
    assert "hunter2" not in str(told.value)
    assert "127.0.0.1" in str(told.value)


def test_a_full_database_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """When there is no room left, what was stored stays, and writing goes on once there is room."""
    database = Database(f"sqlite:///{tmp_path}/small.db")
    try:
        upgrade(database)
        database.write_now(lambda tx: put(tx, 1))

        def grow(tx: sa.Connection) -> None:
            pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
            tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            for number in range(2, 2000):
                put(tx, number)

        with pytest.raises(DatabaseError, match="is full"):
            database.write_now(grow)
        assert database.read_now(names) == ["n1"]

        def after(tx: sa.Connection) -> int:
            tx.exec_driver_sql("PRAGMA max_page_count = 1073741823")
            return put(tx, 2)

        assert database.write_now(after) == 1
    finally:
        database.close()


@pytest.mark.parametrize("value", [None, 0, "", "ä" * 4000, [1, {"a": [None, 1.5]}], {"long": "x" * 100_000}])
def test_a_payload_comes_back_as_it_was(value: object) -> None:
    """Short ones are stored plain, long ones compressed."""
    assert unpack(pack(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}])
def test_a_payload_that_json_cannot_say_is_refused(value: object) -> None:
    """Nothing is stored that would read differently later."""
    with pytest.raises(InvalidInput):
        pack(value)
