"""The days of a stretch of time by the wall clock of a time zone, and a moment's day as SQL.

A day has 23, 24 or 25 hours, as the clocks are changed. Days of 24 hours that follow each other are told
apart by a division, so that a year needs five cases in SQL and not 365.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import sqlalchemy as sa

from roadworthy.budgets.calendar import Calendar
from roadworthy.errors import InvalidInput, did_you_mean

_DAY_MS = 86_400_000


class Day(NamedTuple):
    """One day."""

    date: date
    starts_at_ms: int
    ends_at_ms: int
    """The first moment after it."""


class Days:
    """Every day that has a part in `since_ms` to `until_ms`, numbered from 0. Raises `InvalidInput`."""

    def __init__(self, since_ms: int, until_ms: int, timezone: str = "UTC") -> None:
        zone_of(timezone)
        calendar, at_ms, found = Calendar(timezone), since_ms, list[Day]()
        while at_ms < until_ms:
            window = calendar.day(at_ms)
            found.append(Day(date.fromisoformat(window.name), window.starts_at_ms, window.ends_at_ms))
            at_ms = window.ends_at_ms
        self.all: Sequence[Day] = tuple(found)

    def __getitem__(self, number: int) -> Day:
        return self.all[number]

    def number(self, moment: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """The number of a stored time's day; the time must lie within these days."""
        cases = [(moment < end_ms, self._within(moment, first)) for first, end_ms in self._stretches()]
        if len(cases) == 1:
            return cases[0][1]
        return sa.case(*cases[:-1], else_=cases[-1][1])

    def _within(self, moment: sa.ColumnElement[int], first: int) -> sa.ColumnElement[Any]:
        day = self.all[first]
        if day.ends_at_ms - day.starts_at_ms != _DAY_MS:
            return sa.literal(first)
        return first + (moment - day.starts_at_ms) // _DAY_MS

    def _stretches(self) -> list[tuple[int, int]]:
        """The first day of each stretch of days of 24 hours, and its end; any other day is one by itself."""
        found: list[tuple[int, int]] = []
        regular = False
        for number, day in enumerate(self.all):
            was, regular = regular, day.ends_at_ms - day.starts_at_ms == _DAY_MS
            first = found.pop()[0] if was and regular else number
            found.append((first, day.ends_at_ms))
        return found


def zone_of(timezone: str) -> tzinfo:
    """A time zone by its IANA name. Raises `InvalidInput`."""
    try:
        return UTC if timezone == "UTC" else ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"There is no time zone {timezone!r}.", hint=did_you_mean(timezone, available_timezones())
        ) from None


def month_of(at_ms: int, timezone: str) -> tuple[int, int]:
    """The calendar month of a moment: its first moment, and the first one after it."""
    zone_of(timezone)
    window = Calendar(timezone).month(at_ms)
    return window.starts_at_ms, window.ends_at_ms


def date_of(at_ms: int, timezone: str) -> date:
    """The date at a moment."""
    return datetime.fromtimestamp(at_ms / 1000, zone_of(timezone)).date()
