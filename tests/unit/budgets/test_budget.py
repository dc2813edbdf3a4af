"""Which accounts a request counts for, and when they have room."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from roadworthy.budgets import Account, Amount, Budgets, Subject
from roadworthy.errors import Bug
from roadworthy.settings import BudgetSettings

NOW = int(datetime(2026, 11, 21, 22, 30, tzinfo=UTC).timestamp() * 1000)
SUBJECT = Subject("production", "answer", "acme", "ann", "draft-reply", "draft", "run_1")


def budgets(**sections: dict[str, object]) -> Budgets:
    """Budgets as settings would have them."""
    return Budgets({name: BudgetSettings.model_validate(one) for name, one in sections.items()})


def subjects(made: Budgets, subject: Subject = SUBJECT) -> list[tuple[str, str]]:
    """Subject and window of each account."""
    return [(one.subject, one.window) for one in made.accounts(subject, NOW)]


def account(**values: object) -> Account:
    """An account without limits but those given."""
    return replace(Account("daily", "acme", "2026-11-21", None, None, "close", 0.8, None), **values)


def test_without_budgets_there_is_nothing_to_ask():
    """A project without budgets pays nothing for them."""
    assert budgets().accounts(SUBJECT, NOW) == ()
    assert budgets().within_call(Amount(10, 10), Amount(None, 10)) is None
    assert not budgets().limits_calls
    assert budgets().every("production", NOW) == ()


@pytest.mark.parametrize(
    ("scope", "subject"),
    [
        ("environment", "production"),
        ("workflow", "answer"),
        ("tenant", "acme"),
        ("user", "acme/ann"),
        ("prompt", "draft-reply"),
        ("task", "draft"),
    ],
)
def test_a_budget_has_an_account_for_each_subject_of_its_scope(scope, subject):
    """A day's and a month's limit of one budget are two accounts."""
    made = budgets(some={"scope": scope, "per_day_usd": "5", "per_month_tokens": 1000})
    month, day = made.accounts(SUBJECT, NOW)
    assert (day.subject, day.window) == (subject, "2026-11-21")
    assert (day.limit_micro_usd, day.limit_tokens) == (5_000_000, None)
    assert (month.subject, month.window) == (subject, "2026-11")
    assert (month.limit_micro_usd, month.limit_tokens) == (None, 1000)
    assert day.resets_at_ms == int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)
    assert day.key == ("some", subject, "2026-11-21", "production")


def test_a_run_has_one_account_that_never_begins_anew():
    """Money and tokens of a run are in the same one."""
    (its,) = budgets(each={"scope": "run", "usd": 1, "tokens": 10}).accounts(SUBJECT, NOW)
    assert (its.subject, its.window, its.resets_at_ms) == ("run_1", "run", None)
    assert (its.limit_micro_usd, its.limit_tokens) == (1_000_000, 10)


@pytest.mark.parametrize("scope", ["workflow", "tenant", "user", "prompt", "task", "run"])
def test_what_is_not_known_has_no_account(scope):
    """A call outside of any run, or without a tenant, is not counted under an empty name."""
    limit = {"usd": 1} if scope == "run" else {"per_day_usd": 1}
    assert budgets(some={"scope": scope, **limit}).accounts(Subject("production"), NOW) == ()


def test_an_environment_always_has_its_account():
    """Also where it has no name."""
    assert subjects(budgets(all={"scope": "environment", "per_day_usd": 1}), Subject("")) == [
        ("", "2026-11-21")
    ]


@pytest.mark.parametrize(
    ("scope", "named"),
    [
        ("environment", "production"),
        ("workflow", "answer"),
        ("tenant", "acme"),
        ("user", "ann"),
        ("prompt", "draft-reply"),
        ("task", "draft"),
        ("run", "answer"),
    ],
)
def test_only_restricts_a_budget_to_those_it_names(scope, named):
    """Users by their own name, runs by their workflow's, everything else by the subject itself."""
    limit = {"usd": 1} if scope == "run" else {"per_day_usd": 1}
    assert len(subjects(budgets(some={"scope": scope, "only": ["x", named], **limit}))) == 1
    assert subjects(budgets(some={"scope": scope, "only": ["x", "y"], **limit})) == []


def test_users_of_the_same_name_in_two_tenants_are_two():
    """However the names are cut, no two share an account."""
    made = budgets(some={"scope": "user", "per_day_usd": 1})
    people = [("a", "b/c"), ("a/b", "c"), ("", "a/b/c"), ("a", "b%2Fc"), ("", "a"), ("a", "a"), ("", "a%2Fb")]
    seen = {subjects(made, Subject("p", tenant=tenant, user_id=user))[0][0] for tenant, user in people}
    assert len(seen) == len(people)


def test_accounts_come_in_the_order_of_their_keys():
    """So that every process locks rows in the same order, however the settings are written."""
    every = {"per_day_usd": 1, "per_month_usd": 9}
    made = budgets(
        b={"scope": "tenant", **every},
        a={"scope": "workflow", **every},
        d={"scope": "run", "usd": 1},
        c={"scope": "environment", **every},
    )
    keys = [one.key for one in made.accounts(SUBJECT, NOW)]
    assert len(keys) == 7
    assert keys == sorted(keys)


