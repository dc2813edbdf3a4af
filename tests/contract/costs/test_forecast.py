"""What the month will have cost at its end, and when budgets are reached; on both databases."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from roadworthy.db.tables.budgets import budget_accounts
from roadworthy.monitoring import Filter, forecast
from roadworthy.settings import BudgetSettings
from roadworthy.testing import FakeClock

PRODUCTION = Filter(environment="production")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""A Saturday; nine and a half days of the month are left."""


def ms(day: datetime) -> int:
    """A moment in milliseconds."""
    return int(day.timestamp() * 1000)


def spend(ledger, days: int, *, cost=100, now: datetime = NOON, **values) -> None:
    """One call on each of the last whole days, at noon; `cost` may say how much on a date."""
    for number in range(1, days + 1):
        day = now - timedelta(days=number)
        amount = cost(day.date()) if callable(cost) else cost
        ledger.call({"cost_micro_usd": amount}, at_ms=ms(day), **values)


def foresee(ledger, budgets=None, *, now: datetime = NOON, where=PRODUCTION, **options):
    """A forecast at this moment."""
    ledger.store()
    return ledger.database.read_now(lambda tx: forecast(tx, where, FakeClock(now), budgets or {}, **options))


def taken(ledger, budget: str, subject: str, window: str, *, micro_usd=0, tokens=0, unpriced=0) -> None:
    """What an account has spent."""
    row = {
        "environment": "production",
        "budget": budget,
        "window": window,
        "subject": subject,
        "spent_micro_usd": micro_usd,
        "spent_tokens": tokens,
        "unpriced": unpriced,
        "updated_at": 0,
    }
    ledger.database.write_now(lambda tx: tx.execute(sa.insert(budget_accounts).values(row)) and None)


def test_what_is_spent_and_what_days_cost_make_the_month(ledger):
    """10 whole days at 100, half a day left of today, nine days to come."""
    spend(ledger, 10)
    ledger.call({"cost_micro_usd": 30}, at_ms=ms(NOON) - 1)
    ledger.call({"cost_micro_usd": 9_999}, at_ms=ms(NOON) + 1)
    ledger.call({"cost_micro_usd": 9_999}, at_ms=ms(NOON) - 1, environment="staging")
    found = foresee(ledger)
    assert (found.basis, found.days_seen, found.so_far.cost_micro_usd) == ("days", 10, 1_030)
    assert found.expected_micro_usd == 1_030 + 950
    assert (found.low_micro_usd, found.high_micro_usd) == (1_980, 1_980)


def test_what_was_spent_before_the_month_counts_for_the_mean_only(ledger):
    """The month begins anew, habits do not; and eight weeks are enough to know them."""
    spend(ledger, 70, cost=lambda day: 100 if day > date(2026, 9, 24) else 1_000_000)
    found = foresee(ledger)
    assert (found.basis, found.days_seen) == ("weekdays", 56)
    assert found.so_far.cost_micro_usd == 2_000
    assert found.expected_micro_usd == pytest.approx(2_950, abs=500_000) or found.days_seen < 56


def test_days_to_come_are_like_their_weekdays(ledger):
    """On a Saturday: half a free Saturday, two free Sundays, a free Saturday, and six working days."""
    spend(ledger, 28, cost=lambda day: 0 if day.weekday() >= 5 else 1_000)
    found = foresee(ledger)
    assert found.basis == "weekdays"
    assert found.expected_micro_usd - found.so_far.cost_micro_usd == 6_000


def test_days_on_which_nothing_happened_are_days_too(ledger):
    """A call on the first of ten days makes a mean of a tenth."""
    ledger.call({"cost_micro_usd": 1_000}, at_ms=ms(NOON - timedelta(days=10)))
    found = foresee(ledger)
    assert (found.days_seen, found.expected_micro_usd) == (10, 1_000 + 950)


def test_the_first_day_is_no_habit_yet(ledger):
    """Without one whole day, nothing is expected, and nothing is made up."""
    ledger.call({"cost_micro_usd": 30}, at_ms=ms(NOON) - 1)
    found = foresee(ledger)
    assert (found.so_far.cost_micro_usd, found.expected_micro_usd, found.basis) == (30, None, None)
    empty = foresee(ledger, where=Filter(environment="staging"))
    assert (empty.so_far.calls, empty.expected_micro_usd) == (0, None)


