"""What happens to the runs of workers that died, and to a step that takes its workers down."""

import asyncio
import inspect

import pytest
import sqlalchemy as sa

from roadworthy.db.tables.workflows import attempts, runs, steps, workers
from roadworthy.workflows import RunStatus, host
from roadworthy.workflows.run import AttemptStatus
from roadworthy.workflows.step import MAX_LOST_ATTEMPTS


@pytest.fixture
def hello(app):
    """A workflow of one step."""

    @app.step
    async def greet(name: str) -> str:
        return f"hello {name}"

    @app.workflow
    async def hello(name: str) -> str:
        return await greet(name)

    return hello


async def _held_by(app, workflow, worker_id, *, host_name, process, beat_at):
    """A run that another worker had taken, and never began."""
    handle = await app.start(workflow, name="Ada")
    row = {"id": worker_id, "host": host_name, "process": process, "started_at": 1, "beat_at": beat_at}
    take = (
        sa.update(runs).where(runs.c.id == handle.id).values(status="running", worker_id=worker_id, claim=1)
    )

    def work(tx):
        tx.execute(sa.insert(workers).values(**row))
        tx.execute(take)

    await app.database.write(work)
    return handle.id


async def test_the_runs_of_a_process_that_is_gone_are_taken_over_at_once(make_app, app, hello):
    """On the same machine nobody waits for a heartbeat: the process is known not to live."""
    app.settings = make_app(workers__dead_after_seconds=3600).settings
    async with app.running(work=False):
        dead = {"host_name": host.host_name(), "process": "4194305:1", "beat_at": app.clock.now_ms()}
        run_id = await _held_by(app, hello, "worker_gone", **dead)
    async with app.running():
        assert (await app.runs.finished(run_id, timeout_seconds=20)).status is RunStatus.SUCCEEDED


async def test_the_runs_of_a_silent_machine_are_taken_over_when_its_time_is_up(app, hello, until):
    """What counts is how long a heartbeat stands still on the watcher's clock: clocks of machines differ."""
    async with app.running():
        ahead = {"host_name": "elsewhere", "process": "1:1", "beat_at": app.clock.now_ms() + 86_400_000}
        run_id = await _held_by(app, hello, "worker_silent", **ahead)
        began = app.clock.monotonic()
        assert (await app.runs.finished(run_id, timeout_seconds=20)).status is RunStatus.SUCCEEDED
        assert app.clock.monotonic() - began >= app.settings.workers.dead_after_seconds - 0.3
        stopped = sa.select(workers.c.stopped_at).where(workers.c.id == "worker_silent")
        assert await app.database.read(lambda tx: tx.execute(stopped).scalar()) is not None


async def test_the_runs_of_a_machine_that_beats_are_left_alone(app, hello, until):
    """However far its clock is behind."""
    async with app.running():
        run_id = await _held_by(app, hello, "worker_slow", host_name="elsewhere", process="1:1", beat_at=1)

        async def beat(number: int) -> bool:
            move = sa.update(workers).where(workers.c.id == "worker_slow").values(beat_at=number)
            await app.database.write(lambda tx: tx.execute(move))
            return False

        began = app.clock.monotonic()
        while app.clock.monotonic() - began < 1.6:
            await beat(app.clock.now_ms())
            await asyncio.sleep(0.1)
        assert (await app.runs.get(run_id)).status is RunStatus.RUNNING


async def test_a_worker_that_leaves_says_that_it_lives_until_its_runs_have_finished(make_app, gate, until):
    """Else others would take the runs over that it finishes, after a silence shorter than its patience."""
    app = make_app(workers__shutdown_seconds=30)

    @app.step
    async def slow() -> str:
        await gate.wait()
        return "done"

    @app.workflow
    async def waits() -> str:
        return await slow()

    async def seen() -> tuple[int, int | None]:
        row = sa.select(workers.c.beat_at, workers.c.stopped_at).where(workers.c.id == worker_id)
        return tuple(await app.database.read(lambda tx: tx.execute(row).one()))

    async with app.running():
        worker_id, handle = app.worker_id, await app.start(waits)
        await gate.reached()
        leaving = asyncio.create_task(app.stop_working())
        began, dead_after_ms = app.clock.now_ms(), 1000 * app.settings.workers.dead_after_seconds

        async def beats_on() -> bool:
            return (await seen())[0] > began + dead_after_ms

        await until(beats_on, seconds=10)
        assert (await seen())[1] is None
        gate.open()
        await leaving
        assert (await seen())[1] is not None
        assert (await handle.run()).status is RunStatus.SUCCEEDED


async def test_a_step_that_takes_its_workers_down_again_and_again_is_given_up(app, gate):
    """After five deaths the step fails as worker_lost, and the sixth worker lives."""

    @app.step
    async def deadly() -> None:
        await gate.wait()

    @app.workflow
    async def dangerous() -> None:
        await deadly()

    async with app.running(patience_seconds=0):
        handle = await app.start(dangerous)
        await gate.reached()
    async with app.running(work=False):

        def lose(tx):
            """The first attempts were lost; the last one is the row's own."""
            step_id = tx.execute(sa.select(steps.c.id).where(steps.c.run_id == handle.id)).scalar_one()
            tx.execute(sa.update(steps).where(steps.c.id == step_id).values(attempt=MAX_LOST_ATTEMPTS))
            lost = {
                "step_id": step_id,
                "run_id": handle.id,
                "worker_id": "worker_x",
                "status": AttemptStatus.LOST,
            }
            for number in range(1, MAX_LOST_ATTEMPTS):
                tx.execute(sa.insert(attempts).values(number=number, started_at=1, finished_at=2, **lost))

        await app.database.write(lose)
    gate.came = 0
    async with app.running():
        run = await app.runs.finished(handle.id, timeout_seconds=20)
    assert (run.status, run.error_kind, run.error_step) == (RunStatus.DEAD, "worker_lost", "deadly")
    assert gate.came == 0


