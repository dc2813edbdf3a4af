"""Days of a time zone: what SQL says of a moment is what a calendar says."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import InvalidInput
from roadworthy.monitoring.days import Days, date_of, month_of

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # by half an hour
    "America/Havana",  # midnight comes twice
    "Asia/Beirut",  # there is no midnight
    "Asia/Kathmandu",
    "Pacific/Apia",  # 2011-12-30 never was
]
HOUR_MS = 3_600_000
START_MS = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000)
ENGINE = sa.create_engine("sqlite://")


def ms(text: str, zone: str = "UTC") -> int:
    """A wall clock's time in milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def numbers(days: Days, moments: list[int]) -> list[int]:
    """The number of each moment's day, as the database finds it."""
    statement = sa.select(days.number(sa.bindparam("moment", type_=sa.BigInteger)))
    with ENGINE.connect() as connection:
        return [connection.execute(statement, {"moment": moment}).scalar_one() for moment in moments]


def dates(since: date, until: date) -> Iterator[date]:
    """Every date from the one to the other."""
    return (since + timedelta(days=number) for number in range((until - since).days + 1))


@given(
    st.sampled_from(ZONES),
    st.integers(START_MS, START_MS + 6_000 * 24 * HOUR_MS),
    st.integers(1, 250 * 24 * HOUR_MS),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8),
)
@settings(deadline=None)
def test_the_database_finds_the_day_that_a_calendar_finds(zone, since_ms, length_ms, parts):
    """In every time zone and season, also where the clocks are changed at midnight or a day is left out."""
    days = Days(since_ms, since_ms + length_ms, zone)
    moments = [since_ms, since_ms + length_ms - 1, *(since_ms + int(part * length_ms) for part in parts)]
    moments += [day.starts_at_ms for day in days.all[1:4]]
    moments += [day.ends_at_ms - 1 for day in days.all[:-1][-3:]]
    for moment, number in zip(moments, numbers(days, moments), strict=True):
        wall_clock = datetime.fromtimestamp(moment / 1000, ZoneInfo(zone))
        assert days[number].date == wall_clock.date()
        assert days[number].starts_at_ms <= moment < days[number].ends_at_ms


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-07-01", 24),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Havana", "2026-11-01", 25),
        ("Asia/Beirut", "2026-03-29", 23),
    ],
)
def test_a_day_is_as_long_as_the_wall_clock_makes_it(zone, day, hours):
    """23, 24 and 25 hours, and the half hours that one island has."""
    noon_ms = ms(f"{day}T12:00", zone)
    (only,) = Days(noon_ms, noon_ms + 1, zone).all
    assert only.date.isoformat() == day
    assert (only.ends_at_ms - only.starts_at_ms) / HOUR_MS == hours


def test_days_follow_each_other_without_a_gap():
    """Across both changes of a year, each date comes once."""
    found = Days(ms("2026-01-01", "Europe/Berlin"), ms("2027-01-01", "Europe/Berlin"), "Europe/Berlin").all
    assert [day.date for day in found] == list(dates(date(2026, 1, 1), date(2026, 12, 31)))
    assert all(one.ends_at_ms == other.starts_at_ms for one, other in pairwise(found))


def test_a_day_that_never_was_is_left_out():
    """Samoa went from the 29th to the 31st of December 2011."""
    found = Days(
        ms("2011-12-29T12:00", "Pacific/Apia"), ms("2011-12-31T12:00", "Pacific/Apia"), "Pacific/Apia"
    )
    assert [day.date.day for day in found.all] == [29, 31]


def test_a_year_needs_few_cases_in_sql():
    """Days of 24 hours that follow each other are one case: the statement does not grow with the days."""
    days = Days(ms("2026-01-01"), ms("2027-01-01"), "Europe/Berlin")
    statement = str(sa.select(days.number(sa.column("moment", sa.BigInteger))))
    assert len(days.all) == 366
    assert statement.count("WHEN") + statement.count("ELSE") == 5


def test_a_month_is_that_of_the_time_zone():
    """At midnight in Tokyo it is still the month before in London."""
    moment = ms("2026-10-31T20:00")
    assert month_of(moment, "UTC") == (ms("2026-10-01"), ms("2026-11-01"))
    assert month_of(moment, "Asia/Tokyo")[0] == ms("2026-11-01", "Asia/Tokyo")
    assert date_of(moment, "Asia/Tokyo") == date(2026, 11, 1)


@pytest.mark.parametrize("name", ["Europe/Berln", "../../etc/passwd", "", "a\0b"])
def test_an_unknown_time_zone_is_said(name):
    """A typing mistake gets a suggestion, and a path is no name of a time zone."""
    with pytest.raises(InvalidInput, match="There is no time zone") as caught:
        Days(0, 1, name)
    assert "Europe/Berlin" in caught.value.hint or name != "Europe/Berln"
