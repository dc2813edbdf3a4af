"""Where a report reads: whole hours from the roll-ups, everything else from the calls themselves.

From the calls are read
    hours that are not added up yet, or have changed since
    the first and the last part of the time, where it begins or ends within an hour
    hours in which a day begins, where days are told apart (in Kathmandu: a quarter past the hour)
    all of them, where runs or users are told apart
Where calls are deleted, there are only whole hours: each counts where it begins, and for no run and no user.
"""

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from roadworthy.calls.hours import HOUR_MS, changes, hour_of, standing
from roadworthy.monitoring.days import Days
from roadworthy.monitoring.query import Query


class Span(NamedTuple):
    """A stretch of time, its end excluded."""

    since_ms: int
    until_ms: int


class Hours(NamedTuple):
    """Hours that begin in a stretch of time, but for some."""

    since_ms: int
    until_ms: int
    without: tuple[int, ...] = ()


class Coverage(NamedTuple):
    """What to read where; every moment is in one of them, once."""

    spans: tuple[Span, ...]
    """From the calls."""
    hours: Hours | None
    """From the roll-ups."""


def coverage(tx: sa.Connection, query: Query, days: Days | None) -> Coverage:
    """Where to read what is asked; `days`, if they are told apart. All of it in the same transaction."""
    rolled_until, swept_until = standing(tx)
    since_ms = max(query.since_ms, min(swept_until, query.until_ms))
    first = _at_or_after(query.since_ms)
    end = max(
        min(hour_of(query.until_ms), swept_until if query.by_run_or_user else rolled_until),
        min(_at_or_after(query.until_ms), swept_until),
    )
    if end <= first:
        return Coverage(_not_empty(Span(since_ms, query.until_ms)), None)
    kept = max(first, swept_until)
    without = set(changes(tx, kept, end))
    if days is not None:
        begun = (hour_of(day.starts_at_ms) for day in days.all if day.starts_at_ms % HOUR_MS)
        without |= {hour for hour in begun if kept <= hour < end}
    left_out = tuple(sorted(without))
    spans = (Span(since_ms, first), *_together(left_out), Span(max(end, since_ms), query.until_ms))
    return Coverage(_not_empty(*spans), Hours(first, end, left_out))


def _at_or_after(at_ms: int) -> int:
    return hour_of(at_ms + HOUR_MS - 1)


def _not_empty(*spans: Span) -> tuple[Span, ...]:
    return tuple(span for span in spans if span.since_ms < span.until_ms)


def _together(hours: tuple[int, ...]) -> Iterator[Span]:
    """Hours that follow each other as one stretch."""
    since = until = None
    for hour in hours:
        if since is None or hour != until:
            if since is not None and until is not None:
                yield Span(since, until)
            since = hour
        until = hour + HOUR_MS
    if since is not None and until is not None:
        yield Span(since, until)
