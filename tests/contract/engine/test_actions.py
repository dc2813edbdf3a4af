"""Actions: done once under their key, by whatever run, and never on an unchecked answer."""

from decimal import Decimal

import pytest

from roadworthy import Answer, Decision, Usage
from roadworthy.errors import StepFailed
from roadworthy.workflows import RunStatus


@pytest.fixture
def outbox(app):
    """An action that sends a text, a workflow around it, and what was sent under which key."""
    sent = []

    @app.action
    async def send(text: str, *, key: str = "") -> str:
        sent.append((key, text))
        return f"sent {text}"

    @app.workflow
    async def sending(text: str, key: str) -> str:
        return await send(text, key=key)

    return sending, sent


async def test_an_action_is_done_once_under_its_key_by_whatever_run(running, outbox):
    """A second run that asks for the same gets what the first one got."""
    sending, sent = outbox
    for _ in range(2):
        handle = await running.start(sending, text="hello", key="k-1")
        assert await handle.result(timeout_seconds=20) == "sent hello"
    assert sent == [("k-1", "hello")]


async def test_an_action_under_a_used_key_with_another_input_is_a_conflict(running, outbox):
    """The first act stands."""
    sending, sent = outbox
    await (await running.start(sending, text="hello", key="k-1")).result(timeout_seconds=20)
    with pytest.raises(StepFailed, match="under the key 'k-1'") as failed:
        await (await running.start(sending, text="goodbye", key="k-1")).result(timeout_seconds=20)
    assert failed.value.kind == "idempotency_conflict"
    assert sent == [("k-1", "hello")]


async def test_an_action_without_a_key_gets_one_of_its_run_and_place(running, outbox):
    """It is the same after a restart, and another one in another run."""
    sending, sent = outbox
    handles = [await running.start(sending, text="hello", key="") for _ in range(2)]
    for handle in handles:
        await handle.result(timeout_seconds=20)
    assert sorted(key for key, _ in sent) == sorted(f"{handle.id}:1" for handle in handles)


async def test_two_runs_that_act_under_one_key_at_once_do_it_once(running, gate, until):
    """The second one is told that the first is at it, and may try again."""
    sent = []

    @running.action
    async def send(text: str, *, key: str = "") -> str:
        sent.append(text)
        await gate.wait()
        return text

    @running.workflow
    async def sending(text: str) -> str:
        return await send(text, key="k-1")

    first = await running.start(sending, text="hello")
    await until(lambda: gate.came == 1)
    second = await running.start(sending, text="hello")
    run = await running.runs.finished(second.id, timeout_seconds=20)
    assert (run.status, run.error_kind) == (RunStatus.DEAD, "idempotency_conflict")
    gate.open()
    assert await first.result(timeout_seconds=20) == "hello"
    await running.runs.resume(second.id)
    assert await second.result(timeout_seconds=20) == "hello"
    assert sent == ["hello"]


async def test_an_action_that_was_cut_off_is_repeated_under_the_same_key(app, gate):
    """The outside can recognise the repetition."""
    keys = []

    @app.action
    async def send(text: str, *, key: str = "") -> str:
        keys.append(key)
        await gate.wait()
        return text

    @app.workflow
    async def sending() -> str:
        return await send("hello")

    async with app.running(patience_seconds=0):
        handle = await app.start(sending)
        await gate.reached()
    gate.open()
    async with app.running():
        assert (await app.runs.finished(handle.id, timeout_seconds=20)).status is RunStatus.SUCCEEDED
    assert keys == [f"{handle.id}:1"] * 2


async def test_an_irreversible_action_takes_a_decision_and_no_answer(running):
    """Checked when it runs, wherever in its arguments the answer hides."""
    sent = []

    @running.action(irreversible=True)
    async def pay(amount: object, *, key: str = "") -> int:
        sent.append(amount)
        return 1

    answer = Answer(7, "call_1", "rule", "p@v1", "hash", "model", Usage(), Decimal(0), True, 0.1, 1)

    @running.workflow
    async def paying(how: str) -> int:
        given = {"answer": answer, "hidden": {"deep": [answer]}, "plain": 7}
        return await pay(given[how] if how in given else Decision.by_rule(answer, rule="amount below 10"))

    for how in ("answer", "hidden", "plain"):
        run = await running.runs.finished((await running.start(paying, how=how)).id, timeout_seconds=20)
        assert run.status is RunStatus.DEAD
        assert "'pay' is irreversible" in (run.error_message or "")
    assert await (await running.start(paying, how="decision")).result(timeout_seconds=20) == 1
    assert len(sent) == 1
