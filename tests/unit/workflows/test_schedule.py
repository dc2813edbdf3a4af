"""Ticks of a schedule by the wall clock of its time zone."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.settings import ScheduleSettings
from roadworthy.workflows.schedule import next_tick

BERLIN = ZoneInfo("Europe/Berlin")


def _schedule(cron: str, timezone: str = "Europe/Berlin") -> ScheduleSettings:
    return ScheduleSettings(workflow="report", cron=cron, timezone=timezone)


def _ticks(cron: str, after: datetime, count: int, timezone: str = "Europe/Berlin") -> list[str]:
    found, now = [], int(after.timestamp() * 1000)
    for _ in range(count):
        now = next_tick(_schedule(cron, timezone), now)
        found.append(datetime.fromtimestamp(now / 1000, ZoneInfo(timezone)).isoformat(timespec="minutes"))
    return found


def test_a_tick_keeps_its_wall_clock_time_across_both_changes_of_the_clock():
    """Nine in the morning is nine in the morning, in summer and in winter."""
    spring = _ticks("0 9 * * *", datetime(2026, 3, 28, 10, tzinfo=BERLIN), 2)
    assert spring == ["2026-03-29T09:00+02:00", "2026-03-30T09:00+02:00"]
    autumn = _ticks("0 9 * * *", datetime(2026, 10, 24, 10, tzinfo=BERLIN), 2)
    assert autumn == ["2026-10-25T09:00+01:00", "2026-10-26T09:00+01:00"]


def test_a_time_that_comes_twice_fires_once():
    """Half past two on the night when three o'clock becomes two."""
    ticks = _ticks("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=BERLIN), 2)
    assert [tick[:16] for tick in ticks] == ["2026-10-25T02:30", "2026-10-26T02:30"]


def test_a_time_that_does_not_exist_delays_nothing_after_it():
    """Half past two on the night when two o'clock becomes three: at most that one night is moved."""
    ticks = _ticks("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN), 3)
    assert "2026-03-30T02:30+02:00" in ticks
    assert len({tick[:10] for tick in ticks}) == 3


def test_an_hourly_schedule_fires_every_real_hour_of_both_nights():
    """Twenty-three ticks on the short day and twenty-five on the long one."""
    for day, hours in (
        (datetime(2026, 3, 29, tzinfo=BERLIN), 23),
        (datetime(2026, 10, 25, tzinfo=BERLIN), 25),
    ):
        start = int(day.timestamp() * 1000) - 1
        ticks = [start]
        while len(ticks) <= hours:
            ticks.append(next_tick(_schedule("0 * * * *"), ticks[-1]))
        assert {later - earlier for earlier, later in pairwise(ticks[1:])} == {3_600_000}


@given(
    after=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - given its zone below
    cron=st.sampled_from(
        ["* * * * *", "*/15 * * * *", "30 2 * * *", "0 0 1 * *", "0 12 * * 1-5", "59 23 31 12 *"]
    ),
    timezone=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    ),
)
def test_the_next_tick_lies_in_the_future(after, cron, timezone):
    """Whatever the clock does, a schedule never fires for the same moment again and never stands still."""
    now = int(after.replace(tzinfo=UTC).timestamp() * 1000)
    tick = next_tick(_schedule(cron, timezone), now)
    assert tick > now
    assert next_tick(_schedule(cron, timezone), tick) > tick


@pytest.mark.parametrize("moment", [0.001, 0.5, 59.999])
def test_a_moment_within_the_minute_gives_the_next_minute(moment):
    """Fractions of a second are no second chance."""
    start = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()
    assert next_tick(_schedule("* * * * *", "UTC"), int((start + moment) * 1000)) == int((start + 60) * 1000)
