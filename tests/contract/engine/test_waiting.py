"""Waiting for signals, for time, and for nothing at all."""

import time

import pytest

from roadworthy.errors import StepFailed
from roadworthy.workflows import Filter, RunStatus


@pytest.fixture
def ask(running):
    """A workflow that waits for a signal between two steps, and what its steps did."""
    done = []

    @running.step
    async def note(what: str) -> str:
        done.append(what)
        return what

    @running.workflow
    async def asking(name: str) -> list[str]:
        before = await note(f"before {name}")
        answer = await running.wait_for_signal("answer")
        return [before, await note(f"{answer} {name}")]

    asking.done = done
    return asking


async def test_a_signal_continues_a_parked_wait_and_every_step_is_done_once(running, ask, is_in, until):
    """A long wait leaves the process; the answer brings the run back where it was."""
    handle = await running.start(ask, name="a")
    await is_in(handle, "waiting")
    assert (await handle.run()).waiting_for == "signal:answer"
    await until(lambda: not running._worker.executor.active)
    await running.runs.signal(handle.id, "answer", "yes")
    assert await handle.result(timeout_seconds=20) == ["before a", "yes a"]
    assert ask.done == ["before a", "yes a"]


async def test_a_signal_that_comes_before_it_is_waited_for_is_not_lost(running, ask):
    """It lies there until the run asks for it."""
    handle = await running.start(ask, name="a")
    await running.runs.signal(handle.id, "answer", "early")
    assert await handle.result(timeout_seconds=20) == ["before a", "early a"]


async def test_a_signal_is_received_once_and_in_the_order_it_was_sent(running):
    """Two waits for one name take two signals."""

    @running.workflow
    async def twice() -> list[str]:
        return [str(await running.wait_for_signal("word")) for _ in range(2)]

    handle = await running.start(twice)
    for word in ("first", "second"):
        await running.runs.signal(handle.id, "word", word)
    assert await handle.result(timeout_seconds=20) == ["first", "second"]


async def test_a_wait_for_a_signal_ends_with_its_time(running):
    """The workflow sees a failure of kind step_timeout, also when the wait had left the process."""

    @running.workflow
    async def impatient() -> str:
        try:
            await running.wait_for_signal("never", timeout_seconds=0.6)
        except StepFailed as error:
            return error.kind
        return "answered"

    assert await (await running.start(impatient)).result(timeout_seconds=20) == "step_timeout"


async def test_a_sleep_survives_the_process_and_is_not_begun_anew(app, is_in):
    """What is left of a sleep after a restart is the rest of it."""

    @app.workflow
    async def sleeper() -> str:
        await app.sleep(1.0)
        return "awake"

    async with app.running(patience_seconds=0):
        handle = await app.start(sleeper)
        await is_in(handle, "waiting")
    began = time.monotonic()
    async with app.running():
        run = await app.runs.finished(handle.id, timeout_seconds=20)
    assert run.status is RunStatus.SUCCEEDED
    assert run.seconds >= 1.0
    assert time.monotonic() - began < 10


async def test_hundreds_of_waiting_runs_leave_the_process(make_app, until):
    """They hold no task; `benchmarks/waiting.py` shows what ten thousand of them cost."""
    app = make_app(workers__concurrency=300)

    @app.workflow
    async def wait_long(number: int) -> str:
        return str(await app.wait_for_signal("wake"))

    async with app.running():
        handles = [await app.start(wait_long, number=number) for number in range(300)]

        async def all_wait() -> bool:
            return await app.runs.count(Filter()) == {RunStatus.WAITING: 300}

        await until(all_wait, seconds=60)
        await until(lambda: not app._worker.executor.active)
        await app.runs.signal(handles[150].id, "wake", "up")
        assert await handles[150].result(timeout_seconds=20) == "up"
