"""What was spent on each of the last days: what expectations are made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets.calendar import Calendar
from roadworthy.db import one_state
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.rollups import call_hours, call_keys
from roadworthy.monitoring.coverage import coverage
from roadworthy.monitoring.days import Days, date_of
from roadworthy.monitoring.grouping import Grouping, Only
from roadworthy.monitoring.query import Dimension, Filter, Key, Query

DAYS = 56
"""Eight weeks: enough of each weekday, and not so many that a habit long gone counts."""
_DAY_MS = 86_400_000


@dataclass(slots=True)
class History:
    """What was spent on each day, today included; days on which nothing happened are left out."""

    today: date
    micro_usd: dict[date, int] = field(default_factory=dict[date, int])
    tokens: dict[date, int] = field(default_factory=dict[date, int])

    def add(self, day: date, micro_usd: int, tokens: int) -> None:
        """Add to what was spent on a day."""
        self.micro_usd[day] = self.micro_usd.get(day, 0) + micro_usd
        self.tokens[day] = self.tokens.get(day, 0) + tokens

    def whole_days(self, spent: Mapping[date, int]) -> dict[date, int]:
        """Every day from the first one to yesterday; 0 where nothing happened."""
        first = min(spent, default=self.today)
        count = (self.today - first).days
        return {day: spent.get(day, 0) for day in (first + timedelta(days=n) for n in range(count))}


def histories(
    tx: sa.Connection,
    where: Filter,
    timezone: str,
    now_ms: int,
    *,
    by: tuple[Dimension, ...] = (),
    only: Only | None = None,
) -> dict[Key, History]:
    """The last 56 days and today, for each group; `only` restricts the calls further."""
    one_state(tx)
    today = date_of(now_ms, timezone)
    since_ms = Calendar(timezone).day(now_ms - DAYS * _DAY_MS).starts_at_ms
    query = Query(since_ms, now_ms + 1, (Dimension.DAY, *by), where, timezone)
    grouping = Grouping(query, only)
    found: dict[Key, History] = {}
    for statement in _statements(tx, grouping, only):
        for row in tx.execute(statement):
            day, *key = grouping.key(row)
            micro_usd, tokens = row[grouping.width :]
            history = found.setdefault(tuple(key), History(today))
            history.add(date.fromisoformat(day), int(micro_usd), int(tokens))
    return found


def _statements(tx: sa.Connection, grouping: Grouping, only: Only | None) -> Iterator[sa.Select[Any]]:
    """What was spent, and the tokens."""
    by_attempt = grouping.query.by_attempt
    spans, hours = coverage(tx, grouping.query, grouping.days)
    its = (call_attempts if by_attempt else calls).c
    figures = {
        "micro_usd": sa.func.sum(its.cost_micro_usd),
        "tokens": sa.func.sum(its.input_tokens + its.output_tokens),
    }
    for span in spans:
        yield grouping.of_attempts(span, figures) if by_attempt else grouping.of_calls(span, figures)
    if hours is None or not set(only.columns if only else ()) <= set(call_keys.c.keys()):
        return
    mine = call_hours.c
    columns = (
        (mine.cost_micro_usd, mine.input_tokens, mine.output_tokens)
        if by_attempt
        else (mine.call_cost_micro_usd, mine.call_input_tokens, mine.call_output_tokens)
    )
    summed = {"micro_usd": columns[0], "tokens": columns[1] + columns[2]}
    yield grouping.of_hours(hours, call_hours, summed)


def days_left(now_ms: int, until_ms: int, timezone: str) -> list[tuple[date, float]]:
    """What is left of today and each day that follows, as date and part of the day, 0 to 1."""
    days = Days(now_ms, max(until_ms, now_ms + 1), timezone).all
    today = days[0]
    part = (today.ends_at_ms - now_ms) / (today.ends_at_ms - today.starts_at_ms)
    return [(today.date, part), *((day.date, 1.0) for day in days[1:])]
