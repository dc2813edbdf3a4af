"""Which of very many runs or users cost most, without the figures of all the others.

A report by run of a month has as many rows as there are runs, and people look at the first fifty. So what
each cost is added up first; of the dearest, everything is read then, of the others only how many they are.
"""

from collections.abc import Collection, Iterable
from heapq import nsmallest
from typing import NamedTuple

import sqlalchemy as sa

from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.rollups import call_hours
from roadworthy.monitoring.coverage import Coverage
from roadworthy.monitoring.grouping import Grouping
from roadworthy.monitoring.query import Dimension, Key, Query


class Dearest(NamedTuple):
    """The groups that cost most."""

    keys: frozenset[Key]
    groups: int
    """How many there are in all."""
    condition: sa.ColumnElement[bool]
    """What holds for their calls, and for not many others."""


def is_worth_it(query: Query) -> bool:
    """Whether a query may have very many rows that are told apart by their cost."""
    return query.by_run_or_user and not query.by_attempt and Dimension.DAY not in query.by


def dearest(
    tx: sa.Connection, grouping: Grouping, cover: Coverage, others: Iterable[Key], most: int
) -> Dearest:
    """The first groups of the report; `others` are groups that may have no call."""
    found: dict[Key, tuple[int, int]] = dict.fromkeys(others, (0, 0))
    figures = {"cost": sa.func.sum(calls.c.cost_micro_usd), "calls": sa.func.count()}
    statements = [grouping.of_calls(span, figures) for span in cover.spans]
    if cover.hours is not None:
        its = call_hours.c
        columns = {"cost": its.call_cost_micro_usd, "calls": its.calls}
        statements.append(grouping.of_hours(cover.hours, call_hours, columns))
    width = grouping.width
    for statement in statements:
        for row in tx.execute(statement).all():
            key = grouping.key(row)
            cost, count = found.get(key, (0, 0))
            found[key] = (cost + int(row[width]), count + int(row[width + 1]))
    first = nsmallest(most, found.items(), key=lambda one: (-one[1][0], -one[1][1], one[0]))
    keys = frozenset(key for key, _ in first)
    return Dearest(keys, len(found), _condition(grouping.query, keys))


def _condition(query: Query, keys: Collection[Key]) -> sa.ColumnElement[bool]:
    by_run = Dimension.RUN in query.by
    place = query.by.index(Dimension.RUN if by_run else Dimension.USER)
    names = {key[place] for key in keys}
    if not by_run:
        return calls.c.user_id.in_(sorted(names))
    condition = calls.c.run_id.in_(sorted(names))
    return condition | calls.c.run_id.is_(None) if "" in names else condition
