"""Staying within one's means: budgets, throttles, rates, residency, limits of context, early exits."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from roadworthy.calls import Rules, function_of
from roadworthy.errors import BudgetSpent, InvalidInput, NotPermitted, ProviderError, Throttled
from roadworthy.records import Usage
from roadworthy.testing import FakeClock
from roadworthy.testing.simulated import EmptyBody, Reply, ServerError, Slow, When, model_is

LONG = Usage(300, 100)
"""700 micro-dollars at the desk's prices; some 1,000 are set aside for a question without a schema."""
A_DAY_MS = 86_400_000


def function(code: Any, answers: int = 0) -> Any:
    """A function of the project."""
    return function_of(code, answers=answers, inputs=frozenset({"text"}), what="rule")


def answers(desk: Any, **reply: Any) -> None:
    """Let every request have this answer from now on."""
    desk.server.answers.rules.append(lambda _received: Reply("Here it is.", **reply))


async def until_refused(desk: Any, asked: Any, **options: Any) -> tuple[int, BudgetSpent]:
    """Ask until a budget has no room: how often that went well, and the error."""
    for times in range(100):
        try:
            await desk.ask(asked, str, **options)
        except BudgetSpent as error:
            return times, error
    raise AssertionError("no budget was ever spent")


async def test_a_spent_budget_refuses_and_says_until_when(desk):
    """Nothing is sent, the error names budget and time, and another tenant goes on."""
    answers(desk, usage=LONG)
    asked = desk.pipeline(budgets={"daily": {"scope": "tenant", "per_day_usd": 0.01}})
    times, error = await until_refused(desk, asked, tenant="acme")
    assert times == desk.server.count > 3
    assert error.budget == "daily"
    assert error.resets_at_ms % A_DAY_MS == 0
    assert 0 < error.resets_at_ms - desk.clock.now_ms() <= A_DAY_MS
    assert "daily" in error.hint
    with pytest.raises(BudgetSpent):
        await desk.ask(asked, str, tenant="acme")
    assert desk.server.count == times
    await desk.ask(asked, str, tenant="globex")
    accounts = await desk.accounts()
    assert accounts == {("daily", "acme"): (700 * times, 0), ("daily", "globex"): (700, 0)}
    assert 700 * times <= 10_000
    assert len(desk.heard("budget.refused")) == 1
    refused = [one for one in await desk.recorded() if one["error_kind"] == "budget_spent"]
    assert {(one["status"], one["attempts"], one["cost_micro_usd"]) for one in refused} == {("failed", 0, 0)}


async def test_a_limit_is_nearly_spent_only_once(desk):
    """The event comes with the request that crosses the share, and not again."""
    answers(desk, usage=LONG)
    budget = {"scope": "environment", "per_day_usd": 0.012, "warn_at": 0.5}
    await until_refused(desk, desk.pipeline(budgets={"daily": budget}))
    (near,) = desk.heard("budget.nearly_spent")
    assert (near["budget"], near["subject"]) == ("daily", "development")


async def test_a_new_day_has_room_again(desk):
    """By the clock of the budget's time zone; what was spent the day before stays there."""
    desk.clock = FakeClock(datetime(2026, 3, 1, 4, 59, tzinfo=UTC))
    answers(desk, usage=LONG)
    budget = {"scope": "environment", "per_day_usd": 0.004, "timezone": "America/New_York"}
    asked = desk.pipeline(budgets={"daily": budget})
    times, error = await until_refused(desk, asked)
    assert error.resets_at_ms == desk.clock.now_ms() + 60_000
    desk.clock.advance(60)
    assert (await until_refused(desk, asked))[0] == times
    assert desk.server.count == 2 * times


