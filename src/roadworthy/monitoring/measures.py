"""The figures as SQL: of calls and attempts as they lie in the tables, and of the roll-ups.

A figure has the same name wherever it comes from. What each is, `Figures` says.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from roadworthy.calls.call import CallStatus
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.rollups import OF_ATTEMPTS, OF_CALLS, call_hours
from roadworthy.monitoring.grouping import by_a_model
from roadworthy.monitoring.query import Query

Columns = Mapping[str, sa.ColumnElement[Any]]
_LIVE = "live"
_ESTIMATE = "estimate"
"""How the source of a cost begins that is assumed."""


def of_calls(query: Query) -> Columns:
    """What is read from `calls`."""
    return _asked_for(query, EVERY_ONE_OF_CALLS)


def of_attempts(query: Query) -> Columns:
    """What is read from `call_attempts`."""
    return _asked_for(query, EVERY_ONE_OF_ATTEMPTS)


def of_hours(query: Query) -> Columns:
    """The same, and what is read from `calls`, out of the roll-ups."""
    return _asked_for(query, {name: call_hours.c[name] for name in (*OF_CALLS, *OF_ATTEMPTS)})


def _asked_for(query: Query, columns: Columns) -> Columns:
    """Money and tokens are those of attempts where models are told apart, else those of whole calls."""
    other = {f"{_CALL}{name}" for name in _TAKEN} if query.by_attempt else set(_TAKEN)
    return {name.removeprefix(_CALL): column for name, column in columns.items() if name not in other}


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _sum(column: sa.Column[Any], condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, column), else_=0))


_CALL = "call_"
"""Of a whole call, with all that its attempts took."""
_TAKEN = ("attempts", "input_tokens", "output_tokens", "cached_tokens", "cost_micro_usd")

_answered = calls.c.status == CallStatus.SUCCEEDED.value
_at_once = calls.c.attempts == 0
_by_rule = calls.c.rule.is_not(None)
_by_cache = (calls.c.rung == "cache") & ~by_a_model
EVERY_ONE_OF_CALLS: Columns = {
    "calls": sa.func.count(),
    "answered": _count(_answered),
    "cache_answers": _count(_by_cache & _answered),
    "rule_answers": _count(_at_once & _answered & _by_rule & ~calls.c.degraded),
    "saved_by_cache_micro_usd": _sum(calls.c.saved_micro_usd, _by_cache),
    "saved_by_rules_micro_usd": _sum(calls.c.saved_micro_usd, _by_rule),
    "call_attempts": sa.func.sum(calls.c.attempts),
    "call_input_tokens": sa.func.sum(calls.c.input_tokens),
    "call_output_tokens": sa.func.sum(calls.c.output_tokens),
    "call_cached_tokens": sa.func.sum(calls.c.cache_read_tokens),
    "call_cost_micro_usd": sa.func.sum(calls.c.cost_micro_usd),
}

_its = call_attempts.c
_assumed = sa.func.substr(_its.cost_source, 1, len(_ESTIMATE)) == _ESTIMATE
_live = _its.lane == _LIVE
EVERY_ONE_OF_ATTEMPTS: Columns = {
    "attempts": sa.func.count(),
    "input_tokens": sa.func.sum(_its.input_tokens),
    "output_tokens": sa.func.sum(_its.output_tokens),
    "cached_tokens": sa.func.sum(_its.cache_read_tokens),
    "cost_micro_usd": sa.func.sum(_its.cost_micro_usd),
    "unknown_prices": _count(_its.cost_source == "unknown"),
    "assumed": _count(_assumed),
    "assumed_micro_usd": _sum(_its.cost_micro_usd, _assumed),
    "saved_by_prefix_micro_usd": _sum(_its.saved_micro_usd, _live),
    "saved_by_batch_micro_usd": _sum(_its.saved_micro_usd, ~_live),
}
