"""What is particular to SQLite: how it is opened, its clock, and a full disk."""

import asyncio
import logging
import sqlite3
import time

import pytest
import sqlalchemy as sa

from roadworthy.db import Database
from roadworthy.workflows import RunStatus


@pytest.fixture
def fresh_database_url(sqlite_url: str) -> str:
    """SQLite alone."""
    return sqlite_url


@pytest.mark.parametrize(("durability", "synchronous"), [("normal", 1), ("full", 2)])
def test_a_database_is_opened_in_wal_mode_with_a_busy_time_out(sqlite_url, durability, synchronous):
    """For the engine's own connections too: they are the same."""
    database = Database(sqlite_url, durability=durability, busy_timeout_seconds=7)

    def look(tx: sa.Connection):
        return [
            tx.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "synchronous")
        ]

    assert database.read_now(look) == ["wal", 7000, synchronous]
    with database.engine.connect() as connection:
        assert look(connection) == ["wal", 7000, synchronous]
    database.close()


def test_the_engines_clock_has_milliseconds_on_any_sqlite(sqlite_url):
    """The functions that its SQL asks for answer from here, in order, whatever this SQLite can do itself."""
    database = Database(sqlite_url)
    query = (
        "SELECT unixepoch('subsec'), unixepoch('now', 'subsec'), strftime('%s', 'now'), strftime('%f', 'now')"
    )
    before = time.time()
    rows = [database.read_now(lambda tx: tx.exec_driver_sql(query).one()) for _ in range(200)]
    after = time.time()
    database.close()
    moments = [row[0] for row in rows]
    assert moments == sorted(moments)
    assert len({int(moment * 1000) for moment in moments}) > 1
    assert before <= moments[0] <= moments[-1] <= after
    assert all(int(before) <= int(row[2]) <= int(after) for row in rows)
    assert {len(row[3]) for row in rows} == {len("12.345")}


def test_times_that_are_not_now_are_left_to_null(sqlite_url):
    """The stand-in answers for the present alone and never wrongly."""
    database = Database(sqlite_url)
    assert (
        database.read_now(lambda tx: tx.exec_driver_sql("SELECT strftime('%s', '2026-01-01')").scalar())
        is None
    )
    database.close()


def _left(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the worker said of runs that it left."""
    return [record.getMessage() for record in caplog.records if record.name == "roadworthy.workflows"]


async def test_a_run_waits_out_a_full_disk_and_goes_on_when_there_is_space(app, until, caplog):
    """One clear message, nothing lost: what was stored is kept, the rest is done when it can be stored."""
    done, most_pages = [], []

    @app.step
    async def bulky(number: int) -> str:
        done.append(number)
        return "".join(chr(33 + (number * 7919 + i * i) % 90) for i in range(60_000))

    @app.workflow
    async def bulk() -> int:
        return sum([len(await bulky(number)) for number in range(4)])

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        if not most_pages:
            most_pages.append(connection.execute("PRAGMA page_count").fetchone()[0] + 30)
        connection.execute(f"PRAGMA max_page_count = {most_pages[-1]}")

    async with app.running():
        sa.event.listen(app.database.engine, "checkout", limit)
        with caplog.at_level(logging.ERROR, logger="roadworthy.workflows"):
            handle = await app.start(bulk)
            await until(lambda: _left(caplog))
            assert (await handle.run()).status in (RunStatus.RUNNING, RunStatus.QUEUED)
        most_pages.append(1_000_000)
        assert await handle.result(timeout_seconds=30) == 240_000
    told = _left(caplog)[0]
    assert told.startswith("run left: The disk that holds sqlite:///")
    assert "is full" in told
    assert "Traceback" not in caplog.text
    assert sorted(set(done)) == [0, 1, 2, 3]


async def test_two_apps_on_one_file_share_it_without_being_locked_out(make_app):
    """Writers of two programs wait for each other in line."""
    one, two = make_app(), make_app()
    for app in (one, two):

        @app.workflow
        async def later(number: int) -> int:
            return number

    async with one.running(work=False), two.running(work=False):
        starts = [app.runs.start("later", {"number": number}) for number in range(50) for app in (one, two)]
        handles = await asyncio.gather(*starts)
    assert len({handle.id for handle in handles}) == 100
