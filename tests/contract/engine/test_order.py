"""The order of steps: parallel branches never swap results, and changed code is never replayed."""

import asyncio

import pytest

from roadworthy.errors import StepFailed
from roadworthy.workflows import RunStatus


@pytest.fixture
def tracked(app, gate):
    """A step that answers later the smaller its number is, and one that holds the run."""

    @app.step
    async def reverse(number: int) -> int:
        await asyncio.sleep(0.01 * (5 - number))
        return number * 10

    @app.step
    async def hold() -> None:
        await gate.wait()

    return reverse, hold


async def test_a_second_step_in_a_parallel_branch_is_a_clear_error(running):
    """It is refused where it is written, live, and the run says what to do instead."""

    @running.step
    async def one(number: int) -> int:
        return number

    async def branch(number: int) -> int:
        return await one(await one(number))

    @running.workflow
    async def swaps() -> list[int]:
        return list(await asyncio.gather(branch(1), branch(2)))

    handle = await running.start(swaps)
    run = await running.runs.finished(handle.id, timeout_seconds=20)
    assert (run.status, run.error_kind) == (RunStatus.DEAD, "order_error")
    with pytest.raises(StepFailed, match=r"second of a parallel branch.*app\.map"):
        await handle.result()


@pytest.mark.parametrize("how", ["gather", "map", "map workflow"])
async def test_parallel_results_are_never_swapped_after_a_restart(app, gate, tracked, how):
    """They come back in the order they were asked for, whatever finished first, live and replayed."""
    reverse, hold = tracked
    seen = []

    @app.workflow
    async def child(number: int) -> int:
        return await reverse(await reverse(number) // 10)

    @app.workflow
    async def fan_out() -> list[int]:
        if how == "gather":
            results = list(await asyncio.gather(*(reverse(number) for number in range(5))))
        else:
            results = await app.map(reverse if how == "map" else child, list(range(5)))
        seen.append(results)
        await hold()
        return results

    async with app.running(patience_seconds=0):
        handle = await app.start(fan_out)
        await gate.reached()
    gate.open()
    async with app.running():
        assert (await app.runs.finished(handle.id, timeout_seconds=20)).status is RunStatus.SUCCEEDED
        assert (await app.runs.payload(handle.id))[1] == [0, 10, 20, 30, 40]
    assert seen == [[0, 10, 20, 30, 40]] * 2


async def test_a_parallel_branch_that_asks_in_another_order_is_parked_and_not_swapped(app, gate):
    """Two gathered steps that change places on a replay are noticed by what they were asked."""
    order = [1, 2]

    @app.step
    async def one(number: int) -> int:
        return number

    @app.step
    async def hold() -> None:
        await gate.wait()

    @app.workflow
    async def unsteady() -> list[int]:
        results = list(await asyncio.gather(*(one(number) for number in order)))
        await hold()
        return results

    async with app.running(patience_seconds=0):
        handle = await app.start(unsteady)
        await gate.reached()
    order.reverse()
    gate.open()
    async with app.running():
        run = await app.runs.finished(handle.id, timeout_seconds=20)
    assert (run.status, run.error_kind) == (RunStatus.PARKED, "order_changed")


def _version_one(app, gate):
    done = []

    @app.step
    async def first() -> None:
        done.append("first")

    @app.step
    async def hold() -> None:
        await gate.wait()

    @app.workflow(name="changing")
    async def before() -> str:
        await first()
        await hold()
        return "old"

    return before, done


async def _stopped_in_the_middle(app, workflow, gate):
    async with app.running(patience_seconds=0):
        handle = await app.start(workflow)
        await gate.reached()
    return handle.id


async def test_a_run_whose_code_changed_is_parked_and_goes_on_when_it_is_resumed(make_app, gate):
    """Nothing is replayed on new code until somebody says so; then finished steps are kept."""
    old, new = make_app(), make_app()
    workflow, done = _version_one(old, gate)

    @new.step
    async def first() -> None:
        done.append("again")

    @new.workflow(name="changing")
    async def after() -> str:
        await first()
        return "new"

    run_id = await _stopped_in_the_middle(old, workflow, gate)
    async with new.running():
        run = await new.runs.finished(run_id, timeout_seconds=20)
        assert (run.status, run.error_kind) == (RunStatus.PARKED, "code_changed")
        await new.runs.resume(run_id)
        run = await new.runs.finished(run_id, timeout_seconds=20)
        assert run.status is RunStatus.SUCCEEDED
        assert (await new.runs.payload(run_id))[1] == "new"
    assert done == ["first"]


async def test_a_parked_run_goes_on_by_itself_where_its_own_code_still_runs(make_app, gate):
    """A worker on the old code takes it up and finishes it."""
    old, new, old_again = make_app(), make_app(), make_app()
    workflow, done = _version_one(old, gate)
    _version_one(old_again, gate)

    @new.workflow(name="changing")
    async def after() -> str:
        return "new"

    run_id = await _stopped_in_the_middle(old, workflow, gate)
    async with new.running():
        assert (await new.runs.finished(run_id, timeout_seconds=20)).status is RunStatus.PARKED
    gate.open()
    async with old_again.running():
        assert (await old_again.runs.finished(run_id, timeout_seconds=20)).status is RunStatus.SUCCEEDED
        assert (await old_again.runs.payload(run_id))[1] == "old"
    assert done == ["first"]


async def test_a_run_whose_workflow_is_gone_is_parked_and_can_be_cancelled(make_app, gate):
    """It does not stay pending for ever, and says why."""
    old, new = make_app(), make_app()
    workflow, _ = _version_one(old, gate)
    run_id = await _stopped_in_the_middle(old, workflow, gate)
    async with new.running():
        run = await new.runs.finished(run_id, timeout_seconds=20)
        assert (run.status, run.error_kind) == (RunStatus.PARKED, "code_changed")
        assert "no workflow of that name" in (run.error_message or "")
        assert await new.runs.cancel(run_id) is RunStatus.CANCELLED
