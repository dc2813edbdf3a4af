"""Setting aside and settling, statement by statement, on both databases."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.budgets import Account, Amount, Budgets, Key, Reservation, Subject, store
from roadworthy.db import Database
from roadworthy.db.tables.budgets import budget_accounts
from roadworthy.db.tables.workflows import runs
from roadworthy.settings import BudgetSettings

DAY_MS = 86_400_000
MONTH = Account("daily", "acme", "2026-11", 1_000, None, "close", 0.8, 30 * DAY_MS, "production")
DAY = replace(MONTH, window="2026-11-21", limit_micro_usd=100, limit_tokens=50, resets_at_ms=DAY_MS)


class Books:
    """A database with the tables of budgets, one transaction for each call."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def do(self, work: Callable[..., Any], *given: Any) -> Any:
        """Run a function of the store as one transaction."""
        return self.database.write_now(lambda tx: work(tx, *given))

    def reserve(self, amount: Amount, *accounts: Account, now_ms: int = 1) -> store.Outcome:
        """Set an amount aside."""
        return self.do(store.reserve, accounts, amount, now_ms)

    def row(self, key: Key) -> tuple[int, ...] | None:
        """Spent and reserved money, spent and reserved tokens; None when there is no such account."""
        columns = ("spent_micro_usd", "reserved_micro_usd", "spent_tokens", "reserved_tokens")
        query = sa.select(*(budget_accounts.c[name] for name in columns)).where(
            *(budget_accounts.c[name] == value for name, value in key._asdict().items())
        )
        found = self.database.read_now(lambda tx: tx.execute(query).first())
        return None if found is None else tuple(found)


@pytest.fixture
def books(fresh_database_url) -> Iterator[Books]:
    """Empty books."""
    database = Database(fresh_database_url)
    yield Books(database)
    database.close()


def reservation(number: int = 1, expires_at: int = 50) -> Reservation:
    """What a request of this number sets aside on `DAY`."""
    return Reservation(
        id=f"hold_{number}",
        call_id="call_1",
        number=number,
        model="small",
        accounts=(DAY.key,),
        micro_usd=40,
        tokens=20,
        extra={"slot": "ä", "buckets": [["b", 1.5, 3]]},
        made_at=1,
        expires_at=expires_at,
    )


def test_what_is_set_aside_is_settled_at_what_it_cost(books):
    """In every account that it counts for."""
    outcome = books.reserve(Amount(40, 20), MONTH, DAY)
    assert outcome == store.Outcome((MONTH, DAY))
    assert books.row(DAY.key) == books.row(MONTH.key) == (0, 40, 0, 20)
    books.do(store.settle, (MONTH.key, DAY.key), Amount(40, 20), Amount(13, 7), 2)
    assert books.row(DAY.key) == books.row(MONTH.key) == (13, 0, 7, 0)


def test_a_limit_is_used_to_the_last_micro_dollar_and_token(books):
    """And not one further."""
    assert books.reserve(Amount(99, 49), DAY).refusal is None
    assert books.reserve(Amount(2, 1), DAY).refusal.reason == "money"
    assert books.reserve(Amount(1, 2), DAY).refusal.reason == "tokens"
    assert books.reserve(Amount(1, 1), DAY).refusal is None
    assert books.row(DAY.key) == (0, 100, 0, 50)
    refusal = books.reserve(Amount(1, 0), DAY).refusal
    assert (refusal.budget, refusal.subject, refusal.window, refusal.when_spent, refusal.resets_at_ms) == (
        "daily",
        "acme",
        "2026-11-21",
        "close",
        DAY_MS,
    )


def test_what_was_spent_takes_room_as_well(books):
    """Spent and set aside count together."""
    books.reserve(Amount(60, 1), DAY)
    books.do(store.settle, [DAY.key], Amount(60, 1), Amount(50, 1), 2)
    assert books.reserve(Amount(51, 1), DAY).refusal.reason == "money"
    assert books.reserve(Amount(50, 1), DAY).refusal is None


def test_a_refusal_takes_back_what_was_set_aside_before_it(books):
    """In the same transaction, so that whoever shares it keeps theirs."""
    other = replace(MONTH, budget="other")

    def work(tx: sa.Connection) -> list[bool]:
        amounts = (Amount(70, 1), Amount(70, 1), Amount(30, 1))
        return [store.reserve(tx, (MONTH, DAY, other), one, 1).refusal is None for one in amounts]

    assert books.do(work) == [True, False, True]
    assert [books.row(one.key) for one in (MONTH, DAY, other)] == [(0, 100, 0, 2)] * 3


