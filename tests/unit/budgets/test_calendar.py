"""Days and months by the wall clock of a time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.budgets.calendar import Calendar

HOUR_MS = 3_600_000
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Chatham",
]
"""Quarter hours, and clocks that are changed at midnight, among them."""


def ms(text: str, zone: str = "UTC") -> int:
    """A wall clock's time in milliseconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def test_a_day_and_a_month_end_at_midnight_of_their_zone():
    """The last millisecond still belongs to the old window."""
    calendar = Calendar("Europe/Berlin")
    midnight = ms("2026-12-01T00:00", "Europe/Berlin")
    assert midnight == ms("2026-11-30T23:00")
    for at_ms, day, month in ((midnight - 1, "2026-11-30", "2026-11"), (midnight, "2026-12-01", "2026-12")):
        assert (calendar.day(at_ms).name, calendar.month(at_ms).name) == (day, month)
    assert calendar.day(midnight - 1).ends_at_ms == calendar.month(midnight - 1).ends_at_ms == midnight


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_a_day_on_which_clocks_are_changed_is_shorter_or_longer(day, hours):
    """The budget of that day holds for 23 or 25 hours."""
    window = Calendar("Europe/Berlin").day(ms(f"{day}T12:00", "Europe/Berlin"))
    assert window.name == day
    assert window.ends_at_ms - window.starts_at_ms == hours * HOUR_MS


def test_a_day_without_midnight_begins_when_the_clocks_are_changed():
    """In Cairo, 24 April 2026 began at 1 o'clock."""
    window = Calendar("Africa/Cairo").day(ms("2026-04-24T12:00", "Africa/Cairo"))
    assert window.starts_at_ms == ms("2026-04-23T22:00")
    assert window.ends_at_ms - window.starts_at_ms == 23 * HOUR_MS


def test_the_hour_before_midnight_that_comes_twice_belongs_to_one_day():
    """In Beirut, the clocks went from 24 back to 23 o'clock on 24 October 2026."""
    calendar = Calendar("Asia/Beirut")
    first = ms("2026-10-24T20:30")  # 23:30 by the clock, and again an hour later
    assert [calendar.day(first + hours * HOUR_MS).name[-2:] for hours in (0, 1, 2)] == ["24", "24", "25"]


def test_a_clock_that_jumps_back_is_given_the_older_window():
    """What is kept of the newer window does not serve for the older one."""
    calendar = Calendar("UTC")
    days = [calendar.day(ms(f"2026-01-{day:02d}T10:00")).name for day in (3, 1, 2, 3)]
    assert days == ["2026-01-03", "2026-01-01", "2026-01-02", "2026-01-03"]


MOMENTS = st.integers(ms("2012-01-01T00:00"), ms("2037-01-01T00:00"))


@given(zone=st.sampled_from(ZONES), moments=st.lists(MOMENTS, min_size=1, max_size=5))
def test_windows_are_those_of_the_wall_clock_and_leave_no_gap(zone, moments):
    """Every moment lies in the window of its date, and the next one begins where it ends."""
    calendar = Calendar(zone)
    for at_ms in moments:
        date = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date().isoformat()
        for window, name in ((calendar.day(at_ms), date), (calendar.month(at_ms), date[:7])):
            assert window.name == name
            assert window.starts_at_ms <= at_ms < window.ends_at_ms
        day = calendar.day(at_ms)
        assert calendar.day(day.ends_at_ms).starts_at_ms == day.ends_at_ms
        assert calendar.day(day.starts_at_ms - 1).ends_at_ms == day.starts_at_ms
