"""Where money went: `costs(tx, query)` adds up calls, their attempts and early exits, row by row and in all.

    hours       what lies in whole hours, as far as it is added up already (`rollups.py`)
    calls       of the rest: how many, how many were answered; tokens and money; what answers saved
    attempts    what prefix caching and the batch lane saved; prices that are unknown or assumed; models
    runs        early exits: runs that a rule ended before any call

Sums are made in the database. Money stays integer micro-dollars, so that every grouping of the same query
comes to the same total, and hours that are added up come to the same as their calls.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import sqlalchemy as sa

from roadworthy.db import one_state
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.rollups import call_hours
from roadworthy.monitoring import measures
from roadworthy.monitoring.coverage import Coverage, coverage
from roadworthy.monitoring.dearest import dearest, is_worth_it
from roadworthy.monitoring.early_exits import EarlyExit, early_exits
from roadworthy.monitoring.figures import OF_EXITS, Figures, Row, Sums, sum_of
from roadworthy.monitoring.grouping import Grouping
from roadworthy.monitoring.query import Key, Query


class Others(NamedTuple):
    """Rows that are not shown."""

    rows: int
    figures: Figures
    """Of all of them."""


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a query."""

    query: Query
    rows: tuple[Row, ...]
    """The dearest first; in the order of their keys where days are among them. Maybe not all."""
    total: Figures
    early_exits: tuple[EarlyExit, ...]
    """By workflow and reason, the most frequent first."""
    groups: int
    """How many rows there are in all."""

    def share(self, figures: Figures) -> float | None:
        """Which share of the total cost this is, 0 to 1; None when nothing cost anything."""
        return figures.cost_micro_usd / self.total.cost_micro_usd if self.total.cost_micro_usd else None

    def first(self, count: int | None) -> tuple[tuple[Row, ...], Others | None]:
        """The first rows, and what all others come to, if there are any; None is all of them."""
        shown = self.rows[:count]
        left = self.groups - len(shown)
        return shown, Others(left, self.total - sum_of(shown)) if left else None


def costs(tx: sa.Connection, query: Query, most: int | None = None, *, exits_too: bool = True) -> Report:
    """What these calls cost, and what was saved on them.

    With `most`, no more rows than that need be read; of the others, there is only what they come to. Without
    `exits_too`, nothing is said of runs that made no call: what they saved takes a look at many runs.
    """
    one_state(tx)
    grouping, sums = Grouping(query), Sums()
    cover, exits = coverage(tx, query, grouping.days), early_exits(tx, grouping) if exits_too else []
    if most is not None and is_worth_it(query):
        first = dearest(tx, grouping, cover, (key for key, _ in exits), most)
        _read(tx, grouping, cover, sums, first.condition)
        _add(sums, exits)
        rows = [row for row in sums.rows() if row.key in first.keys]
        whole = costs(tx, replace(query, by=()), exits_too=exits_too)
        return Report(query, _in_order(rows, query), whole.total, whole.early_exits, first.groups)
    _read(tx, grouping, cover, sums)
    _add(sums, exits)
    rows = sums.rows()
    together = _together(one for _, one in exits)
    return Report(query, _in_order(rows, query), sums.total(), together, len(rows))


def _read(
    tx: sa.Connection,
    grouping: Grouping,
    cover: Coverage,
    sums: Sums,
    condition: sa.ColumnElement[bool] | None = None,
) -> None:
    """Add what lies in hours, and what calls that meet the condition come to."""
    query = grouping.query
    if cover.hours is not None:
        figures = measures.of_hours(query)
        sums.read(tx, grouping, grouping.of_hours(cover.hours, call_hours, figures), figures)
    for span in cover.spans:
        of_calls, of_attempts = measures.of_calls(query), measures.of_attempts(query)
        whole, tried = grouping.of_calls(span, of_calls), grouping.of_attempts(span, of_attempts)
        if not query.by_attempt:  # then only these have something to say
            tried = tried.where((call_attempts.c.saved_micro_usd != 0) | ~calls.c.cost_known)
        for statement, names in ((whole, of_calls), (tried, of_attempts)):
            sums.read(tx, grouping, statement if condition is None else statement.where(condition), names)


def _add(sums: Sums, exits: Iterable[tuple[Key, EarlyExit]]) -> None:
    for key, one in exits:
        known = one.saved_micro_usd is not None
        sums.add(key, OF_EXITS, (one.runs, 0 if known else one.runs, one.saved_micro_usd))


def _in_order(rows: Sequence[Row], query: Query) -> tuple[Row, ...]:
    if "day" in query.by:
        return tuple(sorted(rows, key=lambda row: row.key))
    return tuple(sorted(rows, key=lambda row: (-row.figures.cost_micro_usd, -row.figures.calls, row.key)))


def _together(exits: Iterable[EarlyExit]) -> tuple[EarlyExit, ...]:
    """One for each workflow and reason."""
    found: dict[tuple[str, str], EarlyExit] = {}
    for one in exits:
        seen = found.get((one.workflow, one.reason))
        found[one.workflow, one.reason] = one if seen is None else seen.with_runs(seen.runs + one.runs)
    return tuple(sorted(found.values(), key=lambda one: (-one.runs, one.workflow, one.reason)))
