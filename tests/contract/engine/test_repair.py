"""Dead runs and what people do with them: resume, replay, cancel."""

import asyncio

import pytest

from roadworthy.errors import NotFound, StateConflict, StepFailed
from roadworthy.workflows import Filter, RunStatus


@pytest.fixture
def chain(running):
    """Three steps of which the second fails until it is mended; says what was done."""
    done, broken = [], [True]

    @running.step
    async def first(ticket: str) -> str:
        done.append("first")
        return ticket

    @running.step
    async def second(text: str) -> str:
        done.append("second")
        if broken:
            raise LookupError("the shelf is empty")
        return text

    @running.step
    async def third(text: str) -> str:
        done.append("third")
        return text.upper()

    @running.workflow
    async def three(ticket: str) -> str:
        return await third(await second(await first(ticket)))

    return three, done, broken


async def test_a_run_that_cannot_finish_is_dead_with_its_cause(running, chain):
    """Kind, message and step are on record; nothing is guessed from a traceback."""
    three, done, _ = chain
    handle = await running.start(three, ticket="t")
    run = await running.runs.finished(handle.id, timeout_seconds=20)
    assert (run.status, run.error_kind, run.error_step, run.error_position) == (
        RunStatus.DEAD,
        "LookupError",
        "second",
        2,
    )
    assert "the shelf is empty" in run.error_message
    assert done == ["first", "second"]


async def test_a_resumed_run_does_the_failed_step_and_those_after_it(running, chain):
    """What had finished is kept; the failed try stays on record."""
    three, done, broken = chain
    handle = await running.start(three, ticket="t")
    await running.runs.finished(handle.id, timeout_seconds=20)
    broken.clear()
    done.clear()
    assert (await running.runs.resume(handle.id)).status is not RunStatus.DEAD
    assert await handle.result(timeout_seconds=20) == "T"
    assert done == ["second", "third"]
    steps = [
        (step.name, step.status.value, bool(step.rewound)) for step in await running.runs.steps(handle.id)
    ]
    assert sorted(steps) == [
        ("first", "succeeded", False),
        ("second", "failed", True),
        ("second", "succeeded", False),
        ("third", "succeeded", False),
    ]
    run = await handle.run()
    assert (run.error_kind, run.error_step) == (None, None)


async def test_all_dead_runs_that_fit_are_resumed_at_once(running, chain):
    """In bulk, by workflow, state or cause."""
    three, _, broken = chain
    handles = [await running.start(three, ticket=f"t{number}") for number in range(5)]
    for handle in handles:
        await running.runs.finished(handle.id, timeout_seconds=20)
    broken.clear()
    assert await running.runs.resume_all(Filter(error_kind="OtherError")) == []
    assert set(await running.runs.resume_all(Filter(workflow="three"))) == {handle.id for handle in handles}
    assert [await handle.result(timeout_seconds=20) for handle in handles] == [
        f"T{number}" for number in range(5)
    ]


async def test_a_resume_from_a_step_does_it_and_everything_after_it_again(running, chain):
    """Also finished steps, when somebody says from where."""
    three, done, broken = chain
    handle = await running.start(three, ticket="t")
    await running.runs.finished(handle.id, timeout_seconds=20)
    broken.clear()
    done.clear()
    await running.runs.resume(handle.id, from_step="first")
    assert await handle.result(timeout_seconds=20) == "T"
    assert done == ["first", "second", "third"]
    with pytest.raises(StateConflict, match="replay"):
        await running.runs.resume(handle.id)


async def test_a_replay_from_a_step_takes_the_earlier_ones_over(running, chain):
    """A new run, with copies of what the old one had done before that step."""
    three, done, broken = chain
    broken.clear()
    handle = await running.start(three, ticket="t")
    await handle.result(timeout_seconds=20)
    done.clear()
    again = await running.runs.replay(handle.id, from_step="second")
    assert await again.result(timeout_seconds=20) == "T"
    assert done == ["second", "third"]
    assert (await again.run()).replay_of == handle.id
    whole = await running.runs.replay(handle.id)
    assert await whole.result(timeout_seconds=20) == "T"
    assert done == ["second", "third", "first", "second", "third"]
    with pytest.raises(NotFound, match="'fourth'"):
        await running.runs.replay(handle.id, from_step="fourth")