def test_a_budget_counts_by_its_own_time_zone():
    """At 22:30 UTC it is the next day in Kathmandu."""
    made = budgets(
        here={"scope": "environment", "per_day_usd": 1},
        there={"scope": "environment", "per_day_usd": 1, "timezone": "Asia/Kathmandu"},
    )
    assert [window for _, window in subjects(made)] == ["2026-11-21", "2026-11-22"]


def test_a_limit_in_dollars_is_never_rounded_up():
    """Less than a micro-dollar is nothing."""
    made = budgets(some={"scope": "tenant", "per_day_usd": "0.0000019", "per_month_usd": "0.0000009"})
    assert [one.limit_micro_usd for one in made.accounts(SUBJECT, NOW)] == [0, 1]


@pytest.mark.parametrize(
    ("limits", "taken", "wanted", "reason"),
    [
        ({"limit_micro_usd": 10}, Amount(6, 0), Amount(4, 99), None),
        ({"limit_micro_usd": 10}, Amount(6, 0), Amount(5, 0), "money"),
        ({"limit_tokens": 10}, Amount(99, 6), Amount(99, 4), None),
        ({"limit_tokens": 10}, Amount(0, 6), Amount(0, 5), "tokens"),
        ({"limit_tokens": 10}, Amount(0, 0), Amount(None, 10), None),
        ({"limit_micro_usd": 10}, Amount(0, 0), Amount(None, 0), "price unknown"),
        ({"limit_micro_usd": 10}, Amount(None, 0), Amount(1, 0), "price unknown"),
        ({"limit_micro_usd": 0}, Amount(0, 0), Amount(1, 0), "money"),
        ({"limit_micro_usd": 0}, Amount(0, 0), Amount(0, 5), None),
        ({"limit_micro_usd": 0}, Amount(0, 0), Amount(None, 5), "price unknown"),
        ({"limit_tokens": 0}, Amount(0, 0), Amount(0, 1), "tokens"),
        ({"limit_tokens": 0}, Amount(0, 0), Amount(9, 0), None),
        ({"limit_micro_usd": 5}, Amount(6, 0), Amount(0, 1), None),
    ],
)
def test_an_account_says_what_it_has_no_room_for(limits, taken, wanted, reason):
    """To the last micro-dollar and token; what is free needs no room, what has no price never has any."""
    assert account(**limits).lacks(taken, wanted) == reason


def test_an_account_is_nearly_spent_once():
    """When its share is reached, not before, and not again."""
    one = account(limit_micro_usd=100)
    steps = [Amount(spent, 0) for spent in (0, 79, 80, 81, 100)]
    assert [one.nears(*pair) for pair in pairwise(steps)] == [False, True, False, False]
    assert account(limit_tokens=10).nears(Amount(None, 7), Amount(None, 8))
    assert not account(limit_micro_usd=0, limit_tokens=0).nears(Amount(0, 0), Amount(0, 0))


def test_a_call_is_held_to_its_own_limits():
    """What its other requests have spent counts; nothing is stored for it."""
    made = budgets(each={"scope": "call", "usd": "0.00001", "tokens": 100})
    assert made.limits_calls
    assert made.accounts(SUBJECT, NOW) == ()
    assert made.within_call(Amount(6, 60), Amount(4, 40)) is None
    refusal = made.within_call(Amount(6, 60), Amount(5, 40))
    assert (refusal.budget, refusal.window, refusal.reason) == ("each", "call", "money")
    assert made.within_call(Amount(6, 60), Amount(4, 41)).reason == "tokens"
    assert made.within_call(Amount(0, 0), Amount(None, 1)).reason == "price unknown"


def test_of_several_refusals_the_one_that_forbids_most_is_told():
    """Close before degrade before open."""
    sections = {
        name: {"scope": "call", "tokens": 1, "when_spent": when}
        for name, when in (("a", "open"), ("b", "degrade"), ("c", "close"), ("d", "close"))
    }
    wanted = Amount(0, 2)
    assert budgets(**sections).within_call(Amount(0, 0), wanted).budget == "c"
    assert budgets(a=sections["a"], b=sections["b"]).within_call(Amount(0, 0), wanted).budget == "b"
    assert budgets(a=sections["a"]).within_call(Amount(0, 0), wanted).when_spent == "open"


@pytest.mark.parametrize(("micro_usd", "tokens"), [(-1, 0), (0, -1), (None, -1)])
def test_less_than_nothing_is_no_amount(micro_usd, tokens):
    """It would make room that is not there."""
    with pytest.raises(Bug):
        Amount(micro_usd, tokens)


def test_a_report_names_every_limit_that_holds_here():
    """Limits of other environments are left out."""
    made = budgets(
        all={"scope": "environment", "per_day_usd": 1, "only": ["production"]},
        call={"scope": "call", "usd": 1},
        tenants={"scope": "tenant", "per_day_usd": 1, "per_month_usd": 1},
    )

    def told(environment: str) -> list[tuple[str, str, str]]:
        return [(one.budget, one.subject, one.window) for one in made.every(environment, NOW)]

    assert told("production") == [
        ("call", "", "call"),
        ("all", "production", "2026-11-21"),
        ("tenants", "", "2026-11"),
        ("tenants", "", "2026-11-21"),
    ]
    assert [one[0] for one in told("staging")] == ["call", "tenants", "tenants"]
