"""Every fault of a provider, on every rung, by every retry rule: who answers, what is recorded and charged.

Whatever goes wrong, these hold: the call ends within its time, nothing stays set aside, every attempt is
settled in the books at what its record says, and the record never says less than the provider bills.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from roadworthy.calls import CallPutOff, Rules, function_of
from roadworthy.errors import InvalidAnswer, ProviderError, RoadworthyError, TryLater
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
    NegativeTokens,
    NotJson,
    OtherModel,
    Overloaded,
    PromptBlocked,
    QuotaExceeded,
    RateLimited,
    Refused,
    Reply,
    ResetConnection,
    ServerError,
    Slow,
    Truncated,
    Unauthorized,
    Unavailable,
    When,
    WrongFields,
    model_is,
)

pytestmark = pytest.mark.slow  # there are many of them

BUDGETS = {"all": {"scope": "environment", "per_day_usd": 10}}
ROUTE_SECONDS = 20
HANGING = (Hang, Slow)


class Note(BaseModel):
    """An answer that a function of the project gives."""

    message: str


@dataclass(frozen=True)
class Case:
    """A fault of the first model, and what is made of it."""

    fault: Any
    kind: str
    rule: str
    """`retry`: the same again. `next`: the next model at once. `repair`: back to the model, once."""

    def reasons(self, attempts: int) -> list[str]:
        """Why the first model is asked, each time."""
        again = {"retry": ["retry"] * (attempts - 1), "next": [], "repair": ["repair"]}
        return ["first", *again[self.rule]]


CASES = [
    Case(RateLimited(retry_after_seconds=0), "rate_limit", "retry"),
    Case(RateLimited(retry_after_seconds=None), "rate_limit", "retry"),
    Case(ServerError(), "server", "retry"),
    Case(ServerError(status=502), "server", "retry"),
    Case(Unavailable(), "unavailable", "retry"),
    Case(Overloaded(), "unavailable", "retry"),
    Case(EmptyBody(), "malformed", "retry"),
    Case(HtmlPage(), "malformed", "retry"),
    Case(HtmlPage(status=503), "unavailable", "retry"),
    Case(MalformedJson(), "malformed", "retry"),
    Case(ErrorInSuccess(), "server", "retry"),
    Case(ResetConnection(), "connection", "retry"),
    Case(ResetConnection(when="during"), "connection", "retry"),
    Case(CutStream(), "connection", "retry"),
    Case(Hang(), "timeout", "retry"),
    Case(Slow(30), "timeout", "retry"),
    Case(QuotaExceeded(), "quota", "next"),
    Case(Unauthorized(), "authentication", "next"),
    Case(ModelNotFound(), "model_not_found", "next"),
    Case(ContextTooLong(), "context_window", "next"),
    Case(BadRequest(), "bad_request", "next"),
    Case(PromptBlocked(), "refused", "next"),
    Case(ContentFiltered(), "refused", "next"),
    Case(Refused(), "refused", "next"),
    Case(NotJson(), "invalid_answer", "repair"),
    Case(WrongFields(), "invalid_answer", "repair"),
    Case(Truncated(), "invalid_answer", "repair"),
    Case(Reply('{"outcome": "answer", "outcome": "refuse"}'), "invalid_answer", "repair"),
]
"""Every fault that is one; `OtherModel` and `NegativeTokens` come with a good answer."""


def named(case: Any) -> str:
    """The test's name."""
    if not isinstance(case, Case):
        return str(case)
    told = ", ".join(f"{value}" for value in vars_of(case.fault))
    return f"{type(case.fault).__name__}({told})"


def vars_of(fault: Any) -> list[Any]:
    """A fault's own values, as far as they tell it from others of its class."""
    return [
        getattr(fault, name) for name in ("status", "when", "retry_after_seconds") if hasattr(fault, name)
    ]


@pytest.fixture
def fresh_database_url(sqlite_url: str) -> str:
    """SQLite only: which database it is makes no difference here, and there are many tests."""
    return sqlite_url


@pytest.fixture
def broken(desk: Any) -> Callable[[Any], None]:
    """Let the first model fail from now on."""

    def fail(fault: Any) -> None:
        desk.server.add(When(model_is("first-model"), fault, times=None))

    return fail


def rules(**functions: Callable[..., Any]) -> Rules:
    """What code says instead of a model."""
    inputs = frozenset({"text"})
    return Rules(
        **{
            name: function_of(function, answers=0, inputs=inputs, what=name)
            for name, function in functions.items()
        }
    )