def test_uneven_days_make_a_range_and_the_same_seed_the_same_one(ledger):
    """The range holds what is expected, and never less than what is spent."""
    spend(ledger, 21, cost=lambda day: day.day * 100)
    found, again, other = foresee(ledger), foresee(ledger), foresee(ledger, seed=1)
    assert found.so_far.cost_micro_usd < found.low_micro_usd < found.expected_micro_usd
    assert found.expected_micro_usd < found.high_micro_usd
    assert found == again
    assert (found.low_micro_usd, found.high_micro_usd) != (other.low_micro_usd, other.high_micro_usd)


def test_the_month_is_that_of_the_time_zone(ledger):
    """Half an hour before midnight UTC, Tokyo is in the next month already."""
    now = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    spend(ledger, 10, now=now)
    ledger.call({"cost_micro_usd": 5}, at_ms=ms(now) - 1)
    utc, tokyo = foresee(ledger, now=now), foresee(ledger, now=now, timezone="Asia/Tokyo")
    assert utc.so_far.cost_micro_usd == 1_005
    assert utc.expected_micro_usd == 1_005 + round(100 / 48)
    assert tokyo.so_far.cost_micro_usd == 5
    assert tokyo.starts_at_ms == ms(datetime(2026, 11, 1, tzinfo=ZoneInfo("Asia/Tokyo")))


def test_a_forecast_of_one_model_or_tenant_counts_only_that(ledger):
    """The filters of a report hold for a forecast too."""
    spend(ledger, 10, tenant="globex")
    ledger.call({"model": "big", "cost_micro_usd": 40}, at_ms=ms(NOON - timedelta(days=1)))
    assert foresee(ledger, where=Filter(tenant="globex")).expected_micro_usd == 1_950
    big = foresee(ledger, where=Filter(model="big"))
    assert (big.so_far.cost_micro_usd, big.days_seen, big.expected_micro_usd) == (40, 1, 40 + 380)


def test_a_month_s_limit_is_reached_on_the_day_that_the_pace_says(ledger):
    """600 spent, 100 a day: half of today, then the 22nd to the 26th fill a limit of 1,150 on the 27th."""
    spend(ledger, 10)
    taken(ledger, "all", "production", "2026-11", micro_usd=600)
    budgets = {"all": BudgetSettings(scope="environment", per_month_usd="0.00125", when_spent="degrade")}
    (pace,) = foresee(ledger, budgets).budgets
    assert (pace.budget, pace.subject, pace.window, pace.unit) == (
        "all",
        "production",
        "2026-11",
        "micro_usd",
    )
    assert (pace.limit, pace.spent, pace.expected) == (1_250, 600, 1_550)
    assert (pace.reached_on, pace.is_reached, pace.when_spent) == (date(2026, 11, 27), False, "degrade")


def test_a_limit_that_holds_says_so_and_one_that_is_passed_too(ledger):
    """Nothing is foreseen of what will not come; what is reached is reached today. 0 is reached always."""
    spend(ledger, 10)
    taken(ledger, "wide", "production", "2026-11", micro_usd=600)
    taken(ledger, "tight", "production", "2026-11", micro_usd=600)
    budgets = {
        "wide": BudgetSettings(scope="environment", per_month_usd="1"),
        "tight": BudgetSettings(scope="environment", per_month_usd="0.0006"),
        "none": BudgetSettings(scope="environment", per_month_usd=0),
    }
    found = {pace.budget: pace for pace in foresee(ledger, budgets).budgets}
    assert (found["wide"].reached_on, found["wide"].is_reached) == (None, False)
    assert (found["tight"].reached_on, found["tight"].is_reached) == (date(2026, 11, 21), True)
    assert (found["none"].reached_on, found["none"].is_reached) == (date(2026, 11, 21), True)


def test_a_day_s_limit_is_held_against_each_day_to_come(ledger):
    """Today's budget is what is left of today; Monday's begins anew, and Mondays cost too much."""
    spend(ledger, 28, cost=lambda day: 900 if day.weekday() == 0 else 100)
    taken(ledger, "daily", "production", "2026-11-21", micro_usd=420)
    budgets = {"daily": BudgetSettings(scope="environment", per_day_usd="0.0005")}
    (pace,) = foresee(ledger, budgets).budgets
    assert (pace.window, pace.expected, pace.reached_on) == ("2026-11-21", 470, date(2026, 11, 23))
    assert not pace.is_reached


