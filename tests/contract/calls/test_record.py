"""What a call leaves behind: rows, prices, payloads, events; and what it never leaves behind."""

import asyncio
import io
import logging
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.calls import Pipeline
from roadworthy.db.tables import metadata
from roadworthy.errors import InvalidAnswer, NotFound, ProviderError, RenderError
from roadworthy.records import Usage
from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry import EVENT_LOGGER, configure
from roadworthy.testing.simulated import (
    BadRequest,
    ContentFiltered,
    NegativeTokens,
    OtherModel,
    Reply,
    ResetConnection,
    ServerError,
)

RUN = {
    "id": "run_1",
    "workflow": "w",
    "status": "running",
    "environment": "e",
    "input_hash": "h",
    "created_at": 0,
}
GOOD = {"outcome": "answer", "message": "Tomorrow."}


async def test_a_call_is_priced_and_on_record_with_what_was_exchanged(desk):
    """The answer and the record agree on model, tokens, cost and version."""
    desk.server.add(Reply(GOOD, usage=Usage(1_000, 500)))
    answer = await desk.ask(desk.pipeline(), tenant="t1", user_id="u1")
    assert (answer.value.message, answer.rung, answer.model) == ("Tomorrow.", "main", "first-model")
    assert (answer.usage, answer.cost_usd, answer.cost_known) == (Usage(1_000, 500), Decimal("0.003"), True)
    call = await desk.only()
    assert (call["id"], call["status"], call["rung"]) == (answer.call_id, "succeeded", "main")
    assert (call["prompt_version"], call["prompt_hash"]) == ("reply@v1", answer.prompt_hash)
    assert (call["cost_micro_usd"], call["cost_known"]) == (3_000, True)
    assert (call["tenant"], call["user_id"]) == ("t1", "u1")
    (attempt,) = call["tried"]
    assert attempt["cost_source"] == "settings"
    assert attempt["sent"]["model"] == "first-model"
    assert attempt["sent"]["max_completion_tokens"] == 100
    assert attempt["received"]["choices"][0]["message"]["content"]
    assert attempt["provider_request_id"]


async def test_attempts_are_numbered_and_their_costs_add_up(desk):
    """Tokens and cost of the answer are those of all attempts, failed ones included."""
    desk.server.add(ServerError(), Reply("not json", usage=Usage(100, 10)), Reply(GOOD, usage=Usage(200, 20)))
    answer = await desk.ask(desk.pipeline())
    call = await desk.only()
    assert [one["number"] for one in call["tried"]] == [1, 2, 3]
    assert [one["reason"] for one in call["tried"]] == ["first", "retry", "repair"]
    assert answer.usage == Usage(300, 30)
    assert answer.cost_usd == Decimal("0.00042")
    assert call["tried"][0]["cost_source"] == ""


async def test_an_unknown_price_is_never_free(desk):
    """A model without a price has a cost that is not known, in the answer and on record."""
    answer = await desk.ask(desk.pipeline(model={"prices": None}))
    assert not answer.cost_known
    call = await desk.only()
    assert call["cost_known"] is False
    assert call["tried"][0]["cost_source"] == "unknown"


async def test_counts_of_a_failure_are_charged_as_counted(desk):
    """A refusal that the provider counted costs what it counted, not the estimate."""
    desk.server.add(ContentFiltered())
    answer = await desk.ask(desk.pipeline("main", "second"))
    first = (await desk.only())["tried"][0]
    assert first["cost_source"] == "settings"
    assert first["input_tokens"] > 0
    assert answer.cost_known


async def test_missing_or_impossible_counts_are_charged_as_an_estimate(desk):
    """Counts that cannot be true never make a call cheap, break the record, or go unnoticed."""
    desk.server.add(NegativeTokens(), Reply(GOOD, usage=Usage(10**30, 5)))
    pipeline = desk.pipeline()
    for _ in range(2):
        assert not (await desk.ask(pipeline)).cost_known
    for call in await desk.recorded():
        assert call["tried"][0]["cost_source"] == "estimate of settings"
        assert call["tried"][0]["cost_micro_usd"] > 0
        assert "count" in " ".join(call["tried"][0]["notes"])


async def test_what_was_odd_is_noted(desk):
    """An answer of another model than the one asked for is noted and priced all the same."""
    desk.server.add(OtherModel("surprise\x00model"))
    answer = await desk.ask(desk.pipeline())
    attempt = (await desk.only())["tried"][0]
    assert "surprise" in attempt["notes"][0]
    assert attempt["provider_model"].startswith("surprise")
    assert answer.model.startswith("surprise")