def test_a_limit_of_zero_lets_through_what_costs_nothing(books):
    """A model on this machine, within a budget of no money; nothing at all within a budget of no tokens."""
    free = replace(DAY, limit_micro_usd=0, limit_tokens=None)
    assert books.reserve(Amount(0, 1_000), free).refusal is None
    assert books.reserve(Amount(1, 0), free).refusal.reason == "money"
    shut = replace(DAY, subject="shut", limit_micro_usd=None, limit_tokens=0)
    assert books.reserve(Amount(0, 1), shut).refusal.reason == "tokens"
    assert books.row(shut.key) is None


def test_what_is_free_passes_after_a_limit_was_lowered(books):
    """Although more is spent by then than may be."""
    books.reserve(Amount(90, 10), DAY)
    lowered = replace(DAY, limit_micro_usd=10)
    assert books.reserve(Amount(1, 1), lowered).refusal.reason == "money"
    assert books.reserve(Amount(0, 1), lowered).refusal is None


def test_a_request_without_a_price_is_refused_where_money_is_limited(books):
    """An unknown price is never free."""
    assert books.reserve(Amount(None, 1), DAY).refusal.reason == "price unknown"
    assert books.row(DAY.key) is None
    tokens = replace(DAY, limit_micro_usd=None)
    assert books.reserve(Amount(None, 1), tokens).refusal is None
    assert books.row(DAY.key) == (0, 0, 0, 1)


def test_an_open_budget_lets_everything_through_and_says_so(books):
    """What goes beyond it is counted; requests without a price are counted by number."""
    it = replace(DAY, when_spent="open")
    assert books.reserve(Amount(90, 1), it).exceeded == ()
    assert books.reserve(Amount(20, 1), it) == store.Outcome((it,), exceeded=(it,))
    assert books.row(DAY.key) == (0, 110, 0, 2)
    assert books.reserve(Amount(None, 1), it).exceeded == (it,)
    books.do(store.settle, [it.key], Amount(None, 1), Amount(None, 3), 2)
    assert books.row(DAY.key) == (0, 110, 3, 2)
    query = sa.select(budget_accounts.c.unpriced)
    assert books.database.read_now(lambda tx: tx.execute(query).scalar()) == 1


def test_an_unknown_cost_is_settled_at_what_was_set_aside(books):
    """The estimate stands where the bill is not known."""
    books.reserve(Amount(40, 20), DAY)
    books.do(store.settle, [DAY.key], Amount(40, 20), Amount(None, 5), 2)
    assert books.row(DAY.key) == (40, 0, 5, 0)


def test_a_budget_that_becomes_nearly_spent_is_named_by_the_request_that_made_it_so(books):
    """Not by those before and after."""
    near = [books.reserve(Amount(10, 1), DAY).near for _ in range(10)]
    assert [bool(one) for one in near] == [False] * 7 + [True] + [False] * 2
    assert near[7] == (DAY,)


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (("degrade", "close"), 1),
        (("close", "degrade"), 0),
        (("degrade", "degrade"), 0),
        (("open", "degrade"), 1),
    ],
)
def test_of_several_refusals_the_one_that_closes_is_told(books, when, told):
    """A cheaper route is of no use where a budget closes; whatever was held is given back."""
    first, second = (replace(DAY, budget=f"b{n}", when_spent=one) for n, one in enumerate(when))
    outcome = books.reserve(Amount(101, 1), first, second)
    assert outcome.refusal.budget == f"b{told}"
    assert (outcome.held, outcome.exceeded, outcome.near) == ((), (), ())
    assert books.row(first.key) in (None, (0, 0, 0, 0))


def test_environments_windows_and_subjects_have_accounts_of_their_own(books):
    """What one spends, no other one misses."""
    others = [replace(DAY, **{name: "x"}) for name in ("environment", "window", "subject", "budget")]
    books.reserve(Amount(100, 50), DAY)
    assert [books.reserve(Amount(100, 50), one).refusal for one in others] == [None] * 4


def test_a_reservation_is_settled_by_the_first_who_asks(books):
    """The second one is told that there is nothing left to settle."""
    assert books.do(store.hold, reservation())
    assert [books.do(store.release, "hold_1") for _ in range(3)] == [True, False, False]


