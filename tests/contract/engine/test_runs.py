"""Starting runs, and what they return."""

import asyncio
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from roadworthy.errors import IdempotencyConflict, InvalidInput, RunTimeout, StepFailed
from roadworthy.workflows import RunStatus


class Ticket(BaseModel):
    """A value of the user's own type."""

    id: str
    due: date


async def test_a_process_that_does_not_work_never_executes_a_run(make_app):
    """Only workers execute: a client's run stays queued until there is one."""
    client, worker = make_app(), make_app()

    @client.workflow(name="hello")
    async def from_client(name: str) -> str:
        return name

    @worker.workflow(name="hello")
    async def from_worker(name: str) -> str:
        return f"hello {name}"

    async with client.running(work=False):
        handle = await client.start(from_client, name="Ada")
        with pytest.raises(RunTimeout):
            await handle.result(timeout_seconds=0.4)
        assert (await handle.run()).status is RunStatus.QUEUED
        async with worker.running():
            assert await handle.result(timeout_seconds=20) == "hello Ada"


async def test_the_same_key_gives_the_same_run_also_to_twenty_at_once(running):
    """However many ask under one key, one run is made."""
    done = []

    @running.workflow
    async def count(number: int) -> int:
        done.append(number)
        return len(done)

    async def start():
        return await running.runs.start(count, {"number": 1}, idempotency_key="k")

    handles = await asyncio.gather(*(start() for _ in range(20)))
    assert len({handle.id for handle in handles}) == 1
    assert await handles[0].result(timeout_seconds=20) == 1
    assert (await start()).id == handles[0].id
    assert done == [1]


async def test_the_same_key_with_another_input_is_a_conflict(running):
    """A key belongs to one input; the first run stands."""

    @running.workflow
    async def echo(number: int) -> int:
        return number

    first = await running.runs.start(echo, {"number": 1}, idempotency_key="k")
    with pytest.raises(IdempotencyConflict, match=first.id):
        await running.runs.start(echo, {"number": 2}, idempotency_key="k")
    other = await running.runs.start(echo, {"number": 2}, idempotency_key="k", tenant="other")
    assert [await first.result(timeout_seconds=20), await other.result(timeout_seconds=20)] == [1, 2]


async def test_a_value_is_the_same_live_and_replayed(app, gate, is_in):
    """What a step returns goes through JSON before the workflow sees it: its own type, or plain values."""
    seen = []

    @app.step
    async def typed() -> Ticket:
        return Ticket(id="t-1", due=date(2026, 3, 1))

    @app.step
    async def plain():
        return {
            "set": {1},
            "tuple": (1, 2),
            "when": datetime(2026, 3, 1, 12, tzinfo=UTC),
            "cost": Decimal("1.10"),
        }

    @app.step
    async def hold() -> None:
        await gate.wait()

    @app.workflow
    async def values() -> str:
        seen.append((await typed(), await plain()))
        await hold()
        return "done"

    async with app.running(patience_seconds=0):
        handle = await app.start(values)
        await is_in(handle, "running")
        await gate.reached()
    gate.open()
    async with app.running():
        run = await app.runs.finished(handle.id, timeout_seconds=20)
    assert run.status is RunStatus.SUCCEEDED
    live, replayed = seen
    assert live == replayed
    assert live == (
        Ticket(id="t-1", due=date(2026, 3, 1)),
        {"set": [1], "tuple": [1, 2], "when": "2026-03-01T12:00:00Z", "cost": "1.10"},
    )


async def test_a_result_that_cannot_be_stored_is_a_clear_failure_and_not_a_crash(running):
    """The step fails as on record, with what to do."""

    @running.step
    async def handles():
        return asyncio.Lock()

    @running.workflow
    async def bad() -> None:
        await handles()

    handle = await running.start(bad)
    with pytest.raises(StepFailed, match=r"'handles' cannot be stored") as failed:
        await handle.result(timeout_seconds=20)
    assert failed.value.kind == InvalidInput.code
    run = await handle.run()
    assert (run.status, run.error_step, run.error_kind) == (RunStatus.DEAD, "handles", "invalid_input")


async def test_code_that_ends_the_program_ends_its_run_and_no_worker(running):
    """`sys.exit` in a step, in a thread or not, and in the body of a workflow: the next run is executed."""

    @running.step
    def leave() -> None:
        sys.exit(3)

    @running.step
    async def quit_at_once() -> None:
        sys.exit("done here")

    @running.workflow
    async def scripted(way: str) -> str:
        match way:
            case "thread":
                await leave()
            case "loop":
                await quit_at_once()
            case "body":
                sys.exit()
        return way

    told = []
    for way in ("thread", "loop", "body"):
        handle = await running.start(scripted, way=way)
        with pytest.raises(StepFailed):
            await handle.result(timeout_seconds=20)
        told.append((await handle.run()).error_message)
    assert told == ["SystemExit: 3", "SystemExit: done here", "SystemExit: "]
    assert await (await running.start(scripted, way="on")).result(timeout_seconds=20) == "on"


async def test_a_failure_is_the_same_value_live_and_replayed(app, gate):
    """The workflow takes the same branch again, because it sees the same error again."""
    seen = []

    @app.step
    async def fail() -> None:
        raise LookupError("no such ticket")

    @app.step
    async def hold() -> None:
        await gate.wait()

    @app.workflow
    async def branch() -> str:
        try:
            await fail()
        except StepFailed as error:
            seen.append((type(error), error.kind, error.step, error.attempts, str(error)))
        await hold()
        return "other branch"

    async with app.running(patience_seconds=0):
        handle = await app.start(branch)
        await gate.reached()
    gate.open()
    async with app.running():
        assert (await app.runs.finished(handle.id, timeout_seconds=20)).status is RunStatus.SUCCEEDED
    assert seen[0] == seen[1]
    assert seen[0][:4] == (StepFailed, "LookupError", "fail", 1)


async def test_a_checkpoint_that_is_not_json_is_refused(app, gate):
    """Whatever wrote it, it is never unpickled: the run ends, and says why."""

    @app.step
    async def one() -> int:
        return 1

    @app.step
    async def hold() -> None:
        await gate.wait()

    @app.workflow
    async def two_steps() -> None:
        await one()
        await hold()

    async with app.running(patience_seconds=0):
        handle = await app.start(two_steps)
        await gate.reached()
    gate.open()
    async with app.running(work=False):
        schema = "" if app.database.is_sqlite else "dbos."
        update = sa.text(f"UPDATE {schema}operation_outputs SET output = :pickled WHERE function_id = 1")
        await app.database.write(lambda tx: tx.execute(update, {"pickled": "gASVBQAAAAAAAABLAS4="}))
    async with app.running():
        run = await app.runs.finished(handle.id, timeout_seconds=20)
    assert (run.status, run.error_kind) == (RunStatus.DEAD, "bug")
    assert "not JSON" in (run.error_message or "")
