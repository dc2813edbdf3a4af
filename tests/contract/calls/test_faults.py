"""Each fault of a provider, what the user sees of it, and what is on record."""

import asyncio
from decimal import Decimal

import pytest

from roadworthy.errors import ErrorKind, InvalidAnswer, ProviderError
from roadworthy.testing.simulated import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    CutStream,
    EmptyBody,
    ErrorInSuccess,
    Hang,
    HtmlPage,
    MalformedJson,
    ModelNotFound,
    NotJson,
    Overloaded,
    PromptBlocked,
    QuotaExceeded,
    RateLimited,
    Refused,
    Reply,
    ResetConnection,
    ServerError,
    Truncated,
    Unauthorized,
    Unavailable,
    WrongFields,
)

PASSING = [
    (RateLimited(retry_after_seconds=0), "rate_limit"),
    (RateLimited(retry_after_seconds=None), "rate_limit"),
    (ServerError(), "server"),
    (ServerError(status=502), "server"),
    (Unavailable(), "unavailable"),
    (Overloaded(), "unavailable"),
    (EmptyBody(), "malformed"),
    (HtmlPage(), "malformed"),
    (MalformedJson(), "malformed"),
    (ErrorInSuccess(), "server"),
    (ResetConnection(), "connection"),
    (ResetConnection(when="during"), "connection"),
    (CutStream(), "connection"),
]
FINAL = [
    (QuotaExceeded(), "quota"),
    (Unauthorized(), "authentication"),
    (ModelNotFound(), "model_not_found"),
    (ContextTooLong(), "context_window"),
    (BadRequest(), "bad_request"),
    (PromptBlocked(), "refused"),
    (ContentFiltered(), "refused"),
]
WRONG = [NotJson(), WrongFields(), Truncated(), Reply('{"outcome": "answer", "outcome": "refuse"}')]


def named(value):
    """A fault's name, for the test's."""
    return type(value).__name__ if not isinstance(value, str) else ""


def tried(call):
    """How the attempts of a call went, in order."""
    return [(one["model"], one["reason"], one["status"], one["error_kind"]) for one in call["tried"]]


@pytest.mark.parametrize(("fault", "kind"), PASSING, ids=named)
async def test_an_error_that_may_pass_is_tried_again(desk, fault, kind):
    """The user sees the answer; the failed attempt is on record with what was sent."""
    desk.server.add(fault)
    answer = await desk.ask(desk.pipeline())
    assert answer.attempts == 2
    call = await desk.only()
    assert tried(call) == [("main", "first", "failed", kind), ("main", "retry", "succeeded", None)]
    assert call["status"] == "succeeded"
    assert call["tried"][0]["sent"]["messages"][1]["content"]


@pytest.mark.parametrize(("fault", "kind"), FINAL, ids=named)
async def test_an_error_that_will_not_pass_goes_to_the_next_model_at_once(desk, fault, kind):
    """The same request is not sent again; the next model answers, and the record says why."""
    desk.server.add(fault)
    answer = await desk.ask(desk.pipeline("main", "second"))
    assert answer.rung == "second"
    call = await desk.only()
    assert tried(call) == [("main", "first", "failed", kind), ("second", "fallback", "succeeded", None)]
    assert call["tried"][0]["received"]


@pytest.mark.parametrize("fault", WRONG, ids=named)
async def test_an_invalid_answer_is_sent_back_once_with_what_is_wrong(desk, fault):
    """The model sees its answer and the faults, and the corrected answer is the user's."""
    desk.server.add(fault)
    answer = await desk.ask(desk.pipeline())
    call = await desk.only()
    assert tried(call) == [
        ("main", "first", "invalid", "invalid_answer"),
        ("main", "repair", "succeeded", None),
    ]
    again = call["tried"][1]["sent"]["messages"]
    assert [one["role"] for one in again] == ["system", "user", "assistant", "user"]
    assert "cannot be used" in again[-1]["content"]
    assert answer.cost_usd == sum(Decimal(one["cost_micro_usd"]) for one in call["tried"]) / 1_000_000


async def test_an_answer_that_stays_invalid_goes_to_the_next_model(desk):
    """After the repairs are used up the next model is asked the plain question."""
    desk.server.add(NotJson(), WrongFields())
    answer = await desk.ask(desk.pipeline("main", "second"))
    assert answer.rung == "second"
    call = await desk.only()
    assert [one["reason"] for one in call["tried"]] == ["first", "repair", "fallback"]
    assert len(call["tried"][2]["sent"]["messages"]) == 2


async def test_a_refusal_is_never_taken_for_an_answer(desk):
    """A model that declines gives no answer, and the next model is asked or the repair is tried."""
    desk.server.add(Refused())
    answer = await desk.ask(desk.pipeline("main", "second"))
    call = await desk.only()
    assert call["tried"][0]["status"] in ("failed", "invalid")
    assert answer.attempts == 2


