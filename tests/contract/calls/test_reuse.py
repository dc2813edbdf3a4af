"""Answers that are given again, second requests beside the first, and models that are left alone."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.calls import Rules, function_of
from roadworthy.db.tables.answers import cached_answers
from roadworthy.testing import FakeClock
from roadworthy.testing.simulated import Reply, ServerError, Slow, Unavailable, When, model_is

FRESH = {"cache": {"ttl_seconds": 60}}


async def hits(desk: Any) -> list[tuple[int, int]]:
    """How often each kept answer was given again, and what that saved."""
    query = sa.select(cached_answers.c.hits, cached_answers.c.saved_micro_usd)
    return [tuple(row) for row in await desk.database.read(lambda tx: list(tx.execute(query)))]


async def test_the_same_question_is_not_asked_twice(desk):
    """The second answer is the first one, free, and on record with what it saved."""
    asked = desk.pipeline(route=FRESH)
    first = await desk.ask(asked)
    again = await desk.ask(asked)
    assert (again.value, again.rung, again.model) == (first.value, "cache", first.model)
    assert (again.cost_usd, again.saved_usd, again.attempts) == (0, first.cost_usd, 0)
    assert (again.stale, again.degraded) == (False, False)
    assert desk.server.count == 1
    await asked.close()
    _, call = await desk.recorded()
    assert (call["rung"], call["attempts"], call["stale"]) == ("cache", 0, False)
    saved = int(first.cost_usd * 1_000_000)
    assert call["saved_micro_usd"] == saved
    assert await hits(desk) == [(1, saved)]


async def test_closing_waits_for_what_is_just_being_stored(desk):
    """A free answer is stored a moment later; who closes meanwhile does not leave before it is there."""
    asked = desk.pipeline(route=FRESH)
    await desk.ask(asked)
    for number in range(2, 12):
        await desk.ask(asked)
        storing = asyncio.create_task(asked._record.flush())
        await asyncio.sleep(0)  # it has begun
        await asked.close()
        assert len(await desk.recorded()) == number
        await storing


async def test_another_process_has_the_same_answers(desk):
    """They are in the database, not only in memory."""
    await desk.ask(desk.pipeline(route=FRESH))
    assert (await desk.ask(desk.pipeline(route=FRESH))).rung == "cache"
    assert desk.server.count == 1


async def test_an_answer_is_fresh_only_for_its_time(desk):
    """Then the model is asked again; when it cannot answer, the old answer helps out, marked as stale."""
    desk.clock = FakeClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    asked = desk.pipeline(route={**FRESH, "then": ["cache"], "attempts": 1})
    await desk.ask(asked)
    desk.clock.advance(59)
    assert (await desk.ask(asked)).rung == "cache"
    desk.clock.advance(2)
    assert (await desk.ask(asked)).rung == "main"
    desk.clock.advance(61)
    desk.server.add(ServerError())
    answer = await desk.ask(asked)
    assert (answer.rung, answer.stale, answer.degraded) == ("cache", True, True)
    assert desk.server.count == 3


@pytest.mark.parametrize(
    ("scope", "other", "shared"),
    [
        ("tenant", {"tenant": "acme", "user_id": "bob"}, True),
        ("tenant", {"tenant": "globex", "user_id": "ann"}, False),
        ("user", {"tenant": "acme", "user_id": "bob"}, False),
        ("user", {"tenant": "globex", "user_id": "ann"}, False),
        ("everyone", {"tenant": "globex", "user_id": "bob"}, True),
        ("everyone", {"tenant": "acme", "user_id": "ann", "permissions": ("secret",)}, False),
        ("everyone", {"tenant": "acme", "user_id": "ann", "text": "Something else?"}, False),
    ],
)
async def test_an_answer_is_given_only_to_those_who_may_have_it(desk, scope, other, shared):
    """By scope, by permissions, and only to the same question."""
    asked = desk.pipeline(route={"cache": {"ttl_seconds": 60, "scope": scope}})
    await desk.ask(asked, tenant="acme", user_id="ann")
    answer = await desk.ask(asked, **other)
    assert answer.rung == ("cache" if shared else "main")
    assert desk.server.count == (1 if shared else 2)


async def test_equal_calls_at_the_same_time_are_one_request(desk):
    """Fifty ask, one is sent; all have the answer, and forty-nine hits are on record."""
    desk.server.add(Slow(0.3))
    asked = desk.pipeline(route={**FRESH, "timeout_seconds": 60}, model={"timeout_seconds": 60})
    answers = await asyncio.gather(*(desk.ask(asked) for _ in range(50)))
    assert desk.server.count == 1
    assert {answer.value.message for answer in answers} == {answers[0].value.message}
    assert sorted(answer.rung for answer in answers) == ["cache"] * 49 + ["main"]
    await asked.close()
    recorded = await desk.recorded()
    assert sorted(call["rung"] for call in recorded) == ["cache"] * 49 + ["main"]
    cost = max(call["cost_micro_usd"] for call in recorded)
    assert sum(call["cost_micro_usd"] for call in recorded) == cost
    assert await hits(desk) == [(49, 49 * cost)]


async def test_those_who_waited_for_a_failed_call_make_their_own(desk):
    """Nobody is failed by another one's failure."""
    desk.server.add(Slow(0.2, ServerError(status=400)))
    asked = desk.pipeline(route={**FRESH, "attempts": 1})
    done = await asyncio.gather(*(desk.ask(asked) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, Exception) for one in done) == 1
    assert {one.rung for one in done if not isinstance(one, Exception)} <= {"main", "cache"}