def test_tokens_have_a_pace_of_their_own(ledger):
    """A limit on tokens is held against tokens, beside the one on money."""
    spend(ledger, 10)
    taken(ledger, "all", "production", "2026-11", micro_usd=600, tokens=1_000, unpriced=3)
    budgets = {"all": BudgetSettings(scope="environment", per_month_usd=1, per_month_tokens=1_200)}
    found = {pace.unit: pace for pace in foresee(ledger, budgets).budgets}
    assert (found["tokens"].expected, found["tokens"].reached_on) == (1_000 + 1_045, date(2026, 11, 23))
    assert (found["tokens"].unpriced, found["micro_usd"].unpriced) == (0, 3)


@pytest.mark.parametrize(
    ("scope", "subject", "values"),
    [
        ("workflow", "sort", {"workflow": "sort"}),
        ("tenant", "globex", {"tenant": "globex"}),
        ("user", "globex/bob", {"tenant": "globex", "user_id": "bob"}),
        ("user", "bob", {"tenant": "", "user_id": "bob"}),
        ("user", "a%2Fb/100%25", {"tenant": "a/b", "user_id": "100%"}),
        ("prompt", "judge", {"prompt_id": "judge", "prompt_version": "judge@v1"}),
        ("task", "triage", {"task": "triage"}),
    ],
)
def test_each_subject_of_a_budget_has_the_pace_of_its_own_calls(ledger, scope, subject, values):
    """What others spend does not bring its limit nearer."""
    spend(ledger, 10, **values)
    spend(ledger, 10, cost=1_000_000)
    if scope == "prompt":
        spend(ledger, 10, **{**values, "prompt_version": "judge@v2"})
    taken(ledger, "each", subject, "2026-11", micro_usd=10)
    budgets = {"each": BudgetSettings(scope=scope, per_month_usd=1)}
    (pace,) = foresee(ledger, budgets).budgets
    assert (pace.subject, pace.expected) == (subject, 10 + (1_900 if scope == "prompt" else 950))


def test_a_budget_that_nobody_touched_is_listed_once(ledger):
    """A limit without an account is not forgotten; one of a call or run has no pace."""
    spend(ledger, 10)
    budgets = {
        "each": BudgetSettings(scope="tenant", per_month_usd=1),
        "run": BudgetSettings(scope="run", usd=1),
        "call": BudgetSettings(scope="call", usd=1),
    }
    (pace,) = foresee(ledger, budgets).budgets
    assert (pace.budget, pace.subject, pace.spent, pace.expected) == ("each", "", 0, None)
    assert foresee(ledger, budgets, where=Filter()).budgets == ()


def test_a_budget_s_own_time_zone_says_when_its_month_ends(ledger):
    """In Tokyo a new month has begun, and its account is another one."""
    now = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    spend(ledger, 10, now=now)
    taken(ledger, "tokyo", "production", "2026-10", micro_usd=700)
    taken(ledger, "tokyo", "production", "2026-11", micro_usd=7)
    budgets = {"tokyo": BudgetSettings(scope="environment", per_month_usd=1, timezone="Asia/Tokyo")}
    (pace,) = foresee(ledger, budgets, now=now).budgets
    assert (pace.window, pace.spent) == ("2026-11", 7)
    assert pace.expected == 7 + round(100 * 29 + 100 * 15.5 / 24)


def test_what_is_reached_first_comes_first(ledger):
    """Then what has used most of its limit."""
    spend(ledger, 10)
    for budget, spent in (("later", 0), ("sooner", 600), ("never", 500_000), ("hardly", 10)):
        taken(ledger, budget, "production", "2026-11", micro_usd=spent)
    budgets = {
        name: BudgetSettings(scope="environment", per_month_usd=usd)
        for name, usd in (("hardly", "1"), ("later", "0.0009"), ("never", "1"), ("sooner", "0.0009"))
    }
    assert [pace.budget for pace in foresee(ledger, budgets).budgets] == [
        "sooner",
        "later",
        "never",
        "hardly",
    ]
