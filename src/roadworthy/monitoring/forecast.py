"""Where money will have gone by the end of the month: `forecast(tx, where, clock, budgets)`.

so far     what this month's calls cost
expected   and, for what is left of today and each day that follows, what such days cost in the last 8 weeks
range      the middle 80% of what the days to come may cost together
budgets    each limit of the present day and month, against the pace of what it holds for
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from roadworthy.monitoring.costs import costs
from roadworthy.monitoring.days import month_of
from roadworthy.monitoring.expectation import Basis, Expectation
from roadworthy.monitoring.figures import Figures
from roadworthy.monitoring.history import days_left, histories
from roadworthy.monitoring.pace import Pace, paces
from roadworthy.monitoring.query import Filter, Query
from roadworthy.records import Clock, from_micro_usd
from roadworthy.settings import BudgetSettings

SHARE = 0.8
"""Of the rounds that the range holds."""
_NO_BUDGETS: Mapping[str, BudgetSettings] = {}


@dataclass(frozen=True, slots=True)
class Forecast:
    """The present month: what is spent, and what is expected."""

    where: Filter
    timezone: str
    """Whose month it is."""
    now_ms: int
    starts_at_ms: int
    """The month's first moment."""
    ends_at_ms: int
    """The first moment after it."""
    so_far: Figures
    """What this month's calls cost, and what was saved on them."""
    expected_micro_usd: int | None
    """By the end of the month; None when no whole day was seen yet."""
    low_micro_usd: int | None
    """One simulated month of ten is below this; None when fewer than two whole days were seen."""
    high_micro_usd: int | None
    """One simulated month of ten is above this."""
    basis: Basis | None
    """What a day to come is compared with: days of the same weekday, or all of them."""
    days_seen: int
    """Whole days, 56 at most."""
    budgets: tuple[Pace, ...]
    """What is reached first comes first."""

    @property
    def expected_usd(self) -> Decimal | None:
        """By the end of the month."""
        return None if self.expected_micro_usd is None else from_micro_usd(self.expected_micro_usd)


def forecast(
    tx: sa.Connection,
    where: Filter,
    clock: Clock,
    budgets: Mapping[str, BudgetSettings] = _NO_BUDGETS,
    *,
    timezone: str = "UTC",
    seed: int = 0,
) -> Forecast:
    """What these calls will have cost at the end of the month.

    Args:
        tx: A connection.
        where: Which calls. Budgets are looked at as a whole, in its environment; without one, not at all.
        clock: What month and day it is.
        budgets: `[budgets]` of the settings.
        timezone: Whose month is meant; a budget has its own.
        seed: The same seed gives the same range.
    """
    now_ms = clock.now_ms()
    starts_at_ms, ends_at_ms = month_of(now_ms, timezone)
    so_far = costs(tx, Query(starts_at_ms, now_ms + 1, where=where, timezone=timezone)).total
    history = histories(tx, where, timezone, now_ms).get(())
    seen = history.whole_days(history.micro_usd) if history is not None else {}
    expectation = Expectation(seen) if seen else None
    expected: int | None = None
    between: tuple[int, int] | None = None
    if expectation is not None:
        days, spent = days_left(now_ms, ends_at_ms, timezone), so_far.cost_micro_usd
        expected = spent + round(expectation.over(days))
        found = expectation.between(days, SHARE, seed)
        between = (spent + round(found[0]), spent + round(found[1])) if found else None
    environment = where.environment
    return Forecast(
        where=where,
        timezone=timezone,
        now_ms=now_ms,
        starts_at_ms=starts_at_ms,
        ends_at_ms=ends_at_ms,
        so_far=so_far,
        expected_micro_usd=expected,
        low_micro_usd=between[0] if between else None,
        high_micro_usd=between[1] if between else None,
        basis=expectation.basis if expectation else None,
        days_seen=len(seen),
        budgets=paces(tx, budgets, environment, now_ms) if budgets and environment is not None else (),
    )