def tried(call: dict[str, Any]) -> list[tuple[str, str, str, str | None]]:
    """How the attempts of a call went, in order."""
    return [(one["model"], one["reason"], one["status"], one["error_kind"]) for one in call["tried"]]


def of_first(case: Case, attempts: int) -> list[tuple[str, str, str, str]]:
    """How the attempts at the first model went."""
    status = "invalid" if case.rule == "repair" else "failed"
    return [("main", reason, status, case.kind) for reason in case.reasons(attempts)]


async def books_are_right(desk: Any) -> None:
    """Nothing is set aside, and what is charged is what the records say, and not less than was billed."""
    recorded = await desk.recorded()
    cost = sum(one["cost_micro_usd"] for call in recorded for one in call["tried"])
    assert cost == sum(call["cost_micro_usd"] for call in recorded)
    assert await desk.under_way() == 0
    asked = any(call["tried"] for call in recorded)
    assert await desk.accounts() == ({("all", "development"): (cost, 0)} if asked else {})
    assert cost >= desk.billed_usd() * 1_000_000
    for call in recorded:
        assert call["finished_at"] is not None
        assert call["finished_at"] - call["started_at"] < ROUTE_SECONDS * 1000
        assert all(one["finished_at"] is not None for one in call["tried"])


def pipeline(desk: Any, *models: str, attempts: int, case: Case | None = None, **route: Any) -> Any:
    """A route of these models with budgets; what hangs is soon left."""
    seconds = 0.3 if case is not None and isinstance(case.fault, HANGING) else 15
    given = {"attempts": attempts, "timeout_seconds": ROUTE_SECONDS, **route}
    return desk.pipeline(*models, route=given, model={"timeout_seconds": seconds}, budgets=BUDGETS)


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=named)
async def test_one_model(desk, broken, case, attempts):
    """There is nobody else: one error of the fault's kind, after as many attempts as the kind is worth."""
    broken(case.fault)
    with pytest.raises(InvalidAnswer if case.rule == "repair" else ProviderError) as caught:
        await desk.ask(pipeline(desk, "main", attempts=attempts, case=case))
    if isinstance(caught.value, ProviderError):
        assert caught.value.kind == case.kind
    call = await desk.only()
    assert tried(call) == of_first(case, attempts)
    assert (call["status"], call["rung"], call["error_kind"]) == ("failed", None, case.kind)
    assert (call["degraded"], call["stale"]) == (False, False)
    await books_are_right(desk)


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=named)
async def test_two_models(desk, broken, case, attempts):
    """The second one answers, which is not what the route gives on a good day."""
    broken(case.fault)
    answer = await desk.ask(pipeline(desk, "main", "second", attempts=attempts, case=case))
    assert (answer.rung, answer.model, answer.degraded, answer.stale) == (
        "second",
        "second-model",
        True,
        False,
    )
    call = await desk.only()
    assert tried(call) == [*of_first(case, attempts), ("second", "fallback", "succeeded", None)]
    assert (call["status"], call["rung"], call["degraded"]) == ("succeeded", "second", True)
    await books_are_right(desk)


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_once(desk, case):
    """A fault that passes is retried or repaired by the same model where that helps."""
    desk.server.add(case.fault)
    asked = pipeline(desk, "main", attempts=2, case=case)
    if case.rule == "next":
        with pytest.raises(ProviderError):
            await desk.ask(asked)
    else:
        answer = await desk.ask(asked)
        assert (answer.rung, answer.degraded, answer.attempts) == ("main", False, 2)
        assert (await desk.only())["tried"][1]["reason"] == case.rule
    await books_are_right(desk)


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_an_older_answer(desk, broken, case):
    """`then = ["cache"]`: the answer of an earlier call, marked as stale and degraded, at no further cost."""
    asked = pipeline(desk, "main", attempts=2, case=case, then=["cache"])
    before = await desk.ask(asked)
    broken(case.fault)
    answer = await desk.ask(asked)
    assert (answer.rung, answer.stale, answer.degraded) == ("cache", True, True)
    assert (answer.value, answer.saved_usd) == (before.value, before.cost_usd)
    _, call = await desk.recorded()
    assert tried(call) == of_first(case, 2)
    assert (call["status"], call["rung"], call["stale"], call["degraded"]) == (
        "succeeded",
        "cache",
        True,
        True,
    )
    await books_are_right(desk)


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_no_older_answer(desk, broken, case):
    """Nothing was ever kept: the rung says so, and the error is that of the models."""
    broken(case.fault)
    with pytest.raises(InvalidAnswer if case.rule == "repair" else ProviderError):
        await desk.ask(pipeline(desk, "main", attempts=1, case=case, then=["cache"]))
    call = await desk.only()
    assert [(one["name"], one["kind"]) for one in call["skipped"]] == [("cache", "miss")]
    await books_are_right(desk)


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_the_projects_own_fallback(desk, broken, case):
    """`then = ["rule"]`: a function of the project answers; the record names it."""

    def safe(text: str) -> Note:
        return Note(message=text)

    broken(case.fault)
    asked = pipeline(desk, "main", attempts=2, case=case, then=["cache", "rule"])
    answer = await desk.ask(asked, Note, rules=rules(fallback=safe), text="Hello?")
    assert (answer.rung, answer.value.message, answer.degraded, answer.stale) == (
        "rule",
        "Hello?",
        True,
        False,
    )
    call = await desk.only()
    assert tried(call) == of_first(case, 2)
    assert (call["rung"], call["rule"], call["degraded"]) == ("rule", "safe", True)
    await books_are_right(desk)