async def test_who_cannot_wait_for_an_equal_call_goes_to_the_next_rung(desk):
    """Its time is up before the other one's: the project's own fallback answers, and nothing more is sent."""

    def safe() -> str:
        return "We will write to you."

    made = function_of(safe, answers=0, inputs=frozenset({"text"}), what="fallback")
    desk.server.add(Slow(1.5))
    asked = desk.pipeline(route={**FRESH, "then": ["rule"], "timeout_seconds": 30})
    first = asyncio.create_task(desk.ask(asked, str, rules=Rules(fallback=made)))
    await desk.server.arrived(1, timeout_seconds=60)
    answer = await desk.ask(asked, str, rules=Rules(fallback=made), seconds_left=0.1)
    assert (answer.value, answer.rung, answer.degraded) == ("We will write to you.", "rule", True)
    assert (await first).rung == "main"
    assert desk.server.count == 1


async def test_an_answer_that_was_cut_off_is_never_kept(desk):
    """Half an answer is repaired, and only the whole one is given again."""
    desk.server.add(Reply('{"outcome": "answer", "message": "half', finish="length"))
    asked = desk.pipeline(route=FRESH)
    first = await desk.ask(asked)
    assert first.attempts == 2
    assert (await desk.ask(asked)).value == first.value


async def test_a_slow_model_is_overtaken(desk):
    """The second model answers; the first request is left, and charged what it may have cost."""
    desk.server.add(When(model_is("first-model"), Slow(30)))
    asked = desk.pipeline(
        "main",
        "second",
        route={"hedge_after_seconds": 0.5},
        budgets={"all": {"scope": "environment", "per_day_usd": 1}},
    )
    await desk.ask(asked, text="warm up")
    desk.server.add(When(model_is("first-model"), Slow(30)))
    answer = await desk.ask(asked)
    assert (answer.rung, answer.degraded, answer.cost_known) == ("second", True, False)
    call = (await desk.recorded())[-1]
    how = {one["model"]: (one["reason"], one["status"], one["cost_source"]) for one in call["tried"]}
    assert how == {
        "main": ("first", "cancelled", "estimate of settings"),
        "second": ("hedge", "succeeded", "settings"),
    }
    assert await desk.under_way() == 0
    cost = sum(one["cost_micro_usd"] for one in await desk.recorded())
    assert (await desk.accounts())["all", "development"] == (cost, 0)
    assert cost >= desk.billed_usd() * 1_000_000


async def test_a_quick_model_is_not_overtaken(desk):
    """One request is made where one is enough."""
    asked = desk.pipeline("main", "second", route={"hedge_after_seconds": 4})
    answer = await desk.ask(asked)
    assert (answer.rung, answer.degraded, desk.server.count) == ("main", False, 1)


async def test_a_model_that_is_down_is_left_alone_and_probed(desk):
    """Every call is answered; the breaker opens after a few failures, and closes when the model is back."""
    down = True

    def outage(received: Any) -> Any:
        return Unavailable() if down and received.model == "first-model" else None

    desk.server.answers.rules.append(outage)
    breaker = {"minimum_requests": 4, "open_seconds": 0.5, "max_open_seconds": 1, "probes": 1}
    asked = desk.pipeline("main", "second", model={"breaker": breaker}, route={"timeout_seconds": 30})
    answers = [await desk.ask(asked, text=f"{number}?") for number in range(20)]
    assert {answer.rung for answer in answers} == {"second"}
    (opened, *_) = desk.heard("breaker.opened")
    assert (opened["model"], opened["error_kind"]) == ("main", "unavailable")
    skipped = [skip["kind"] for call in await desk.recorded() for skip in call["skipped"]]
    assert "circuit_open" in skipped
    assert sum(request.model == "first-model" for request in desk.server.requests) < 20
    down = False
    give_up_at = asyncio.get_running_loop().time() + 60
    while (await desk.ask(asked)).rung != "main":
        assert asyncio.get_running_loop().time() < give_up_at
    assert desk.heard("breaker.half_open")
    assert desk.heard("breaker.closed")


@pytest.mark.slow
@pytest.mark.parametrize(
    "fresh_database_url", ["sqlite"], indirect=True
)  # retries are counted in the process
async def test_an_outage_is_no_storm_of_retries(desk):
    """A thousand calls while the first model is down: all are answered, and few requests are repetitions."""

    def outage(received: Any) -> Any:
        return Unavailable() if received.model == "first-model" else None

    desk.server.answers.rules.append(outage)
    asked = desk.pipeline(
        "main",
        "second",
        route={"attempts": 3, "timeout_seconds": 300},
        model={"breaker": {"enabled": False}, "timeout_seconds": 120, "max_concurrency": 50},
        models={"second": {"model": "second-model", "timeout_seconds": 120, "max_concurrency": 50}},
        resilience={"retries_per_minute_floor": 0},
    )
    many = asyncio.Semaphore(100)

    async def ask(number: int) -> str:
        async with many:
            return (await desk.ask(asked, str, text=f"{number}?")).rung

    rungs = await asyncio.gather(*(ask(number) for number in range(1000)))
    assert set(rungs) == {"second"}
    reasons = [one["reason"] for call in await desk.recorded() for one in call["tried"]]
    assert len(reasons) == desk.server.count
    assert 0 < reasons.count("retry") < len(reasons) / 10
