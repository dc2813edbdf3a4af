"""`FakeClock` and `FixedIds` hold still until they are told otherwise."""

from datetime import UTC, datetime

import pytest

from roadworthy.records import Clock, Ids
from roadworthy.testing import FakeClock, FixedIds


def test_the_clock_stands_still():
    """Two looks at the clock see the same time."""
    clock: Clock = FakeClock(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    assert clock.now_ms() == clock.now_ms() == 1_772_357_400_000
    assert clock.monotonic() == 0


def test_advancing_moves_both_scales():
    """Time that passes shows on the wall and in durations."""
    clock = FakeClock(1_000)
    clock.advance(1.5)
    clock.advance(0.25)
    assert (clock.now_ms(), clock.monotonic()) == (2_750, 1.75)


def test_small_steps_add_up():
    """A thousand steps of a tenth of a millisecond are a tenth of a second."""
    clock = FakeClock(0)
    for _ in range(1_000):
        clock.advance(0.0001)
    assert clock.now_ms() in {99, 100}
    assert clock.monotonic() == pytest.approx(0.1)


def test_setting_turns_the_wall_clock_only():
    """Turning the wall clock back leaves durations alone."""
    clock = FakeClock(10_000)
    clock.advance(5)
    clock.set(3_000)
    assert (clock.now_ms(), clock.monotonic()) == (3_000, 5)
    clock.advance(1)
    assert (clock.now_ms(), clock.monotonic()) == (4_000, 6)


def test_time_does_not_go_back_by_itself():
    """Advancing by less than nothing is refused, and so is a moment without a time zone."""
    with pytest.raises(ValueError, match="set"):
        FakeClock().advance(-1)
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test


def test_ids_count_for_each_prefix():
    """Ids say whose they are and how many came before."""
    ids: Ids = FixedIds()
    assert [ids.new("run"), ids.new("call"), ids.new("run")] == ["run_0001", "call_0001", "run_0002"]
