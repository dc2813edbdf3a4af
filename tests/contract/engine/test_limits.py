"""Time-outs, deadlines, latency budgets and retries, with every attempt on record."""

import asyncio
import threading
import time
from itertools import pairwise

import pytest

from roadworthy import Retry, TransportError
from roadworthy.errors import InvalidInput, StepFailed
from roadworthy.workflows import RunStatus


async def _attempts(app, handle):
    (step,) = await app.runs.steps(handle.id)
    return [(attempt.number, attempt.status.value, attempt.error_kind) for attempt in step.attempts]


@pytest.fixture
def one_step(running):
    """A workflow of one step, made of the given function and options."""

    def make(function, **options):
        step = running.step(**options)(function) if options else running.step(function)

        @running.workflow
        async def only() -> object:
            return await step()

        return only

    return make


async def test_a_step_is_tried_again_after_growing_pauses_and_every_attempt_is_on_record(running, one_step):
    """Two failures, then a success: three attempts with times and kinds."""
    calls = []

    async def shaky() -> int:
        calls.append(time.monotonic())
        if len(calls) < 3:
            raise TransportError("no line")
        return len(calls)

    retry = Retry(attempts=5, on=TransportError, initial_seconds=0.1, factor=3, jitter=0)
    handle = await running.start(one_step(shaky, retry=retry))
    assert await handle.result(timeout_seconds=20) == 3
    expected = [(1, "failed", "transport_error"), (2, "failed", "transport_error"), (3, "succeeded", None)]
    assert await _attempts(running, handle) == expected
    pauses = [later - earlier for earlier, later in pairwise(calls)]
    assert pauses[0] >= 0.1
    assert pauses[1] >= 0.3


async def test_a_pause_is_as_long_as_retry_after_asks(running, one_step):
    """What the outside asks for overrides a shorter backoff."""
    calls = []

    async def limited() -> None:
        calls.append(time.monotonic())
        if len(calls) == 1:
            error = TransportError("slow down")
            error.retry_after_seconds = 0.5
            raise error

    retry = Retry(attempts=2, on=TransportError, initial_seconds=0.001)
    await (await running.start(one_step(limited, retry=retry))).result(timeout_seconds=20)
    assert calls[1] - calls[0] >= 0.5


async def test_an_error_that_repeating_cannot_mend_is_not_repeated(running, one_step):
    """A wrong input stays wrong."""

    async def wrong() -> None:
        raise InvalidInput("no such field")

    handle = await running.start(one_step(wrong, retry=Retry(attempts=5, initial_seconds=0.001)))
    with pytest.raises(StepFailed):
        await handle.result(timeout_seconds=20)
    assert await _attempts(running, handle) == [(1, "failed", "invalid_input")]


async def test_a_step_that_runs_over_its_time_fails_as_step_timeout(running, one_step):
    """An asynchronous step is stopped where it stands."""
    stopped = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    handle = await running.start(one_step(endless, timeout_seconds=0.2))
    with pytest.raises(StepFailed, match=r"ran longer than its 0\.2 s") as failed:
        await handle.result(timeout_seconds=20)
    assert failed.value.kind == "step_timeout"
    assert stopped == [True]


async def test_a_synchronous_step_is_not_waited_for_beyond_its_time(running, one_step):
    """Its thread cannot be stopped, but the run goes on without it."""
    release = threading.Event()

    def blocks() -> None:
        release.wait(20)

    began = time.monotonic()
    handle = await running.start(one_step(blocks, timeout_seconds=0.2))
    try:
        with pytest.raises(StepFailed, match="ran longer"):
            await handle.result(timeout_seconds=20)
        assert time.monotonic() - began < 10
    finally:
        release.set()


async def test_a_time_out_is_retried_where_the_policy_names_time(running, one_step):
    """`on=TransportError` covers a step that took too long, too."""
    calls = []

    async def slow_once() -> int:
        calls.append(1)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return len(calls)

    retry = Retry(attempts=2, on=TransportError, initial_seconds=0.001)
    handle = await running.start(one_step(slow_once, retry=retry, timeout_seconds=0.2))
    assert await handle.result(timeout_seconds=20) == 2


async def test_a_run_that_passes_its_deadline_is_dead_and_says_so(running):
    """The deadline stops the run in the middle of a step."""

    @running.step
    async def endless() -> None:
        await asyncio.Event().wait()

    @running.workflow(timeout_seconds=0.4)
    async def late() -> None:
        await endless()

    handle = await running.start(late)
    run = await running.runs.finished(handle.id, timeout_seconds=20)
    assert (run.status, run.error_kind) == (RunStatus.DEAD, "run_timeout")
    (step,) = await running.runs.steps(handle.id)
    assert step.status == "stopped"


async def test_a_deadline_counts_from_the_first_start_and_not_from_the_last(app, gate):
    """A restart gives a run no new time."""

    @app.step
    async def hold() -> None:
        await gate.wait()

    @app.workflow(timeout_seconds=0.5)
    async def late() -> None:
        await hold()

    async with app.running(patience_seconds=0):
        handle = await app.start(late)
        await gate.reached()
        before = await handle.run()
    async with app.running():
        run = await app.runs.finished(handle.id, timeout_seconds=20)
    assert (run.error_kind, run.deadline_at) == ("run_timeout", before.deadline_at)


async def test_running_over_a_latency_budget_is_noted_and_stops_nothing(running):
    """Step and run are marked, and succeed."""

    @running.step(latency_budget_seconds=0.01)
    async def slow() -> str:
        await asyncio.sleep(0.05)
        return "done"

    @running.step(latency_budget_seconds=60)
    async def quick() -> None:
        return None

    @running.workflow(latency_budget_seconds=0.02)
    async def both() -> str:
        await quick()
        return await slow()

    handle = await running.start(both)
    assert await handle.result(timeout_seconds=20) == "done"
    assert (await handle.run()).over_budget
    assert {step.name: step.over_budget for step in await running.runs.steps(handle.id)} == {
        "quick": False,
        "slow": True,
    }
