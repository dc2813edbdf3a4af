"""Seals cover every call once, also late ones, and whatever is done to a sealed call is found."""

import asyncio
import threading

import pytest
import sqlalchemy as sa

from roadworthy.audit import Action, Filter
from roadworthy.db import Database
from roadworthy.db.tables.audit import sealed_calls
from roadworthy.db.tables.calls import call_attempts, calls

LATER_SECONDS = 400


async def seal(log) -> int:
    """Seal what has ended, once it is a while over."""
    log.clock.advance(LATER_SECONDS)
    return await log.audit.seal()


async def test_calls_are_sealed_once_they_are_a_while_over(log):
    """Not before, and not twice; the entry says which and how many."""
    for number in range(1, 4):
        log.call(number, attempts=2)
    assert await log.audit.seal() == 0
    assert (await log.audit.verify()).unsealed == 0
    log.clock.advance(LATER_SECONDS)
    assert (await log.audit.verify()).unsealed == 9
    assert await log.audit.seal() == 9
    assert await seal(log) == 0
    (entry,) = await log.audit.find(Filter())
    detail = entry.as_json()["detail"]
    assert entry.action == Action.CALLS_SEALED
    assert [detail[name] for name in ("calls", "attempts", "first", "last")] == [
        3,
        6,
        "call_0001",
        "call_0003",
    ]
    found = await log.audit.verify()
    assert (found.ok, found.seals, found.calls, found.unsealed) == (True, 1, 9, 0)


async def test_a_row_that_comes_late_is_taken_by_the_next_seal(log):
    """A call whose id and times lie before those that are sealed, and an attempt of a sealed call."""
    log.call(5)
    assert await seal(log) == 2
    began = log.clock.now_ms() - 3_000_000
    log.call(1, started_at=began, finished_at=began + 1)
    log.database.write_now(
        lambda tx: log.attempt(tx, "call_0005", 2, started_at=began, finished_at=began + 1, status="lost")
    )
    assert await seal(log) == 3
    found = await log.audit.verify()
    assert (found.ok, found.seals, found.calls) == (True, 2, 5)


async def test_what_goes_on_is_sealed_when_it_has_ended(log):
    """Running, put off and lost calls may still become something else; their attempts are sealed."""
    for number, status in enumerate(("running", "put_off", "lost"), 1):
        log.call(number, status=status, finished_at=None if status == "running" else log.clock.now_ms())
    assert await seal(log) == 3
    log.database.write_now(
        lambda tx: tx.execute(sa.update(calls).values(status="succeeded", finished_at=1)).rowcount
    )
    assert (await log.audit.verify()).ok
    assert await seal(log) == 3
    assert (await log.audit.verify()).calls == 6


async def test_what_may_change_later_is_no_fault(log):
    """Totals to which a lost attempt is added, a verdict on a batch's answer, and what erasure blanks."""
    log.call(1, user_id="u")
    log.database.write_now(
        lambda tx: log.attempt(tx, "call_0001", 2, started_at=1, finished_at=2, lane="provider-batch")
    )
    await seal(log)

    def later(tx: sa.Connection) -> None:
        tx.execute(sa.update(calls).values(user_id="", attempts=2, cost_micro_usd=9, cost_known=False))
        lane = call_attempts.c.lane == "provider-batch"
        tx.execute(sa.update(call_attempts).where(lane).values(status="invalid", error_kind="invalid_answer"))

    log.database.write_now(later)
    assert (await log.audit.verify()).ok


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE calls SET model = 'other' WHERE id = 'call_0002'", "was changed"),
        ("UPDATE calls SET tenant = 'other' WHERE id = 'call_0002'", "was changed"),
        ("UPDATE calls SET status = 'lost' WHERE id = 'call_0002'", "was changed"),
        ("UPDATE call_attempts SET cost_micro_usd = 0 WHERE call_id = 'call_0002'", "was changed"),
        ("UPDATE call_attempts SET status = 'failed' WHERE call_id = 'call_0002'", "was changed"),
        ("DELETE FROM calls WHERE id = 'call_0002'", "missing"),
        ("DELETE FROM call_attempts WHERE call_id = 'call_0001'", "missing"),
        ("DELETE FROM sealed_calls WHERE call_id = 'call_0003'", "missing"),
        ("UPDATE call_attempts SET number = 7 WHERE call_id = 'call_0001'", "missing"),
        (
            "INSERT INTO sealed_calls SELECT 'call_0004', 0, seal FROM sealed_calls WHERE number = 0 LIMIT 1",
            "too",
        ),
    ],
)
async def test_whatever_is_done_to_a_sealed_call_is_found(log, statement, fault):
    """Changed, deleted, moved, or another one put in."""
    for number in range(1, 4):
        log.call(number, cost_micro_usd=5)
    log.database.write_now(lambda tx: tx.execute(sa.update(call_attempts).values(cost_micro_usd=5)).rowcount)
    await seal(log)
    log.call(4)
    log.tamper(statement)
    found = await log.audit.verify()
    assert fault in found.fault
    assert "call_0001 to call_0003" in found.fault
    assert (await log.audit.verify(calls=False)).ok


async def test_what_retention_deleted_is_told_and_no_fault(log):
    """Only calls from before the time that its entry says."""
    log.call(1)
    await seal(log)
    log.call(2)
    await seal(log)
    entry = log.audit.entry(Action.RECORDS_DELETED, detail={"calls_before_ms": log.clock.now_ms() - 600_000})

    def sweep(tx: sa.Connection, call_id: str) -> None:
        for table, column in ((call_attempts, "call_id"), (calls, "id"), (sealed_calls, "call_id")):
            tx.execute(sa.delete(table).where(table.c[column] == call_id))

    log.database.write_now(lambda tx: log.audit.append(tx, entry))
    assert (await log.audit.verify()).seals == 2
    log.database.write_now(lambda tx: sweep(tx, "call_0001"))
    found = await log.audit.verify()
    assert (found.ok, found.seals, found.by_retention) == (True, 1, 1)
    log.database.write_now(lambda tx: sweep(tx, "call_0002"))
    assert "missing" in (await log.audit.verify()).fault


async def test_two_that_seal_at_once_seal_everything_once(log, fresh_database_url):
    """Programs of their own, with more calls than one seal takes."""
    for number in range(1, 40):
        log.call(number)
    log.clock.advance(LATER_SECONDS)
    barrier = threading.Barrier(4)

    def program():
        database = Database(fresh_database_url)
        audit = log.with_keys()
        audit._database = database
        try:
            barrier.wait()
            return asyncio.run(audit.seal())
        finally:
            database.close()

    totals = await asyncio.gather(*(asyncio.to_thread(program) for _ in range(4)))
    assert sum(totals) == 78
    found = await log.audit.verify()
    assert (found.ok, found.calls, found.unsealed) == (True, 78, 0)