async def test_a_queued_and_a_waiting_run_are_cancelled_at_once(running, is_in):
    """Nobody executes them, so nobody has to be asked."""

    @running.workflow
    async def waits() -> None:
        await running.wait_for_signal("never")

    later = await running.runs.start("waits", {}, due_at=running.clock.now_ms() + 3_600_000)
    waiting = await running.start(waits)
    await is_in(waiting, "waiting")
    for handle in (later, waiting):
        assert await running.runs.cancel(handle.id) is RunStatus.CANCELLED
        with pytest.raises(StateConflict, match="cancelled"):
            await handle.result(timeout_seconds=20)
    await running.runs.resume(waiting.id)
    await is_in(waiting, "waiting")


async def test_a_running_run_is_stopped_with_its_step_and_its_children(running, gate, is_in, until):
    """The step is cancelled where it stands, and so is everything below."""
    stopped = []

    @running.step
    async def hold(number: int) -> None:
        try:
            await gate.wait()
        finally:
            stopped.append(number)

    @running.workflow
    async def child(number: int) -> None:
        await hold(number)

    @running.workflow
    async def parent() -> None:
        await running.map(child, [1, 2])

    handle = await running.start(parent)
    await until(lambda: gate.came == 2)
    await running.runs.cancel(handle.id)
    await is_in(handle, "cancelled")
    children = (await running.runs.show(handle.id)).children
    assert len(children) == 2
    for one in children:
        assert (await running.runs.finished(one.id, timeout_seconds=20)).status is RunStatus.CANCELLED
    assert sorted(stopped) == [1, 2]
    with pytest.raises(NotFound):
        await running.runs.cancel("run_none")


async def test_a_failed_child_fails_its_parent_and_both_are_resumed_together(running):
    """The parent's resume brings the children that died along."""
    broken = [True]

    @running.step
    async def fragile(number: int) -> int:
        if broken and number == 2:
            raise LookupError("gone")
        return number

    @running.workflow
    async def child(number: int) -> int:
        return await fragile(number)

    @running.workflow
    async def parent() -> list[int]:
        return await running.map(child, [1, 2, 3])

    handle = await running.start(parent)
    with pytest.raises(StepFailed, match=r"1 of 3 runs of 'child' did not finish.*gone"):
        await handle.result(timeout_seconds=20)
    broken.clear()
    await running.runs.resume(handle.id)
    assert await handle.result(timeout_seconds=20) == [1, 2, 3]
    assert len((await running.runs.show(handle.id)).children) == 3


async def test_failed_children_can_be_collected_as_values(running):
    """`on_error="collect"` gives the failure in place of the result."""

    @running.workflow
    async def child(number: int) -> int:
        return 10 // number

    seen = []

    @running.workflow
    async def parent() -> int:
        seen.extend(await running.map(child, [1, 0, 5], on_error="collect"))
        return len(seen)

    assert await (await running.start(parent)).result(timeout_seconds=20) == 3
    assert (seen[0], seen[1].kind, seen[2]) == (10, "ZeroDivisionError", 2)


async def test_a_workflow_that_would_run_itself_without_end_is_refused(running):
    """A cycle with the same input is named with its whole chain."""

    @running.workflow
    async def ping(name: str) -> str:
        return await pong(name)

    @running.workflow
    async def pong(name: str) -> str:
        return await ping(name)

    handle = await running.start(ping, name="a")
    run = await running.runs.finished(handle.id, timeout_seconds=20)
    assert run.status is RunStatus.DEAD
    assert "ping → pong → ping" in (run.error_message or "")


async def test_a_failing_workflow_body_is_dead_and_its_parallel_steps_come_to_their_end(running):
    """What parallel steps paid for is kept, though the workflow failed beside them."""
    finished = []

    @running.step
    async def slow() -> None:
        await asyncio.sleep(0.1)
        finished.append("slow")

    @running.workflow
    async def careless() -> None:
        task = asyncio.ensure_future(slow())
        await asyncio.sleep(0.02)
        if not task.done():
            raise ValueError("too hasty")

    handle = await running.start(careless)
    run = await running.runs.finished(handle.id, timeout_seconds=20)
    assert (run.status, run.error_kind) == (RunStatus.DEAD, "ValueError")
    (step,) = await running.runs.steps(handle.id)
    assert (finished, step.status.value) == (["slow"], "succeeded")
