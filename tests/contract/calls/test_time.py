"""Clocks and calendars: a price that changes at midnight, a wall clock that jumps, a chain that cannot be."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.db.tables.budgets import budget_accounts, reservations
from roadworthy.errors import SettingsError
from roadworthy.records import Usage
from roadworthy.settings import Settings
from roadworthy.testing import FakeClock
from roadworthy.testing.simulated import Reply, ServerError, Unavailable, When, model_is

BUDGETS = {"daily": {"scope": "environment", "per_day_usd": 10}}
MODELS = {"changing": {"model": "changing", "prices": None}}
LAST_SECOND = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)


@pytest.fixture
def _ten_times_dearer_tomorrow() -> Iterator[None]:
    """A public price list in which the simulated provider's model costs ten times as much from March 2."""
    from genai_prices import types
    from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot

    def price(times: int) -> types.ModelPrice:
        return types.ModelPrice(input_mtok=Decimal(times), output_mtok=Decimal(4 * times))

    dated = [
        types.ConditionalPrice(prices=price(1)),
        types.ConditionalPrice(types.StartDateConstraint(date(2026, 3, 2)), prices=price(10)),
    ]
    model = types.ModelInfo("changing", types.ClauseEquals("changing"), prices=dated)
    provider = types.Provider("here", "Here", r"http://127\.0\.0\.1.*", models=[model])
    set_custom_snapshot(DataSnapshot([provider], from_auto_update=False))
    yield
    set_custom_snapshot(None)


async def windows(desk: Any) -> dict[str, tuple[int, int]]:
    """Micro-dollars spent and set aside, by day."""
    rows = await desk.database.read(lambda tx: list(tx.execute(sa.select(budget_accounts))))
    return {row.window: (row.spent_micro_usd, row.reserved_micro_usd) for row in rows}


@pytest.mark.usefixtures("_ten_times_dearer_tomorrow")
async def test_a_price_that_changes_at_midnight_is_set_aside_at_its_worst(desk):
    """What is set aside covers both prices; what is charged is that of the moment at which it was sent."""
    desk.clock = FakeClock(LAST_SECOND)
    held: list[int] = []

    def midnight_strikes(_received: Any) -> Reply:
        query = sa.select(reservations.c.micro_usd)
        held.extend(desk.database.read_now(lambda tx: list(tx.execute(query).scalars())))
        desk.clock.advance(2)
        return Reply("Good night.", usage=Usage(100, 10))

    desk.server.answers.rules.append(midnight_strikes)
    asked = desk.pipeline("changing", models=MODELS, budgets=BUDGETS, route={"timeout_seconds": 60})
    before = await desk.ask(asked, str)
    assert before.cost_usd == Decimal("0.00014")
    after = await desk.ask(asked, str)
    assert after.cost_usd == Decimal("0.0014")
    assert held[0] == held[1] >= 4000  # a hundred tokens of output at the new price, and the input
    assert await windows(desk) == {"2026-03-01": (140, 0), "2026-03-02": (1400, 0)}


@pytest.mark.parametrize("jump", [datetime(2025, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)])
async def test_a_wall_clock_that_jumps_in_the_middle_of_a_call(desk, jump):
    """Deadlines go by the other clock: the call goes on, and what was set aside is settled where it was."""
    desk.clock = FakeClock(LAST_SECOND)
    broken = True

    def jumps(_received: Any) -> Any:
        nonlocal broken
        desk.clock.set(jump)
        failed, broken = broken, False
        return ServerError() if failed else Reply("Here.", usage=Usage(100, 10))

    desk.server.answers.rules.append(jumps)
    answer = await desk.ask(desk.pipeline(budgets=BUDGETS, route={"timeout_seconds": 60}), str)
    assert (answer.rung, answer.attempts) == ("main", 2)
    assert sum(spent for spent, _ in (await windows(desk)).values()) == 140
    assert {reserved for _, reserved in (await windows(desk)).values()} == {0}
    assert await desk.under_way() == 0
    call = await desk.only()
    assert (call["status"], call["cost_micro_usd"]) == ("succeeded", 140)


async def test_a_breaker_is_not_held_open_by_a_jump(desk):
    """It closes when its own time is over, wherever the wall clock stands."""
    desk.clock = FakeClock(LAST_SECOND)
    breaker = {"minimum_requests": 2, "open_seconds": 5, "probes": 1}
    desk.server.add(When(model_is("first-model"), Unavailable(), times=2))
    asked = desk.pipeline("main", "second", model={"breaker": breaker}, route={"attempts": 1})
    for _ in range(2):
        await desk.ask(asked, str)
    assert desk.heard("breaker.opened")
    desk.clock.set(datetime(2020, 1, 1, tzinfo=UTC))
    assert (await desk.ask(asked, str)).rung == "second"
    desk.clock.advance(6)
    assert (await desk.ask(asked, str)).rung == "main"


@pytest.mark.parametrize(
    ("routes", "fault"),
    [
        ('[routes.r]\nmodels = ["m", "mm"]', "names a model that does not exist"),
        ('[routes.r]\nmodels = ["m"]\ndegrade_to = "r"', "leads back to itself: r -> r"),
        (
            '[routes.r]\nmodels = ["m"]\ndegrade_to = "q"\n[routes.q]\nmodels = ["m"]\ndegrade_to = "r"',
            "leads back to itself: r -> q -> r",
        ),
        ('[routes.r]\nmodels = ["m"]\ndegrade_to = "p"', "names a route that does not exist"),
    ],
    ids=["unknown model", "route to itself", "circle of two", "unknown route"],
)
def test_a_chain_that_cannot_be_is_refused_before_anything_runs(tmp_path, routes, fault):
    """The settings say what is wrong, each fault once."""
    file = tmp_path / "roadworthy.toml"
    file.write_text(f'[models.m]\nprovider = "python"\nfunction = "a:b"\n{routes}\n')
    with pytest.raises(SettingsError) as caught:
        Settings.load(tmp_path)
    said = [str(one) for one in caught.value.faults]
    assert sum(fault in one for one in said) == 1
    assert len(said) == len(set(said))
