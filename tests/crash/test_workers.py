"""Several worker processes on one database share its runs, and take over from the dead and the stopped."""

import asyncio
import signal

from roadworthy.workflows.run import AttemptStatus

POINTS = ("before", "body", "effect", "stored", "checkpointed")


async def test_the_runs_of_a_stopped_worker_are_taken_over_and_nothing_it_does_later_counts(lab, desk):
    """What a worker writes after it was taken for dead has no effect, wherever in a step it was stopped."""
    quickly = {"heartbeat_seconds": 0.3, "dead_after_seconds": 1.0}
    async with desk.app.running(work=False):
        runs = {
            point: await desk.app.runs.start("stamped", {"ticket": "t-1"}, tags=[f"stop:stamp:{point}"])
            for point in POINTS
        }
        stopped = lab.worker(gates="closed", **quickly)
        await lab.until(lambda: len(lab.markers) == len(POINTS))
        await lab.freeze(stopped)
        heir = lab.worker(**quickly)
        results = {point: await run.result(timeout_seconds=30) for point, run in runs.items()}
        before = {point: await desk.app.runs.show(run.id) for point, run in runs.items()}

        lab.release()
        stopped.send_signal(signal.SIGCONT)
        await lab.until(lambda: stopped.pid in _who(lab, runs["body"].id))
        lab.kill(heir)
        last = await desk.app.runs.start("stamped", {"ticket": "t-2"})
        assert await last.result(timeout_seconds=30) == [stopped.pid, stopped.pid]
        after = {point: await desk.app.runs.show(run.id) for point, run in runs.items()}

    finished_first = {"stored", "checkpointed"}
    assert results == {
        point: [stopped.pid if point in finished_first else heir.pid, heir.pid] for point in POINTS
    }
    assert after == before
    for point, one in after.items():
        lost = [
            attempt for step in one.steps for attempt in step.attempts if attempt.status is AttemptStatus.LOST
        ]
        assert len(lost) == (point in ("body", "effect")), point


def _who(lab, run_id):
    return {entry["pid"] for entry in lab.entries() if entry["run"] == run_id}


async def test_workers_share_the_runs_and_finish_those_of_one_that_is_killed_for_good(lab, desk):
    """Every worker did some, one was killed in the midst of it, and no run was lost or locked out."""
    async with desk.app.running(work=False):
        workers = [lab.worker(concurrency=4) for _ in range(2 if desk.app.database.is_sqlite else 3)]
        await lab.ready(*workers)
        runs = [await desk.app.runs.start("slow_steps", {"ticket": f"t-{number}"}) for number in range(60)]
        await lab.until(
            lambda: {entry["pid"] for entry in lab.entries()} == {worker.pid for worker in workers}
        )
        lab.kill(workers[0])
        results = await asyncio.gather(*(run.result(timeout_seconds=60) for run in runs))
        shown = [await desk.app.runs.show(run.id) for run in runs]

    assert results == [10] * 60
    lost = sum(
        attempt.status is AttemptStatus.LOST
        for one in shown
        for step in one.steps
        for attempt in step.attempts
    )
    repeated = sum(times - 1 for run in runs for times in lab.done(run.id).values())
    assert repeated <= lost <= 4
    assert "locked" not in lab.log
    assert "Traceback" not in lab.log
