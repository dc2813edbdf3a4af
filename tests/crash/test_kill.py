"""Processes killed at every boundary of every step and inside of every step: nothing lost, nothing twice."""

import asyncio

from roadworthy.workflows import RunStatus, StepStatus
from roadworthy.workflows.run import AttemptStatus, StepKind

PHASES = ("before", "body", "effect", "stored", "checkpointed")
"""Before the step's row; in its body, before and after its effect; after our row; after the engine's."""
INSIDE = ("body", "effect")
NO_BODY = {"start child", "collect child"}
"""Steps that are not the user's; they have no inside where they could be stopped."""


def _points(steps):
    return [
        f"{step}:{phase}" for step in steps for phase in PHASES if step not in NO_BODY or phase not in INSIDE
    ]


async def test_a_kill_at_every_point_of_every_step_loses_nothing_and_repeats_no_finished_step(lab, desk):
    """One run stands at each point when their process is killed; the next process brings all to their end."""
    points = _points(desk.STEPS)
    async with desk.app.running(work=False):
        runs = {
            point: await desk.app.runs.start("ten_steps", {"ticket": "t-1"}, tags=[f"stop:{point}"])
            for point in ["undisturbed", *points]
        }
        first = lab.worker(gates="closed")
        await lab.until(lambda: lab.markers == set(points))
        expected = await runs["undisturbed"].result(timeout_seconds=60)
        lab.kill(first)

        lab.worker()
        results = await asyncio.gather(*(run.result(timeout_seconds=60) for run in runs.values()))
        shown = {point: await desk.app.runs.show(run.id) for point, run in runs.items()}
        below = {point: await desk.app.runs.show(one.children[0].id) for point, one in shown.items()}
        asked = await desk.app.database.read(_count_calls)

    assert results == [expected] * len(runs)
    for point, one in shown.items():
        name, _, phase = point.partition(":")
        done = lab.done(one.run.id) + lab.done(below[point].run.id)
        again = {name} if phase == "effect" else set()
        assert set(done) == {*desk.STEPS, "score 1", "score 3"} - NO_BODY, point
        assert {step for step, times in done.items() if times != 1} == again, point
        _check_steps([*one.steps, *below[point].steps], name, phase)
    assert asked == {run.id: 1 for run in runs.values()}
    _check_outbox(lab, runs, expected)


def _count_calls(tx):
    from sqlalchemy import func, select

    from roadworthy.db.tables.calls import calls

    query = select(calls.c.run_id, func.count()).where(calls.c.status == "succeeded").group_by(calls.c.run_id)
    return {run_id: count for run_id, count in tx.execute(query)}  # noqa: C416 - a result has keys()


def _check_steps(steps, name, phase):
    """Every step has succeeded, and the only attempt that was lost is the one that was killed."""
    assert {step.status for step in steps} == {StepStatus.SUCCEEDED}
    lost = [step.name for step in steps for attempt in step.attempts if attempt.status is AttemptStatus.LOST]
    assert lost == ([name] if phase in INSIDE else []), (name, phase)
    for step in steps:
        assert [attempt.number for attempt in step.attempts] == list(range(1, step.attempt + 1))


def _check_outbox(lab, runs, expected):
    """The outside acted once for each run, and refused only the act whose answer died with its process."""
    sent = [path.read_text() for path in (lab.folder / "outbox").iterdir()]
    assert len(sent) == len(runs)
    assert {f"sent {text}" for text in sent} == {expected[0]}
    assert [entry["key"].split(":")[0] for entry in lab.entries("refused.jsonl")] == [runs["send:effect"].id]


async def test_a_kill_between_the_last_statement_and_the_commit_leaves_no_half_step(lab, desk):
    """An action's key and its step's outcome are stored together or not at all."""
    async with desk.app.running(work=False):
        run = await desk.app.runs.start("ten_steps", {"ticket": "t-1"})
        dying = lab.worker(gates="deadly")
        await lab.until(lambda: dying.poll() is not None)
        left = await desk.app.runs.show(run.id)
        sending = next(step for step in left.steps if step.kind is StepKind.ACTION)
        assert (left.run.status, sending.status, sending.attempts) == (
            RunStatus.RUNNING,
            StepStatus.RUNNING,
            (),
        )

        lab.worker()
        await run.result(timeout_seconds=60)
        steps = {step.name: step for step in (await desk.app.runs.show(run.id)).steps}

    ends = [attempt.status for attempt in steps["send"].attempts]
    assert ends == [AttemptStatus.LOST, AttemptStatus.SUCCEEDED]
    assert {name for name, times in lab.done(run.id).items() if times != 1} == {"send"}
    assert len(list((lab.folder / "outbox").iterdir())) == 1
    assert len(lab.entries("refused.jsonl")) == 1