def test_a_reservation_is_made_once_however_often_its_transaction_runs(books):
    """A connection that breaks at the commit must not set the same amount aside twice."""

    def admit(tx: sa.Connection) -> None:
        if store.hold(tx, reservation()):
            store.reserve(tx, [DAY], reservation().amount, 1)

    for _ in range(3):
        books.do(admit)
    assert books.row(DAY.key) == (0, 40, 0, 20)


def test_reservations_expire_in_order_and_come_back_as_they_were(books):
    """Those whose time has not come are left alone."""
    made = [reservation(number, expires_at) for number, expires_at in ((1, 30), (2, 10), (3, 20), (4, 31))]
    made[1] = replace(made[1], micro_usd=None)
    for one in made:
        books.do(store.hold, one)
    assert books.do(store.expired, 9, 10) == []
    assert books.do(store.expired, 30, 10) == [made[1], made[2], made[0]]
    assert books.do(store.expired, 30, 2) == [made[1], made[2]]
    assert all(isinstance(key, Key) for key in books.do(store.expired, 30, 1)[0].accounts)


def test_a_reservation_is_settled_in_the_window_in_which_it_was_made(books):
    """Midnight lies between; the new day has not spent what the old one reserved."""
    tomorrow = replace(DAY, window="2026-11-22", resets_at_ms=2 * DAY_MS)
    books.reserve(Amount(40, 20), DAY)
    books.reserve(Amount(1, 1), tomorrow, now_ms=DAY_MS)
    books.do(store.settle, [DAY.key], Amount(40, 20), Amount(39, 19), DAY_MS + 5)
    assert books.row(DAY.key) == (39, 0, 19, 0)
    assert books.row(tomorrow.key) == (0, 1, 0, 1)


def test_a_report_shows_every_limit_in_its_present_window(books):
    """The largest accounts first; a limit without any account once, with nothing spent."""
    settings = {
        "day": BudgetSettings(scope="tenant", per_day_usd=1, per_month_tokens=1_000),
        "each": BudgetSettings(scope="call", usd=1),
        "none": BudgetSettings(scope="workflow", per_day_usd=0),
    }
    made = Budgets(settings)
    for number, day in enumerate((0, 0, 0, 1), start=1):
        accounts = made.accounts(Subject("production", tenant=f"t{number}"), day * DAY_MS)
        books.reserve(Amount(number * 1_000, number), *accounts)
    books.reserve(Amount(9, 9), *made.accounts(Subject("staging", tenant="t9"), 0))
    found = books.do(lambda tx: store.standing(tx, made, "production", 5, most=2))
    told = [
        (one.account.budget, one.account.window, one.account.subject, one.reserved_tokens) for one in found
    ]
    assert told == [
        ("each", "call", "", 0),
        ("day", "1970-01", "t4", 4),
        ("day", "1970-01", "t3", 3),
        ("day", "1970-01-01", "t3", 3),
        ("day", "1970-01-01", "t2", 2),
        ("none", "1970-01-01", "", 0),
    ]
    assert [(one.left_micro_usd, one.left_tokens) for one in found[2:4]] == [(None, 997), (997_000, None)]
    assert [one.share for one in found] == [0, 0.004, 0.003, 0.003, 0.002, 1]


def test_old_windows_are_forgotten_and_nothing_else(books):
    """What still holds a reservation stays, and a run's account as long as the run."""
    run = replace(DAY, window="run", resets_at_ms=None)
    kept = [replace(DAY, subject="paying"), replace(DAY, subject="reading")]
    young = replace(DAY, subject="young")
    for one in (DAY, replace(run, subject="gone"), replace(run, subject="run_1")):
        books.reserve(Amount(1, 1), one)
        books.do(store.settle, [one.key], Amount(1, 1), Amount(1, 1), 2)
    for one, amount in zip(kept, (Amount(1, 0), Amount(0, 1)), strict=True):
        books.reserve(amount, one)
    books.reserve(Amount(0, 0), young, now_ms=3 * DAY_MS)
    values = {"id": "run_1", "workflow": "w", "status": "dead", "environment": "e", "input_hash": "h"}
    books.do(lambda tx: tx.execute(sa.insert(runs).values(**values, created_at=1)) and None)
    assert books.do(store.forget, DAY_MS) == 1
    assert books.row(replace(run, subject="gone").key) is None
    assert books.do(store.forget, 2 * DAY_MS) == 1
    assert books.row(DAY.key) is None
    assert books.do(store.forget, 2 * DAY_MS) == 0
    assert all(books.row(one.key) for one in (*kept, young, replace(run, subject="run_1")))
