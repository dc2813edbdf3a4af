"""Budgets against the pace of spending: when each limit of the present day and month is reached.

What is spent is what the budget's own accounts say, because that counts when a request is admitted. What is
still to come is expected from the last days of the calls that an account holds for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal
from urllib.parse import unquote

import sqlalchemy as sa

from roadworthy.budgets import Budgets
from roadworthy.budgets import store as accounts
from roadworthy.budgets.standing import Standing
from roadworthy.monitoring.days import month_of
from roadworthy.monitoring.expectation import Expectation
from roadworthy.monitoring.grouping import Only
from roadworthy.monitoring.history import History, days_left, histories
from roadworthy.monitoring.query import Dimension, Filter, Key
from roadworthy.settings import BudgetSettings

MOST_SUBJECTS = 20
"""Of each limit: those that have spent most."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One limit of one account, and where it is heading."""

    budget: str
    """Its name in the settings."""
    scope: str
    subject: str
    """Whose account it is; empty where nobody has spent anything yet."""
    window: str
    """`2026-11-21` or `2026-11`."""
    timezone: str
    """Whose days and months count."""
    unit: Literal["micro_usd", "tokens"]
    """Of `limit`, `spent` and `expected`."""
    limit: int
    spent: int
    """So far in the window."""
    expected: int | None
    """By the end of the window; None when no whole day was seen yet."""
    reached_on: date | None
    """A month: the day on which the limit is reached. A day: the first day of the month that reaches it.

    None when none does, or it cannot be said.
    """
    when_spent: str
    """What happens then: `close`, `degrade` or `open`."""
    unpriced: int
    """Requests whose price is not known: of them, only tokens are counted."""

    @property
    def is_reached(self) -> bool:
        """Whether the limit is used up now."""
        return self.spent >= self.limit


def paces(
    tx: sa.Connection, budgets: Mapping[str, BudgetSettings], environment: str, now_ms: int
) -> tuple[Pace, ...]:
    """The 20 largest accounts of every limit of a day or month; what is reached first comes first."""
    every = accounts.standing(tx, Budgets(budgets), environment, now_ms, most=MOST_SUBJECTS)
    standings = [one for one in every if one.account.resets_at_ms is not None]
    subjects: dict[tuple[str, str], set[str]] = {}
    for one in standings:
        its = budgets[one.account.budget]
        subjects.setdefault((its.scope, its.timezone), set()).add(one.account.subject)
    seen = {kind: _histories(tx, environment, *kind, found, now_ms) for kind, found in subjects.items()}
    found: list[Pace] = []
    for one in standings:
        its = budgets[one.account.budget]
        history = seen[its.scope, its.timezone].get(one.account.subject)
        found += _paces(one, its, history, now_ms)
    return tuple(sorted(found, key=_urgency))


def _histories(
    tx: sa.Connection, environment: str, scope: str, timezone: str, subjects: Iterable[str], now_ms: int
) -> dict[str, History]:
    """The last days of each subject of a scope."""
    where = Filter(environment=environment)
    if scope == "environment":
        its = histories(tx, where, timezone, now_ms).get(())
        return {} if its is None else {environment: its}
    by, columns = _SCOPES[scope]
    wanted = {_columns_of(scope, subject): subject for subject in subjects if subject}
    if not wanted:
        return {}
    only = Only(columns, tuple(wanted))
    found: dict[str, History] = {}
    for key, history in histories(tx, where, timezone, now_ms, by=by, only=only).items():
        subject = wanted[_known_as(scope, key)]
        if subject not in found:
            found[subject] = history
            continue
        for day, micro_usd in history.micro_usd.items():  # another version of the same prompt
            found[subject].add(day, micro_usd, history.tokens[day])
    return found


_SCOPES: Mapping[str, tuple[tuple[Dimension, ...], tuple[str, ...]]] = {
    "workflow": ((Dimension.WORKFLOW,), ("workflow",)),
    "tenant": ((Dimension.TENANT,), ("tenant",)),
    "user": ((Dimension.TENANT, Dimension.USER), ("tenant", "user_id")),
    "prompt": ((Dimension.PROMPT,), ("prompt_id",)),
    "task": ((Dimension.TASK,), ("task",)),
}
"""How the calls of a subject are told apart, and by which columns they are found."""


def _columns_of(scope: str, subject: str) -> Key:
    """What the columns of a subject's calls hold. An account of a user is named `tenant/user`, or `user`."""
    if scope != "user":
        return (subject,)
    tenant, slash, user = subject.partition("/")
    return (unquote(tenant), unquote(user)) if slash else ("", unquote(subject))


def _known_as(scope: str, key: Key) -> Key:
    return (key[0].partition("@")[0],) if scope == "prompt" else key


def _paces(one: Standing, its: BudgetSettings, history: History | None, now_ms: int) -> Iterable[Pace]:
    account = one.account
    limits: tuple[tuple[Literal["micro_usd", "tokens"], int | None, int], ...] = (
        ("micro_usd", account.limit_micro_usd, one.spent_micro_usd),
        ("tokens", account.limit_tokens, one.spent_tokens),
    )
    for unit, limit, spent in limits:
        if limit is None:
            continue
        expectation = _expectation(history, unit)
        expected, reached_on = _heading(one, its.timezone, limit, spent, expectation, now_ms)
        yield Pace(
            budget=account.budget,
            scope=its.scope,
            subject=account.subject,
            window=account.window,
            timezone=its.timezone,
            unit=unit,
            limit=limit,
            spent=spent,
            expected=expected,
            reached_on=reached_on,
            when_spent=account.when_spent,
            unpriced=one.unpriced if unit == "micro_usd" else 0,
        )


def _expectation(history: History | None, unit: Literal["micro_usd", "tokens"]) -> Expectation | None:
    if history is None:
        return None
    seen = history.whole_days(history.micro_usd if unit == "micro_usd" else history.tokens)
    return Expectation(seen) if seen else None


def _heading(
    one: Standing, timezone: str, limit: int, spent: int, expectation: Expectation | None, now_ms: int
) -> tuple[int | None, date | None]:
    """What is expected by the end of the window, and the day on which the limit is reached."""
    of_a_month = len(one.account.window) == len("2026-11")
    days = days_left(now_ms, month_of(now_ms, timezone)[1], timezone)
    if expectation is None:
        return None, days[0][0] if spent >= limit else None
    window = days if of_a_month else days[:1]
    expected = spent + round(expectation.over(window))
    if spent >= limit:
        return expected, days[0][0]
    total = float(spent)
    for number, (day, part) in enumerate(days):
        starts_anew = number > 0 and not of_a_month
        total = (0.0 if starts_anew else total) + expectation.on(day) * part
        if total >= limit:
            return expected, day
    return expected, None


def _urgency(pace: Pace) -> tuple[date, float, str, str, str]:
    used = pace.spent / pace.limit if pace.limit else 1.0
    return (pace.reached_on or date.max, -used, pace.budget, pace.subject, pace.window)
