"""Where money went: `costs(tx, query)` adds up calls, their attempts and early exits, row by row and in all.

    calls       how many, how many were answered; tokens and money; what known answers and rules saved
    attempts    what prefix caching and the batch lane saved; prices that are unknown or assumed; models
    runs        early exits: runs that a rule ended before any call

Each is added up in the database by one statement. Money stays integer micro-dollars, so that every grouping
of the same query comes to the same total.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from operator import add, attrgetter
from typing import Any

import sqlalchemy as sa

from roadworthy.calls.call import CallStatus
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.monitoring.early_exits import EarlyExit, early_exits
from roadworthy.monitoring.query import Grouping, Key, Query, by_a_model
from roadworthy.records import from_micro_usd

_LIVE = "live"
_ESTIMATE = "estimate"
"""How the source of a cost begins that is assumed."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What some calls cost and what was saved on them."""

    calls: int = 0
    answered: int = 0
    """Those that ended with a valid answer, by whichever rung."""
    cache_answers: int = 0
    """Those whose answer was known already."""
    rule_answers: int = 0
    """Those that a rule answered before any model was asked."""
    attempts: int = 0
    """Requests to models."""
    input_tokens: int = 0
    """All tokens read, cached ones included."""
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of `input_tokens` that came from a provider's prefix cache."""
    cost_micro_usd: int = 0
    """What is known and what is assumed; a request without a known price adds nothing."""
    unknown_prices: int = 0
    """Requests whose price nobody knows: the cost is more than `cost_micro_usd`."""
    assumed: int = 0
    """Requests that are charged at an estimate, because the provider counted nothing."""
    assumed_micro_usd: int = 0
    """The part of `cost_micro_usd` that is such estimates."""
    saved_by_cache_micro_usd: int = 0
    """What the same answers cost when they were asked for."""
    saved_by_prefix_micro_usd: int = 0
    """By providers' prefix caches; less than 0 where writing into them cost more than it saved."""
    saved_by_batch_micro_usd: int = 0
    """What requests in a provider's batch would have cost more in the live lane."""
    saved_by_rules_micro_usd: int = 0
    saved_by_exits_micro_usd: int = 0
    """By early exits, as far as it can be said."""
    early_exits: int = 0
    """Runs that a rule ended before any call."""
    unpriced_exits: int = 0
    """Early exits of workflows that have no run to compare with: what they saved is not known."""

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*map(add, _VALUES(self), _VALUES(other)))

    @property
    def cost_usd(self) -> Decimal:
        """As far as it is known, exactly."""
        return from_micro_usd(self.cost_micro_usd)

    @property
    def cost_per_answer_usd(self) -> Decimal | None:
        """What one answered call cost, failed ones included; None without an answer or a known price."""
        if not self.answered or (self.unknown_prices and not self.cost_micro_usd):
            return None
        return self.cost_usd / self.answered


_PLACE = {field.name: place for place, field in enumerate(fields(Figures))}
_VALUES = attrgetter(*_PLACE)
_OF_EXITS = [_PLACE[name] for name in ("early_exits", "unpriced_exits", "saved_by_exits_micro_usd")]


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one group."""

    key: Key
    """One text for each dimension of the query, in its order; empty where there is none."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a query."""

    query: Query
    rows: tuple[Row, ...]
    """The dearest first; in the order of their keys where days are among them."""
    total: Figures
    early_exits: tuple[EarlyExit, ...]
    """By workflow and reason, the most frequent first."""

    def share(self, figures: Figures) -> float | None:
        """Which share of the total cost this is, 0 to 1; None when nothing cost anything."""
        return figures.cost_micro_usd / self.total.cost_micro_usd if self.total.cost_micro_usd else None

    def first(self, count: int | None) -> "tuple[tuple[Row, ...], tuple[Row, ...]]":
        """The first rows, and the others; None is all of them."""
        shown = self.rows[:count]
        return shown, self.rows[len(shown) :]