async def test_when_no_model_answers_there_is_one_clear_error(desk):
    """The error names the route, each model with what happened to it, and what to do; no provider's text."""
    desk.server.add(Unauthorized(), QuotaExceeded())
    with pytest.raises(ProviderError) as caught:
        await desk.ask(desk.pipeline("main", "second"))
    error = caught.value
    assert error.message == "No model of route 'default' answered: main: authentication; second: quota."
    assert "main: Check the variable or file" in error.hint
    assert "second: Top up the account" in error.hint
    assert "Incorrect API key" not in str(error)
    call = await desk.only()
    assert (call["status"], call["error_kind"]) == ("failed", "quota")
    assert call["error_message"] == error.message
    assert error.details["call_id"] == call["id"]


async def test_the_final_error_is_of_the_kind_that_may_pass(desk):
    """Whoever retries the step does so when one of the models may recover, and waits as long as it asked."""
    desk.server.add(RateLimited(retry_after_seconds=90), Unauthorized())
    with pytest.raises(ProviderError) as caught:
        await desk.ask(desk.pipeline("main", "second", route={"timeout_seconds": 20}))
    assert caught.value.kind is ErrorKind.RATE_LIMIT
    assert caught.value.retry_after_seconds == 90


async def test_the_final_error_of_invalid_answers_tells_the_faults(desk):
    """When the last word was an invalid answer, the error says what was wrong with it."""
    desk.server.add(WrongFields(), WrongFields())
    with pytest.raises(InvalidAnswer, match="main: invalid_answer after 2 attempts") as caught:
        await desk.ask(desk.pipeline())
    assert "outcome: Field required" in caught.value.details["faults"]


async def test_a_wait_longer_than_the_time_left_goes_to_the_next_model_at_once(desk):
    """A provider that asks for an hour is not waited for."""
    desk.server.add(RateLimited(retry_after_seconds=3600))
    answer = await desk.ask(desk.pipeline("main", "second"), seconds_left=60.0)
    assert answer.rung == "second"
    assert answer.latency_seconds < 30


async def test_a_hang_is_cut_at_the_models_time_and_charged_at_its_estimate(desk):
    """A time-out may have been billed: the estimate is charged, and the cost is not known exactly."""
    desk.server.add(Hang())
    answer = await desk.ask(
        desk.pipeline("main", "second", model={"timeout_seconds": 0.3}, route={"attempts": 1})
    )
    assert answer.rung == "second"
    assert not answer.cost_known
    first = (await desk.only())["tried"][0]
    assert (first["error_kind"], first["cost_source"]) == ("timeout", "estimate of settings")
    assert first["output_tokens"] == 100
    assert first["cost_micro_usd"] >= 400


@pytest.mark.parametrize("limit", ["route", "run"])
async def test_nothing_waits_longer_than_the_call_may_take(desk, limit):
    """Models that hang are each left after their share of the time; when it is up, no other is begun."""
    desk.server.add(Hang(), Hang())
    pipeline = desk.pipeline("main", "second", route={"timeout_seconds": 0.4 if limit == "route" else 60})
    for name in ("main", "second"):
        await desk.models[-1].target(name).prepare()
    began = asyncio.get_running_loop().time()
    with pytest.raises(ProviderError, match="main: timeout; second: timeout") as caught:
        await desk.ask(pipeline, seconds_left=0.4 if limit == "run" else None)
    assert asyncio.get_running_loop().time() - began < 4
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert desk.server.count == 2


async def test_a_call_without_time_asks_nobody(desk):
    """When the run's deadline has passed, nothing is sent, and the error says so."""
    with pytest.raises(ProviderError, match="No time was left"):
        await desk.ask(desk.pipeline(), seconds_left=0.0)
    assert desk.server.count == 0
    assert (await desk.only())["attempts"] == 0


async def test_a_failed_attempt_is_stored_before_the_next_one_is_made(desk):
    """While the second attempt is under way, the first is on record and the call is running."""
    desk.server.add(ServerError(), Hang())
    task = asyncio.create_task(desk.ask(desk.pipeline()))
    await desk.server.arrived(2)
    call = await desk.only()
    assert call["status"] == "running"
    assert tried(call) == [("main", "first", "failed", "server")]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_call_is_on_record_with_its_estimate(desk):
    """A call that its caller leaves may have been billed: it is recorded before the cancellation goes on."""
    desk.server.add(Hang())
    task = asyncio.create_task(desk.ask(desk.pipeline()))
    await desk.server.arrived(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    call = await desk.only()
    assert (call["status"], call["error_kind"], call["cost_known"]) == ("cancelled", "cancelled", False)
    assert tried(call) == [("main", "first", "cancelled", "cancelled")]
    assert call["tried"][0]["cost_micro_usd"] >= 400
