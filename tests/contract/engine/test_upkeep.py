"""Schedules and retention: what workers do by the clock."""

import pytest
import sqlalchemy as sa

from roadworthy.testing import FakeClock
from roadworthy.workflows import Doorbell, Filter, RunStatus, Scheduler
from roadworthy.workflows.retention import sweep

HOURLY = {"schedules": {"hourly": {"workflow": "report", "cron": "0 * * * *", "input": {"name": "x"}}}}


def _app(make_app, clock, **schedule):
    app = make_app(clock=clock, schedules={"hourly": {**HOURLY["schedules"]["hourly"], **schedule}})

    @app.workflow
    async def report(name: str) -> str:
        return name

    return app


def _scheduler(app):
    return Scheduler(app._parts, app.settings.schedules, app.runs, Doorbell())


async def test_a_tick_starts_one_run_whichever_of_two_workers_is_first(make_app):
    """Both see that it is due; one takes it."""
    clock = FakeClock()
    one, two = _app(make_app, clock), _app(make_app, clock)
    async with one.running(work=False), two.running(work=False):
        schedulers = [_scheduler(one), _scheduler(two)]
        for scheduler in schedulers:
            await scheduler.prepare()
        for _ in range(3):
            clock.advance(3600)
            for scheduler in schedulers:
                await scheduler.fire()
            for scheduler in schedulers:
                await scheduler.fire()
        found = await one.runs.find(Filter())
    assert len(found) == 3
    assert {run.schedule for run in found} == {"hourly"}


@pytest.mark.parametrize(("catch_up", "made"), [(False, 0), (True, 5)])
async def test_ticks_that_nobody_was_there_for_are_skipped_or_made_up_for(make_app, catch_up, made):
    """As the schedule says; the next one comes on time either way."""
    clock = FakeClock()
    app = _app(make_app, clock, catch_up=catch_up)
    async with app.running(work=False):
        scheduler = _scheduler(app)
        await scheduler.prepare()
        clock.advance(5 * 3600 + 1800)
        await scheduler.fire()
        assert len(await app.runs.find(Filter())) == made
        clock.advance(1800)
        await scheduler.fire()
        await scheduler.fire()
        assert len(await app.runs.find(Filter())) == made + 1


async def test_a_schedule_that_was_changed_goes_by_its_new_times(make_app):
    """The stored next tick belongs to the definition that it was computed from."""
    clock = FakeClock()
    app, changed = _app(make_app, clock), _app(make_app, clock, cron="30 * * * *")
    async with app.running(work=False):
        await _scheduler(app).prepare()
    async with changed.running(work=False):
        scheduler = _scheduler(changed)
        await scheduler.prepare()
        clock.advance(1800)
        await scheduler.fire()
        assert len(await changed.runs.find(Filter())) == 1


async def test_a_worker_fires_its_schedules(make_app, until):
    """From the clock to the result."""
    clock = FakeClock()
    app = _app(make_app, clock)
    async with app.running():
        clock.advance(3600)

        async def done() -> bool:
            return (await app.runs.count(Filter())).get(RunStatus.SUCCEEDED) == 1

        await until(done)


async def test_retention_deletes_what_is_old_of_ours_and_of_the_engine(make_app, until):
    """Finished runs go with their steps and the engine's rows; dead, waiting and young ones stay."""
    clock = FakeClock()
    app = make_app(clock=clock, retention__runs_days=10)

    @app.step
    async def greet(name: str) -> str:
        if name == "bad":
            raise LookupError(name)
        return name

    @app.workflow
    async def hello(name: str) -> str:
        if name == "waits":
            await app.wait_for_signal("never")
        return await greet(name)

    async with app.running():
        old, dead, waits = [await app.start(hello, name=name) for name in ("old", "bad", "waits")]
        await old.result(timeout_seconds=20)
        await app.runs.finished(dead.id, timeout_seconds=20)

        async def parked() -> bool:
            clock.advance(1)
            return (await waits.run()).status is RunStatus.WAITING

        await until(parked)
        clock.advance(11 * 86_400)
        young = await app.start(hello, name="young")
        await young.result(timeout_seconds=20)
        assert await sweep(app._parts, app._worker.engine) == 1
        left = {run.id for run in await app.runs.find(Filter())}
        assert left == {dead.id, waits.id, young.id}
        for table, column in _tables(app):
            query = sa.text(f"SELECT count(*) FROM {table} WHERE {column} = :id")
            counts = [
                await app.database.read(lambda tx, q=query, i=i: tx.execute(q, {"id": i}).scalar())
                for i in (old.id, young.id)
            ]
            assert (counts[0], counts[1] > 0) == (0, True), table


def _tables(app):
    schema = "" if app.database.is_sqlite else "dbos."
    ours = [
        ("runs", "id"),
        ("run_payloads", "run_id"),
        ("steps", "run_id"),
        ("step_payloads", "run_id"),
        ("attempts", "run_id"),
    ]
    return [
        *ours,
        (f"{schema}workflow_status", "workflow_uuid"),
        (f"{schema}operation_outputs", "workflow_uuid"),
    ]