def costs(tx: sa.Connection, query: Query) -> Report:
    """What these calls cost, and what was saved on them."""
    grouping, sums = Grouping(query), _Sums()
    of_calls, of_attempts = _of_calls(query), _of_attempts(query)
    sums.read(tx, grouping, grouping.of_calls(of_calls), of_calls)
    statement = grouping.of_attempts(of_attempts)
    if not query.by_attempt:  # then only these have something to say
        statement = statement.where((call_attempts.c.saved_micro_usd != 0) | ~calls.c.cost_known)
    sums.read(tx, grouping, statement, of_attempts)
    exits = early_exits(tx, grouping)
    for key, one in exits:
        known = one.saved_micro_usd is not None
        sums.add(key, _OF_EXITS, (one.runs, 0 if known else one.runs, one.saved_micro_usd))
    rows = sums.rows()
    return Report(query, _in_order(rows, query), sum_of(rows), _together(one for _, one in exits))


class _Sums:
    """Figures by group, as they come in."""

    def __init__(self) -> None:
        self._found: dict[Key, list[int]] = {}

    def read(
        self, tx: sa.Connection, grouping: Grouping, statement: sa.Select[Any], names: Iterable[str]
    ) -> None:
        """Add what a statement gives: these figures, after the key."""
        places, width = [_PLACE[name] for name in names], grouping.width
        for row in tx.execute(statement).all():
            self.add(grouping.key(row), places, row[width:])

    def add(self, key: Key, places: Iterable[int], values: Sequence[Any]) -> None:
        """Add some figures to a group's; the sum over no rows is None."""
        sums = self._found.setdefault(key, [0] * len(_PLACE))
        for place, value in zip(places, values, strict=True):
            if value:
                sums[place] += int(value)  # PostgreSQL adds whole numbers up to a decimal

    def rows(self) -> list[Row]:
        """The groups that have anything."""
        return [Row(key, Figures(*sums)) for key, sums in self._found.items() if any(sums)]


def sum_of(rows: Iterable[Row]) -> Figures:
    """The figures of several rows together."""
    figures = [_VALUES(row.figures) for row in rows]
    return Figures(*map(sum, zip(*figures, strict=True))) if figures else Figures()


def _of_calls(query: Query) -> dict[str, sa.ColumnElement[Any]]:
    answered = calls.c.status == CallStatus.SUCCEEDED.value
    at_once = calls.c.attempts == 0
    cached = (calls.c.rung == "cache") & ~by_a_model
    figures = {
        "calls": sa.func.count(),
        "answered": _count(answered),
        "cache_answers": _count(cached & answered),
        "rule_answers": _count(at_once & answered & calls.c.rule.is_not(None) & ~calls.c.degraded),
        "saved_by_cache_micro_usd": _sum(calls.c.saved_micro_usd, cached),
        "saved_by_rules_micro_usd": _sum(calls.c.saved_micro_usd, calls.c.rule.is_not(None)),
    }
    if query.by_attempt:
        return figures
    return {**figures, "attempts": sa.func.sum(calls.c.attempts), **_money(calls)}


def _of_attempts(query: Query) -> dict[str, sa.ColumnElement[Any]]:
    its = call_attempts.c
    assumed = sa.func.substr(its.cost_source, 1, len(_ESTIMATE)) == _ESTIMATE
    live = its.lane == _LIVE
    figures = {
        "unknown_prices": _count(its.cost_source == "unknown"),
        "assumed": _count(assumed),
        "assumed_micro_usd": _sum(its.cost_micro_usd, assumed),
        "saved_by_prefix_micro_usd": _sum(its.saved_micro_usd, live),
        "saved_by_batch_micro_usd": _sum(its.saved_micro_usd, ~live),
    }
    if not query.by_attempt:
        return figures
    return {**figures, "attempts": sa.func.count(), **_money(call_attempts)}


def _money(table: sa.Table) -> dict[str, sa.ColumnElement[Any]]:
    return {
        "input_tokens": sa.func.sum(table.c.input_tokens),
        "output_tokens": sa.func.sum(table.c.output_tokens),
        "cached_tokens": sa.func.sum(table.c.cache_read_tokens),
        "cost_micro_usd": sa.func.sum(table.c.cost_micro_usd),
    }


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _sum(column: sa.Column[Any], condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, column), else_=0))


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