@pytest.mark.parametrize(
    ("output", "reply", "value"),
    [
        (str, "Tomorrow.", "Tomorrow."),
        (int, {"value": 4}, 4),
        (list[int], {"value": [1, 2]}, [1, 2]),
        (dict[str, dict[str, int]], {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
async def test_outputs_of_any_type_come_through(desk, output, reply, value):
    """Text, numbers, lists and nested objects come back as the type that was asked for."""
    desk.server.add(Reply(reply))
    assert (await desk.ask(desk.pipeline(), output)).value == value


@pytest.mark.parametrize(
    "text",
    [
        '{"outcome": "answer", "message": NaN}',
        "[" * 100_000,
        '{"outcome": "answer", "message": "a", "message": "b"}',
        "nul \x00 and \x1b[31m",
        '{"outcome": "\\u0000' + "x" * 5_000 + '", "message": "b"}',
    ],
)
async def test_a_hostile_answer_is_refused_and_recorded(desk, text):
    """Whatever the model writes, the user sees a clear error and the record is complete."""
    desk.server.add(Reply(text), Reply(text))
    with pytest.raises(InvalidAnswer):
        await desk.ask(desk.pipeline())
    call = await desk.only()
    assert [one["status"] for one in call["tried"]] == ["invalid", "invalid"]
    assert call["tried"][0]["received"]["choices"][0]["message"]["content"] == text


async def test_an_answer_of_ten_megabytes_comes_through(desk):
    """A huge answer is checked beside the event loop and recorded as it came."""
    desk.server.add(Reply({"outcome": "answer", "message": "x" * 10_000_000}))
    answer = await desk.ask(desk.pipeline(model={"timeout_seconds": 60}))
    assert len(answer.value.message) == 10_000_000
    assert len((await desk.only())["tried"][0]["received"]["choices"][0]["message"]["content"]) > 10_000_000


async def test_a_function_is_the_last_rung(desk):
    """When no network model answers, the project's own function does, at no cost."""
    desk.functions["desk:rule"] = lambda request: {"outcome": "refuse", "message": request.inputs["text"]}
    desk.server.add(BadRequest(), BadRequest())
    answer = await desk.ask(desk.pipeline("main", "second", "rule"), text="Hm?")
    assert (answer.rung, answer.value.message) == ("rule", "Hm?")
    call = await desk.only()
    assert call["provider"] == "python"
    assert call["tried"][2]["cost_source"] == "free"
    assert call["tried"][2]["sent"]["inputs"] == {"text": "Hm?"}


async def test_a_function_that_raises_is_recorded_without_its_secrets(desk, key):
    """The text of a function's exception is kept for the record, without keys."""

    def rule(_request: Any) -> Any:
        message = f"https://api.example/?api_key={key} is down"
        raise OSError(message)

    desk.functions["desk:rule"] = rule
    with pytest.raises(ProviderError, match="rule: server"):
        await desk.ask(desk.pipeline("rule", route={"attempts": 1}))
    (attempt,) = (await desk.only())["tried"]
    assert "is down" in attempt["received"]["text"]
    assert key not in str(attempt)


async def test_what_a_function_returns_is_stored_even_if_json_cannot_say_it(desk):
    """A rung's answer that no database takes is invalid, and on record in words that one takes."""
    desk.functions["desk:rule"] = lambda _: "half \ud800 a character"
    with pytest.raises(InvalidAnswer):
        await desk.ask(desk.pipeline("rule"), str)
    assert "half" in str((await desk.only())["tried"][0]["received"])


async def test_fifty_calls_at_once_are_all_on_record(desk):
    """Concurrent calls do not mix: each has its own answer, attempts and cost."""
    pipeline = desk.pipeline()
    answers = await asyncio.gather(*(desk.ask(pipeline, str, f"parcel {number:02}") for number in range(50)))
    assert all(f"parcel {number:02}" in answer.value for number, answer in enumerate(answers))
    recorded = {call["id"]: call for call in await desk.recorded()}
    assert len(recorded) == 50
    for number, answer in enumerate(answers):
        (attempt,) = recorded[answer.call_id]["tried"]
        assert f"parcel {number:02}" in attempt["sent"]["messages"][1]["content"]


async def test_inputs_that_do_not_fit_cost_no_call(desk):
    """A prompt that cannot be rendered sends nothing and records nothing."""
    call = desk.question()
    with pytest.raises(RenderError):
        await desk.pipeline().call(type(call)(call.version, {"txt": "typo"}, call.output, "default"))
    assert desk.server.count == 0
    assert await desk.recorded() == []


async def test_an_unknown_route_is_said_at_once(desk):
    """A route that the settings do not have is an error with a suggestion."""
    call = desk.question()
    with pytest.raises(NotFound, match="Did you mean 'default'"):
        await desk.pipeline().call(type(call)(call.version, call.inputs, call.output, "defaul"))


async def test_the_callers_transaction_takes_the_record(desk):
    """With `commit`, nothing is stored until the caller's transaction is; twice has the same effect."""
    writes = []
    await desk.ask(desk.pipeline(), commit=writes.append)
    assert await desk.recorded() == []
    (recording,) = writes
    await desk.database.write(recording.write)
    await desk.database.write(recording.write)
    call = await desk.only()
    assert (call["status"], len(call["tried"])) == ("succeeded", 1)


async def test_a_run_costs_what_its_calls_cost(desk):
    """Each attempt is added to its run once, also when the write is repeated."""
    runs = metadata.tables["runs"]
    await desk.database.write(lambda tx: tx.execute(sa.insert(runs).values(**RUN)))
    desk.server.add(Reply("no json", usage=Usage(100, 10)), Reply(GOOD, usage=Usage(200, 20)))
    writes = []
    await desk.ask(desk.pipeline(), run_id="run_1", commit=writes.append)
    await desk.database.write(writes[0].write)
    await desk.database.write(writes[0].write)
    cost = await desk.database.read(lambda tx: tx.execute(sa.select(runs.c.cost_micro_usd)).scalar())
    assert cost == 420


async def test_calls_that_a_dead_worker_left_open_are_closed(desk):
    """The next attempt of the same step closes them as lost; a sibling of its own attempt is left alone."""
    pipeline = desk.pipeline()
    await _leave_open(desk, pipeline, run_id="run_1", step_id="step_1", step_attempt=1)
    await _leave_open(desk, pipeline, run_id="run_1", step_id="step_1", step_attempt=2)
    await desk.ask(pipeline, run_id="run_1", step_id="step_1", step_attempt=2)
    assert [call["status"] for call in await desk.recorded()] == ["lost", "running", "succeeded"]


async def test_calls_that_should_have_ended_long_ago_are_closed(desk):
    """A call whose process died, and which nobody repeats, does not stay running."""
    await _leave_open(desk, desk.pipeline())
    table = metadata.tables["calls"]
    await desk.database.write(lambda tx: tx.execute(sa.update(table).values(deadline_at=1)))
    await desk.ask(desk.pipeline())
    assert [call["status"] for call in await desk.recorded()] == ["lost", "succeeded"]


async def test_events_are_emitted_as_the_table_says(desk, caplog):
    """One event for each attempt and one for the call, with tokens and cost; fields are checked strictly."""
    caplog.set_level(logging.INFO, EVENT_LOGGER)
    desk.server.add(ServerError(), Reply("not json"))
    await desk.ask(desk.pipeline())
    assert [record.message for record in caplog.records if record.name == EVENT_LOGGER] == [
        "attempt.failed",
        "attempt.failed",
        "attempt.finished",
        "call.finished",
    ]
    desk.server.add(BadRequest())
    with pytest.raises(ProviderError):
        await desk.ask(desk.pipeline())
    failed = caplog.records[-1]
    assert failed.message == "call.failed"
    assert failed.roadworthy["error_kind"] == "bad_request"
    assert failed.roadworthy["attempts"] == 1


async def test_no_key_is_stored_or_logged(desk, key):
    """A provider that repeats the key in answers and errors does not get it into rows, payloads or logs."""
    stream = io.StringIO()
    configure(TelemetrySettings(log_level="debug"), desk.telemetry.scrubber, stream=stream)
    try:
        desk.server.add(
            BadRequest(f"Incorrect API key provided: {key}", param=key),
            ResetConnection(when="during"),
            Reply({"outcome": "answer", "message": f"my key is {key}"}),
        )
        pipeline = desk.pipeline("main", "second")
        await desk.ask(pipeline)
        desk.server.add(Reply(f"no json but {key}"), Reply(f"again {key}"), BadRequest(key))
        with pytest.raises(ProviderError) as caught:
            await desk.ask(pipeline)
    finally:
        root = logging.getLogger()
        root.handlers = [one for one in root.handlers if getattr(one, "stream", None) is not stream]
    assert key not in str(caught.value)
    assert "attempt.failed" in stream.getvalue()
    assert key not in stream.getvalue()
    stored = str(await desk.recorded()) + str([await _everything(desk)])
    assert "first-model" in stored
    assert key not in stored
    if desk.database.is_sqlite:
        for file in desk.root.rglob("*"):
            assert not file.is_file() or key.encode() not in file.read_bytes()


async def _leave_open(desk: Any, pipeline: Pipeline, **of: Any) -> None:
    """Stop a call as a killed process does: after its first attempt was stored, without another write."""
    kept, began = desk.database.write, len(await desk.recorded())

    async def dying(work: Any) -> Any:
        if len(await desk.recorded()) > began:
            raise asyncio.CancelledError
        return await kept(work)

    desk.database.write = dying
    desk.server.add(ServerError(), ServerError())
    try:
        with pytest.raises(asyncio.CancelledError):
            await desk.ask(pipeline, **of)
    finally:
        desk.database.write = kept


async def _everything(desk: Any) -> list[Any]:
    """Every row of every table."""
    return await desk.database.read(
        lambda tx: [row for table in metadata.sorted_tables for row in tx.execute(sa.select(table)).all()]
    )