async def test_a_worker_takes_no_more_runs_than_it_has_places_for_also_when_they_come_back(make_app, until):
    """Twenty runs that all wake from a wait at once are executed two at a time."""
    app = make_app(workers__concurrency=2, workers__park_after_seconds=0.05)
    now, most = [0], [0]

    @app.step
    async def busy() -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.03)
        now[0] -= 1

    @app.workflow
    async def wakes() -> None:
        await app.wait_for_signal("go")
        await busy()

    async with app.running():
        handles = [await app.start(wakes) for _ in range(20)]

        async def all_wait() -> bool:
            return {(await handle.run()).status for handle in handles} == {RunStatus.WAITING}

        await until(all_wait)
        for handle in handles:
            await app.runs.signal(handle.id, "go")
        for handle in handles:
            assert (await app.runs.finished(handle.id, timeout_seconds=30)).status is RunStatus.SUCCEEDED
    assert most == [2]


async def test_a_run_whose_worker_lost_track_of_it_is_queued_again(app, hello):
    """A run that this worker holds and nobody executes does not hang for ever."""
    async with app.running():
        handle = await app.runs.start("hello", {"name": "Ada"}, due_at=app.clock.now_ms() + 3_600_000)
        lost = sa.update(runs).where(runs.c.id == handle.id)
        lost = lost.values(status="running", worker_id=app._worker.id, claim=1)
        await app.database.write(lambda tx: tx.execute(lost))
        assert await handle.result(timeout_seconds=20) == "hello Ada"
        assert (await handle.run()).claim > 1


async def test_the_engines_private_call_for_recovery_is_as_it_was(app, gate):
    """`reenqueue_for_recovery` moves a run of a given executor back to a queue, once, and no other."""

    @app.step
    async def hold() -> None:
        await gate.wait()

    @app.workflow
    async def held() -> None:
        await hold()

    async with app.running(patience_seconds=0):
        from dbos._dbos import _get_dbos_instance
        from dbos._sys_db import SystemDatabase

        parameters = list(inspect.signature(SystemDatabase.reenqueue_for_recovery).parameters)
        assert parameters == ["self", "workflow_id", "executor_ids", "recovery_queue_name"]
        handle = await app.start(held)
        await gate.reached()
        system, own = _get_dbos_instance()._sys_db, app._worker.engine.executor_id

        def recover(executor: str) -> bool:
            return system.reenqueue_for_recovery(handle.id, [executor], "elsewhere")

        assert not await asyncio.to_thread(recover, "somebody-else")
        assert await asyncio.to_thread(recover, own)
        assert not await asyncio.to_thread(recover, own)
        status = await asyncio.to_thread(system.get_workflow_status, handle.id)
        assert (status["status"], status["queue_name"]) == ("ENQUEUED", "elsewhere")


async def test_runs_that_wait_their_turn_to_be_handed_over_are_not_taken_for_lost(app):
    """However long it takes, each run is executed under its first claim, and its step is done once."""
    done = []

    @app.step
    async def note(number: int) -> int:
        done.append(number)
        return number

    @app.workflow
    async def noted(number: int) -> int:
        return await note(number)

    async with app.running():
        start = app._worker.engine.start

        async def slow_start(run_id: str) -> None:
            await asyncio.sleep(0.25)  # five of these outlast several heartbeats
            await start(run_id)

        app._worker.engine.start = slow_start
        handles = [await app.start(noted, number) for number in range(5)]
        assert [await handle.result(timeout_seconds=30) for handle in handles] == list(range(5))
        claims = [(await handle.run()).claim for handle in handles]
    assert sorted(done) == list(range(5))
    assert claims == [1] * 5


async def test_a_run_that_the_engine_hands_over_twice_is_executed_once(app, gate, until):
    """A run that lay in its queue for long may be queued again just as it is begun: the first one goes on."""
    left = []

    @app.step
    async def hold() -> int:
        await gate.wait()
        return gate.came

    @app.workflow
    async def held() -> int:
        return await hold()

    async with app.running():
        from dbos._dbos import _get_dbos_instance

        engine = app._worker.engine
        body = engine._body

        async def noted(run_id: str) -> None:
            try:
                await body(run_id)
            finally:
                left.append(run_id)

        engine._body = noted
        handle = await app.start(held)
        await gate.reached()
        system = _get_dbos_instance()._sys_db
        again = (handle.id, [engine.executor_id], "roadworthy")
        assert await asyncio.to_thread(system.reenqueue_for_recovery, *again)
        await until(lambda: left or gate.came > 1)
        gate.open()
        assert left == [handle.id]
        assert await handle.result(timeout_seconds=20) == 1
        assert gate.came == 1