async def test_clocks_that_jump_back_lend_no_money(desk):
    """The day before has its own account, which is as spent as it was."""
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    desk.clock = FakeClock(noon)
    answers(desk, usage=LONG)
    asked = desk.pipeline(budgets={"daily": {"scope": "environment", "per_day_usd": 0.004}})
    times, _ = await until_refused(desk, asked)
    desk.clock.set(datetime(2026, 3, 2, 1, tzinfo=UTC))
    assert (await until_refused(desk, asked))[0] == 0
    desk.clock.set(datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert (await until_refused(desk, asked))[0] == times
    desk.clock.set(noon)
    assert (await until_refused(desk, asked))[0] == 0
    assert await desk.under_way() == 0


async def test_a_limit_of_zero_lets_through_only_what_is_free(desk):
    """The model that costs is passed over with its reason; the project's own function answers."""
    desk.functions["desk:rule"] = lambda _request: "By rule."
    asked = desk.pipeline("main", "rule", budgets={"none": {"scope": "environment", "per_day_usd": 0}})
    answer = await desk.ask(asked, str)
    assert (answer.rung, answer.cost_usd, answer.degraded) == ("rule", 0, True)
    assert desk.server.count == 0
    (skipped,) = (await desk.only())["skipped"]
    assert (skipped["name"], skipped["kind"]) == ("main", "over_budget")


async def test_an_unknown_price_is_never_free(desk):
    """Where money is limited, a model without a price is not asked; where it stays open, it is counted."""
    unknown = {"mystery": {"model": "nobody-knows", "prices": None}}
    closed = {"daily": {"scope": "environment", "per_day_usd": 100}}
    with pytest.raises(BudgetSpent, match="price is not known"):
        await desk.ask(desk.pipeline("mystery", models=unknown, budgets=closed), str)
    assert desk.server.count == 0
    opened = {"daily": {**closed["daily"], "when_spent": "open"}}
    answer = await desk.ask(desk.pipeline("mystery", models=unknown, budgets=opened), str)
    assert not answer.cost_known
    assert await desk.under_way() == 0


async def test_a_call_stays_within_its_budget_over_its_attempts(desk):
    """What a failed attempt may have cost counts: the retry that could pass the limit is not made."""
    desk.server.add(EmptyBody(), EmptyBody(), EmptyBody())
    asked = desk.pipeline(route={"attempts": 3}, budgets={"each": {"scope": "call", "usd": 0.0025}})
    with pytest.raises(ProviderError):
        await desk.ask(asked, str)
    call = await desk.only()
    assert 0 < call["cost_micro_usd"] <= 2500
    assert desk.server.count < 3
    assert call["skipped"][-1]["kind"] == "over_budget"


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another budget"])
async def test_a_hedge_counts_for_the_budget_of_its_call(desk, beside):
    """While the first request may still cost all that it can, there is no room for a second one."""
    desk.server.add(When(model_is("first-model"), Slow(2.0, Reply("Here."))))
    budgets = {"each": {"scope": "call", "tokens": 600}}
    if beside:
        budgets["all"] = {"scope": "environment", "per_day_usd": 100}
    asked = desk.pipeline("main", "second", route={"hedge_after_seconds": 0.5}, budgets=budgets)
    answer = await desk.ask(asked, str)
    assert desk.server.count == 1
    (skipped,) = (await desk.only())["skipped"]
    assert ({answer.rung, skipped["name"]}, skipped["kind"]) == ({"main", "second"}, "over_budget")


async def test_a_run_has_its_own_budget(desk):
    """All calls of one run count together; another run is not concerned."""
    answers(desk, usage=LONG)
    asked = desk.pipeline(budgets={"runs": {"scope": "run", "usd": 0.004}})
    times, error = await until_refused(desk, asked, run_id="run_1")
    assert (times > 1, error.budget, error.resets_at_ms) == (True, "runs", None)
    await desk.ask(asked, str, run_id="run_2")
    assert (await desk.accounts())["runs", "run_1"] == (700 * times, 0)


async def test_a_degrading_budget_takes_the_cheaper_route(desk):
    """The answer says that it is degraded, and so does the record."""
    desk.functions["desk:rule"] = lambda _request: "By rule."
    asked = desk.pipeline(
        route={"degrade_to": "cheap"},
        routes={"cheap": {"models": ["rule"]}},
        budgets={"daily": {"scope": "environment", "per_day_usd": 0, "when_spent": "degrade"}},
    )
    answer = await desk.ask(asked, str)
    assert (answer.rung, answer.degraded, desk.server.count) == ("rule", True, 0)
    call = await desk.only()
    assert (call["degraded"], call["status"], call["tried"][0]["reason"]) == (True, "succeeded", "degrade")


async def test_an_open_budget_goes_on_and_reports(desk):
    """Every call is answered; that the limit is passed is reported once."""
    asked = desk.pipeline(budgets={"daily": {"scope": "environment", "per_day_usd": 0, "when_spent": "open"}})
    for _ in range(3):
        await desk.ask(asked, str)
    (exceeded,) = desk.heard("budget.exceeded")
    assert (exceeded["budget"], exceeded["model"]) == ("daily", "main")
    assert (await desk.accounts())["daily", "development"] == (
        sum(one["cost_micro_usd"] for one in await desk.recorded()),
        0,
    )


async def test_an_open_budget_of_each_call_reports_too(desk):
    """The call is answered, and somebody is told."""
    asked = desk.pipeline(budgets={"each": {"scope": "call", "tokens": 1, "when_spent": "open"}})
    answer = await desk.ask(asked, str)
    assert answer.rung == "main"
    (exceeded,) = desk.heard("budget.exceeded")
    assert (exceeded["budget"], exceeded["window"]) == ("each", "call")


async def test_a_throttle_counts_calls_of_one_user(desk):
    """Not their retries; a user of another tenant is somebody else; the error says when to come again."""
    desk.server.add(ServerError())
    asked = desk.pipeline(throttles={"people": {"scope": "user", "requests_per_minute": 1, "burst": 2}})
    for _ in range(2):
        await desk.ask(asked, str, tenant="acme", user_id="ann")
    with pytest.raises(Throttled) as caught:
        await desk.ask(asked, str, tenant="acme", user_id="ann")
    assert 0 < caught.value.retry_after_seconds <= 60
    await desk.ask(asked, str, tenant="globex", user_id="ann")
    await desk.ask(asked, str, tenant="acme", user_id="bob")
    assert desk.server.count == 5
    assert [one["throttle"] for one in desk.heard("throttle.refused")] == ["people"]
    refused = [one for one in await desk.recorded() if one["status"] == "failed"]
    assert [one["error_kind"] for one in refused] == ["throttled"]
    assert await desk.under_way() == 0


async def test_tenants_take_turns_where_a_rate_is_used_up(desk):
    """One who asks a lot does not keep the others waiting until all of that is done."""
    asked = desk.pipeline(model={"requests_per_minute": 600})
    many = [
        asyncio.create_task(desk.ask(asked, str, text=f"acme {number}", tenant="acme"))
        for number in range(24)
    ]
    await desk.server.arrived(10, timeout_seconds=60)
    one = asyncio.create_task(desk.ask(asked, str, text="globex", tenant="globex"))
    await asyncio.gather(*many, one)
    order = ["globex" in request.text for request in desk.server.requests]
    assert order.index(True) < len(order) - 4


async def test_who_cannot_wait_for_a_rate_goes_to_the_next_model(desk):
    """Nothing is sent to the first one, and the record says why."""
    asked = desk.pipeline("main", "second", model={"requests_per_minute": 1})
    await desk.ask(asked, str)
    answer = await desk.ask(asked, str, seconds_left=8.0)
    assert answer.rung == "second"
    skipped = (await desk.recorded())[1]["skipped"]
    assert [(one["name"], one["kind"]) for one in skipped] == [("main", "rate_limited_here")]


async def test_a_rate_in_tokens_counts_what_was_used(desk):
    """The worst is taken at first; what was not used is given back."""
    answers(desk, usage=Usage(10, 10))
    asked = desk.pipeline(model={"tokens_per_minute": 6000})
    for _ in range(6):
        await desk.ask(asked, str, seconds_left=10.0)
    assert desk.server.count == 6


async def test_data_stays_where_it_may_be(desk):
    """A model elsewhere is passed over; without another one the call is refused, and nothing is sent."""
    places = {
        "model": {"region": "us-east-1"},
        "models": {"euro": {"model": "euro-model", "region": "eu-central-1"}},
        "residency": {"personal": {"regions": ["eu"]}},
    }
    answer = await desk.ask(desk.pipeline("main", "euro", **places), str, data=("personal",))
    assert answer.rung == "euro"
    assert [request.model for request in desk.server.requests] == ["euro-model"]
    assert (await desk.only())["skipped"][0]["kind"] == "not_allowed"
    with pytest.raises(NotPermitted, match="personal"):
        await desk.ask(desk.pipeline("main", **places), str, data=("personal",))
    assert desk.server.count == 1


async def test_a_request_that_is_too_long_is_not_sent(desk):
    """By the prompt's own limit it is refused; by a model's it goes to one that reads more."""
    with pytest.raises(InvalidInput, match="max_input_tokens"):
        await desk.ask(desk.pipeline(prompts={"reply": {"max_input_tokens": 5}}), str)
    assert desk.server.count == 0
    answer = await desk.ask(desk.pipeline("main", "second", model={"context_tokens": 20}), str)
    assert answer.rung == "second"
    assert [request.model for request in desk.server.requests] == ["second-model"]


async def test_code_that_knows_the_answer_ends_the_call(desk):
    """Nothing is sent; what the prompt usually costs counts as saved."""

    async def greeting(text: str) -> str | None:
        return "Hello." if text == "Hi" else None

    rules = Rules(before=(function(greeting),))
    answers(desk, usage=LONG)
    asked = desk.pipeline()
    first = await desk.ask(asked, str, rules=rules)
    assert (first.rung, desk.server.count) == ("main", 1)
    answer = await desk.ask(asked, str, text="Hi", rules=rules)
    assert (answer.value, answer.rung, answer.cost_usd, answer.degraded) == ("Hello.", "rule", 0, False)
    assert answer.saved_usd == first.cost_usd
    assert desk.server.count == 1
    await asked.close()
    call = (await desk.recorded())[1]
    assert (call["rung"], call["rule"], call["attempts"], call["saved_micro_usd"]) == (
        "rule",
        "greeting",
        0,
        700,
    )


async def test_code_may_answer_with_a_dictionary(desk):
    """It is checked against the declared type; what does not fit is no answer, and the model is asked."""

    def knows(text: str) -> dict[str, str]:
        return {"outcome": "refuse" if text == "good" else "nonsense", "message": text}

    rules = Rules(before=(function(knows),))
    asked = desk.pipeline()
    answer = await desk.ask(asked, text="good", rules=rules)
    assert (answer.rung, answer.value.message) == ("rule", "good")
    assert (await desk.ask(asked, text="bad", rules=rules)).rung == "main"


async def test_what_the_providers_prefix_cache_saved_is_on_record(desk):
    """Tokens read from it cost less, and by how much is stored with the attempt."""
    prices = {
        "input_usd_per_million": 1,
        "output_usd_per_million": 4,
        "cache_read_usd_per_million": "0.1",
    }
    answers(desk, usage=Usage(1000, 10, cache_read_tokens=900))
    answer = await desk.ask(desk.pipeline(model={"prices": prices}), str)
    (attempt,) = (await desk.only())["tried"]
    assert attempt["saved_micro_usd"] == 810
    assert int(answer.cost_usd * 1_000_000) == attempt["cost_micro_usd"] == 100 + 90 + 40


async def test_a_failing_check_is_repaired_and_then_escalated(desk):
    """The model is told what is wrong; when that does not help, the next model is asked."""

    def polite(answer: str, text: str) -> str | None:
        return None if "please" in answer else f"it is not polite about {text!r}"

    def say(received: Any) -> str:
        return "Wait, please." if received.model == "second-model" else "Wait."

    desk.server.answers.rules.append(say)
    rules = Rules(checks=(function(polite, answers=1),))
    answer = await desk.ask(desk.pipeline("main", "second"), str, text="parcel", rules=rules)
    assert (answer.value, answer.rung) == ("Wait, please.", "second")
    call = await desk.only()
    assert [(one["reason"], one["status"]) for one in call["tried"]] == [
        ("first", "invalid"),
        ("repair", "invalid"),
        ("fallback", "succeeded"),
    ]
    assert "it is not polite about 'parcel'" in json.dumps(call["tried"][1]["sent"])


@pytest.mark.parametrize(
    ("first", "second", "rung", "degraded"),
    [(0.9, 0.9, "main", False), (0.2, 0.9, "second", False), (0.2, None, "main", True)],
    ids=["sure", "unsure", "unsure, and nobody else answers"],
)
async def test_an_answer_that_is_not_sure_enough_goes_to_a_better_model(desk, first, second, rung, degraded):
    """The least of all signals counts; an unsure answer is better than none, and marked as such."""

    def sure(answer: str) -> float:
        return float(answer)

    def say(received: Any) -> Any:
        said = first if received.model == "first-model" else second
        return ServerError() if said is None else str(said)

    desk.server.answers.rules.append(say)
    route = {"choose": "difficulty", "escalate_below": 0.5, "attempts": 1}
    rules = Rules(signals=(function(sure, answers=1),))
    answer = await desk.ask(desk.pipeline("main", "second", route=route), str, rules=rules)
    assert (answer.rung, answer.degraded) == (rung, degraded)
    assert answer.confidence == float(answer.value)
    call = await desk.only()
    assert [one["reason"] for one in call["tried"]] == ["first", "escalate"][: desk.server.count]
    assert call["confidence"] == answer.confidence
