"""Calls that are written when their hour is over leave a mark, and calls of the present hour leave none."""

import asyncio

import sqlalchemy as sa

from roadworthy.db.tables.rollups import changed_hours
from roadworthy.monitoring import Query, RollUps, costs
from roadworthy.testing import FakeClock

HOUR_MS = 3_600_000
START_MS = 1_793_577_600_000
ASKED = Query(START_MS, START_MS + 100 * HOUR_MS)


async def marks(desk) -> list[int]:
    """The hours that have changed."""
    return await desk.database.read(lambda tx: list(tx.execute(sa.select(changed_hours.c.hour)).scalars()))


async def reported(desk, from_calls):
    """What calls came to, which is the same from hours and from calls."""
    found = await desk.database.read(lambda tx: costs(tx, ASKED).total)
    assert found == await asyncio.to_thread(from_calls, desk.database, lambda tx: costs(tx, ASKED).total)
    return found


async def test_a_call_is_stored_without_a_mark(desk):
    """Nor does an answer of the cache or a failure need one: its hour is not over."""
    desk.clock = FakeClock(START_MS + 5)
    pipeline = desk.pipeline()
    await desk.ask(pipeline)
    assert await marks(desk) == []


async def test_a_step_that_ends_hours_after_its_call_marks_the_hour_of_the_call(desk, from_calls):
    """The call is stored with its step; by then its hour was added up without it."""
    desk.clock = clock = FakeClock(START_MS + 5)
    pipeline, rollups, stored = desk.pipeline(), RollUps(desk.database, clock), []
    await desk.ask(pipeline, text="One")
    await desk.ask(pipeline, text="Two", commit=stored.append)
    clock.advance(3 * 3600)
    assert await rollups.keep_up()
    before = await reported(desk, from_calls)
    for recording in stored:
        await desk.database.write(recording.write)
    assert await marks(desk) == [START_MS]
    after = await reported(desk, from_calls)
    assert (before.calls, after.calls) == (1, 2)
    assert after.cost_micro_usd > before.cost_micro_usd
    assert await rollups.keep_up()
    assert await reported(desk, from_calls) == after
