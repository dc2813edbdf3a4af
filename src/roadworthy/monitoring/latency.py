"""How long answered calls took: `latencies(tx, query)`, from which any percentile can be read.

Calls are counted in buckets that grow by the fourth root of 2, from a millisecond to more than a day, so that
counts of any hours can be added up. A percentile is the geometric middle of its bucket: at most 9.1% from the
call whose rank it is (2 to the power of 1/8). In the last bucket, of 37 hours and more, it is too low.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, sqrt
from typing import Any

import sqlalchemy as sa

from roadworthy.calls.call import CallStatus
from roadworthy.db import one_state
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.rollups import call_latencies
from roadworthy.monitoring.coverage import coverage
from roadworthy.monitoring.grouping import Grouping
from roadworthy.monitoring.query import Key, Query

_STEPS = 4
"""Buckets to a doubling."""
_DOUBLINGS = 27
BOUNDS_MS = (0, *sorted({ceil(2 ** (step / _STEPS)) for step in range(_STEPS * _DOUBLINGS + 1)}))
"""Where each bucket begins. They must never change: counts that are stored are in these."""


def bucket_of(milliseconds: int) -> int:
    """The number of a latency's bucket; also of a clock that went back."""
    return max(0, bisect_right(BOUNDS_MS, milliseconds) - 1)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long some answered calls took, from their beginning to their answer."""

    counts: Mapping[int, int]
    """Calls by the number of their bucket."""

    @property
    def calls(self) -> int:
        """How many calls these are."""
        return sum(self.counts.values())

    def seconds_at(self, share: float) -> float | None:
        """A percentile by nearest rank, such as 0.95; None without a call."""
        buckets = sorted(self.counts)
        ranks = list(accumulate(self.counts[bucket] for bucket in buckets))
        if not ranks:
            return None
        rank = max(1, ceil(share * ranks[-1]))
        return (
            _middle_ms(next(bucket for bucket, upto in zip(buckets, ranks, strict=True) if upto >= rank))
            / 1000
        )


def latencies(tx: sa.Connection, query: Query) -> dict[Key, Latency]:
    """How long the answered calls of each group took."""
    one_state(tx)
    grouping = Grouping(query)
    spans, hours = coverage(tx, query, grouping.days)
    statements = [_of_calls(grouping, span) for span in spans]
    if hours is not None:
        its = call_latencies.c
        counted = {"calls": its.calls}
        statements.append(grouping.of_hours(hours, call_latencies, counted, {"bucket": its.bucket}))
    found: dict[Key, dict[int, int]] = {}
    for statement in statements:
        for row in tx.execute(statement):
            bucket, count = row[grouping.width :]
            counts = found.setdefault(grouping.key(row), {})
            counts[bucket] = counts.get(bucket, 0) + int(count)
    return {key: Latency(counts) for key, counts in found.items()}


def _of_calls(grouping: Grouping, span: Any) -> sa.Select[Any]:
    counted = grouping.of_calls(span, {"calls": sa.func.count()}, {"bucket": bucket})
    return counted.where(was_answered)


def _middle_ms(number: int) -> float:
    first = BOUNDS_MS[number]
    return sqrt(first * (BOUNDS_MS[number + 1] - 1)) if number + 1 < len(BOUNDS_MS) else float(first)


def _search(column: sa.ColumnElement[int], first: int, last: int) -> sa.ColumnElement[int]:
    """The number of a bucket as SQL: seven comparisons, as no function is the same in both databases."""
    if first == last:
        return sa.literal_column(str(first), sa.Integer)
    middle = (first + last + 1) // 2
    below = column < sa.literal_column(str(BOUNDS_MS[middle]), sa.BigInteger)
    return sa.case((below, _search(column, first, middle - 1)), else_=_search(column, middle, last))


bucket = _search(calls.c.finished_at - calls.c.started_at, 0, len(BOUNDS_MS) - 1)
was_answered = (calls.c.status == CallStatus.SUCCEEDED.value) & calls.c.finished_at.is_not(None)