@pytest.mark.parametrize("rung", ["later", "review"])
@pytest.mark.parametrize("case", CASES, ids=named)
async def test_put_off(desk, broken, case, rung):
    """`later` and `review`: a call whose run can wait is put off, with what it cost so far on record."""
    broken(case.fault)
    with pytest.raises(CallPutOff) as caught:
        await desk.ask(pipeline(desk, "main", attempts=2, case=case, then=[rung]), may_wait=True)
    put_off = caught.value.put_off
    assert put_off.rung == rung
    assert isinstance(put_off.error, RoadworthyError)
    call = await desk.only()
    assert tried(call) == of_first(case, 2)
    assert (call["status"], call["rung"], call["error_kind"]) == ("put_off", rung, case.kind)
    if rung == "later":
        assert call["finished_at"] < put_off.retry_at < put_off.promised_until
    await books_are_right(desk)


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_nothing_can_wait(desk, broken, case):
    """`later` for a caller that cannot wait: it is told when to come again."""
    broken(case.fault)
    with pytest.raises(TryLater) as caught:
        await desk.ask(pipeline(desk, "main", attempts=1, case=case, then=["later"]))
    assert caught.value.retry_after_seconds >= 60
    call = await desk.only()
    assert (call["status"], call["error_kind"]) == ("failed", "try_later")
    await books_are_right(desk)


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_by_difficulty(desk, broken, case):
    """The cheap model cannot answer: the next one does."""
    broken(case.fault)
    answer = await desk.ask(pipeline(desk, "main", "second", attempts=2, case=case, choose="difficulty"))
    assert (answer.rung, answer.stale) == ("second", False)
    call = await desk.only()
    assert tried(call) == [*of_first(case, 2), ("second", "fallback", "succeeded", None)]
    await books_are_right(desk)


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_hedged(desk, broken, case):
    """Whether the fault comes before or after the second model is asked: one answer, and all is settled."""
    broken(case.fault)
    answer = await desk.ask(
        pipeline(desk, "main", "second", attempts=2, case=case, hedge_after_seconds=0.002)
    )
    assert (answer.rung, answer.degraded) == ("second", True)
    call = await desk.only()
    assert call["status"] == "succeeded"
    (won,) = [one for one in call["tried"] if one["status"] == "succeeded"]
    assert won["reason"] in ("hedge", "fallback")
    assert {one["model"] for one in call["tried"] if one is not won} <= {"main"}
    await books_are_right(desk)


async def test_another_models_name_is_on_record(desk):
    """A provider that serves another model than was asked for is believed, and the record says which."""
    desk.server.add(OtherModel("first-model-2026-11-01"))
    answer = await desk.ask(pipeline(desk, "main", attempts=1))
    assert (answer.rung, answer.model) == ("main", "first-model-2026-11-01")
    call = await desk.only()
    assert call["model"] == "first-model-2026-11-01"
    assert call["tried"][0]["cost_micro_usd"] > 0
    await books_are_right(desk)


async def test_negative_counts_are_not_believed(desk):
    """Nobody earns money by asking: the estimate is charged."""
    desk.server.add(NegativeTokens(-1_000_000))
    answer = await desk.ask(pipeline(desk, "main", attempts=1))
    assert answer.rung == "main"
    (one,) = (await desk.only())["tried"]
    assert one["cost_micro_usd"] > 0
    assert min(one["input_tokens"], one["output_tokens"]) >= 0
    assert answer.cost_usd > 0
    await books_are_right(desk)
