"""However a call ends: what was set aside for its requests is settled at what they cost, and none is free."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.errors import BudgetSpent, DatabaseError, RoadworthyError, Throttled
from roadworthy.records import Usage
from roadworthy.testing.simulated import (
    BadRequest,
    EmptyBody,
    Hang,
    NotJson,
    RateLimited,
    Reply,
    ResetConnection,
    ServerError,
    Slow,
    When,
    model_is,
)

BUDGETS = {"all": {"scope": "environment", "per_day_usd": 10}}
AWAY, BACK = "ALTER TABLE {} RENAME TO away", "ALTER TABLE away RENAME TO {}"


async def books_balance(desk: Any, *, exactly: bool = True) -> Decimal:
    """Nothing is set aside, what was spent is on record and was billed (or more); gives that, in dollars."""
    assert await desk.under_way() == 0
    ((spent, reserved),) = (await desk.accounts()).values()
    assert reserved == 0
    assert sum(call["cost_micro_usd"] for call in await desk.recorded()) == spent
    tried = [one for call in await desk.recorded() for one in call["tried"]]
    assert sum(one["cost_micro_usd"] for one in tried) == spent
    spent_usd = Decimal(spent) / 1_000_000
    assert spent_usd == desk.billed_usd() if exactly else spent_usd >= desk.billed_usd()
    return spent_usd


def execute(desk: Any, statement: str) -> None:
    """Change the database from outside."""
    desk.database.write_now(lambda tx: tx.execute(sa.text(statement)))


class Held:
    """A database whose next transaction is committed, and not heard of until it is let go."""

    def __init__(self, database: Any) -> None:
        self.committed, self.heard = asyncio.Event(), asyncio.Event()
        self._write = database.write
        database.write = self._hold

    async def _hold(self, work: Any) -> Any:
        result = await self._write(work)
        self.committed.set()
        await self.heard.wait()
        return result


@pytest.mark.parametrize(
    ("faults", "exactly"),
    [
        ([], True),
        ([ServerError(), ServerError()], True),
        ([RateLimited(), RateLimited()], True),
        ([BadRequest()], True),
        ([NotJson(), NotJson()], True),
        ([EmptyBody(), EmptyBody()], False),
        ([ResetConnection(when="during"), ResetConnection(when="during")], False),
        ([Hang(), Hang()], False),
    ],
    ids=["answer", "error", "busy", "bad request", "invalid", "empty", "reset", "time-out"],
)
async def test_whatever_the_provider_does(desk, faults, exactly):
    """What it billed is charged; where it said nothing and may have worked, the estimate is."""
    desk.server.add(*faults)
    asked = desk.pipeline(budgets=BUDGETS, model={"timeout_seconds": 0.5})
    try:
        await desk.ask(asked)
    except RoadworthyError:
        assert faults
    await books_balance(desk, exactly=exactly)
    assert desk.server.count == max(1, len(faults))


async def test_a_call_that_is_cancelled_while_the_model_answers(desk):
    """The request may be billed all the same: its estimate is spent."""
    desk.server.add(Hang())
    asking = asyncio.create_task(desk.ask(desk.pipeline(budgets=BUDGETS)))
    await desk.server.arrived(1, timeout_seconds=60)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await books_balance(desk, exactly=False) > 0


async def test_a_call_that_is_cancelled_between_its_admission_and_its_request(desk):
    """What was set aside is free again: nothing was sent."""
    asked = desk.pipeline(budgets=BUDGETS)
    await desk.ask(asked)
    before = await books_balance(desk)
    held = Held(desk.database)
    asking = asyncio.create_task(desk.ask(asked))
    await held.committed.wait()
    assert await desk.under_way() == 1
    asking.cancel()
    held.heard.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await books_balance(desk) == before
    assert desk.server.count == 1


async def test_a_call_that_is_cancelled_again_and_again_as_it_leaves(desk):
    """Whoever has no patience with it changes nothing of that."""
    asked = desk.pipeline(budgets=BUDGETS)
    await desk.ask(asked)
    before = await books_balance(desk)
    held = Held(desk.database)
    asking = asyncio.create_task(desk.ask(asked))
    await held.committed.wait()
    while not asking.done():
        asking.cancel()
        await asyncio.sleep(0)
    held.heard.set()
    await asked.close()
    assert await books_balance(desk) == before


async def test_a_call_that_is_cancelled_while_it_waits_for_its_turn(desk):
    """It has set nothing aside, and the one before it goes on."""
    desk.server.add(Slow(0.3, Reply("Here.")))
    asked = desk.pipeline(budgets=BUDGETS, model={"max_open_requests": 1})
    first = asyncio.create_task(desk.ask(asked, str))
    await desk.server.arrived(1, timeout_seconds=60)
    second = asyncio.create_task(desk.ask(asked, str))
    while not any(line.busy for line in asked.admissions._lines.values()):
        await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await first
    await books_balance(desk)
    assert desk.server.count == 1


async def test_an_answer_that_is_cancelled_while_it_is_recorded(desk):
    """The transaction goes on by itself."""
    asked = desk.pipeline(budgets=BUDGETS)
    holding: list[Held] = []

    def hold(_received: Any) -> Reply:
        holding.append(Held(desk.database))
        return Reply("Here.")

    desk.server.answers.rules.append(hold)
    asking = asyncio.create_task(desk.ask(asked, str))
    await desk.server.arrived(1, timeout_seconds=60)
    await holding[0].committed.wait()
    asking.cancel()
    holding[0].heard.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await books_balance(desk) > 0


async def test_the_slower_one_of_two_hedged_requests(desk):
    """It was sent: its estimate is spent with what the faster one cost."""
    desk.server.add(When(model_is("first-model"), Hang()))
    asked = desk.pipeline("main", "second", route={"hedge_after_seconds": 0.5}, budgets=BUDGETS)
    answer = await desk.ask(asked)
    assert (answer.rung, answer.attempts) == ("second", 2)
    assert await books_balance(desk, exactly=False) > desk.billed_usd()


async def test_a_hedged_call_that_is_cancelled(desk):
    """Both were sent."""
    desk.server.answers.rules.append(lambda _received: Hang())
    asked = desk.pipeline("main", "second", route={"hedge_after_seconds": 0.02}, budgets=BUDGETS)
    asking = asyncio.create_task(desk.ask(asked))
    await desk.server.arrived(2, timeout_seconds=60)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await books_balance(desk, exactly=False) > 0
    assert [one["status"] for one in (await desk.only())["tried"]] == ["cancelled"] * 2


async def test_equal_calls_that_wait_for_one(desk):
    """One sets aside and pays; when it is cancelled, the next one in line does."""
    desk.server.add(Hang())
    asked = desk.pipeline(budgets=BUDGETS, route={"cache": {"ttl_seconds": 60}})
    asking = [asyncio.create_task(desk.ask(asked)) for _ in range(3)]
    await desk.server.arrived(1, timeout_seconds=60)
    asking[0].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert sorted(one.rung for one in answers[1:]) == ["cache", "main"]
    await asked.close()
    await books_balance(desk, exactly=False)
    assert desk.server.count == 2


async def test_a_refused_call_sets_nothing_aside(desk):
    """Neither by a throttle nor by a second budget that has no room."""
    throttles = {"people": {"scope": "tenant", "requests_per_minute": 1, "burst": 1}}
    budgets = {**BUDGETS, "tight": {"scope": "user", "per_day_usd": 0.0000001}}
    asked = desk.pipeline(budgets=budgets, throttles=throttles)
    await desk.ask(asked, tenant="acme")
    with pytest.raises(Throttled):
        await desk.ask(asked, tenant="acme")
    with pytest.raises(BudgetSpent):
        await desk.ask(asked, tenant="globex", user_id="ann")
    assert {reserved for _, reserved in (await desk.accounts()).values()} == {0}
    assert await desk.under_way() == 0
    assert desk.server.count == 1


@pytest.mark.parametrize("table", ["calls", "reservations"])
async def test_an_answer_that_cannot_be_recorded_is_paid_for_when_the_database_is_back(desk, table):
    """By the next call, or as the process ends: at what it cost, and long before it expires."""
    execution = [AWAY.format(table)]

    def away(_received: Any) -> Reply:
        if execution:
            execute(desk, execution.pop())
        return Reply("Here.")

    desk.server.answers.rules.append(away)
    asked = desk.pipeline(budgets=BUDGETS)
    with pytest.raises(DatabaseError):
        await desk.ask(asked, str)
    assert asked.admissions.owes
    execute(desk, BACK.format(table))
    await asked.close()
    assert await books_balance(desk) > 0
    call = await desk.only()
    assert (call["status"], len(call["tried"])) == ("failed", 1)


async def test_a_failure_that_cannot_be_recorded_is_paid_for_too(desk):
    """Its counts are charged when the database is back."""
    execution = [AWAY.format("calls")]

    def away(_received: Any) -> Any:
        if execution:
            execute(desk, execution.pop())
        return NotJson()

    desk.server.answers.rules.append(away)
    asked = desk.pipeline(budgets=BUDGETS)
    with pytest.raises(DatabaseError):
        await desk.ask(asked)
    execute(desk, BACK.format("calls"))
    await asked.close()
    assert await books_balance(desk) > 0


async def test_what_may_or_may_not_be_set_aside_is_given_back_when_the_database_is_back(desk):
    """The answer of a commit was lost: nothing is sent, and nothing stays."""
    asked = desk.pipeline(budgets=BUDGETS)
    await desk.ask(asked)
    before = await books_balance(desk)
    write = desk.database.write

    async def committed_and_lost(work: Any) -> Any:
        await write(work)
        desk.database.write = write
        raise DatabaseError("The connection broke.")

    desk.database.write = committed_and_lost
    with pytest.raises(DatabaseError):
        await desk.ask(asked)
    assert await desk.under_way() == 1
    await asked.admissions.expire()
    assert await books_balance(desk) == before
    assert desk.server.count == 1


async def test_a_limit_that_is_neared_by_what_a_provider_counts_is_reported(desk):
    """Once: nothing else tells of it when a request costs more than was set aside for it."""
    desk.server.answers.rules.append(lambda _received: Reply("Here.", usage=Usage(6_000, 100)))
    budget = {"scope": "environment", "per_day_usd": 0.012, "warn_at": 0.5}
    asked = desk.pipeline(budgets={"daily": budget})
    await desk.ask(asked, str)
    (near,) = desk.heard("budget.nearly_spent")
    assert (near["budget"], near["subject"]) == ("daily", "development")
    await desk.ask(asked, str)
    with pytest.raises(BudgetSpent):
        await desk.ask(asked, str)
    assert len(desk.heard("budget.nearly_spent")) == 1


async def test_a_limit_of_tokens_that_is_neared_by_a_failure_is_reported(desk):
    """An answer of no use counts like any other."""
    desk.server.answers.rules.append(lambda _received: Reply("no json", usage=Usage(6_000, 100)))
    budget = {"scope": "environment", "per_day_tokens": 12_000, "warn_at": 0.5}
    with pytest.raises(RoadworthyError):
        await desk.ask(desk.pipeline(budgets={"daily": budget}))
    assert len(desk.heard("budget.nearly_spent")) == 1


async def test_who_is_refused_is_told_whether_others_may_give_some_of_it_back(desk):
    """While a request is under way it may; when all of it is spent, only the end of the day helps."""
    desk.server.add(When(model_is("first-model"), Slow(0.5, Reply("Here.", usage=Usage(100, 100)))))
    asked = desk.pipeline(budgets={"daily": {"scope": "environment", "per_day_usd": 0.0015}})
    first = asyncio.create_task(desk.ask(asked, str))
    await desk.server.arrived(1, timeout_seconds=60)
    with pytest.raises(BudgetSpent, match="at most while others are under way") as caught:
        await desk.ask(asked, str)
    assert "as soon as requests under way have ended" in caught.value.hint
    await first
    await desk.ask(asked, str)
    with pytest.raises(BudgetSpent, match=r"at most\.") as caught:
        await desk.ask(asked, str)
    assert "under way" not in caught.value.hint
    assert "begins anew at" in caught.value.hint
