"""Ids: whose they are, when they were made, and that they rise."""

import re
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from roadworthy.records import RandomIds
from roadworthy.testing import FakeClock

PARTS = re.compile(r"run_[0-9a-f]{32}")


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_its_front():
    """What stands behind the prefix is read by any library of UUIDs."""
    clock = FakeClock()
    made = RandomIds(clock).new("run")
    assert PARTS.fullmatch(made)
    read = UUID(made.removeprefix("run_"))
    assert (read.version, read.int >> 80) == (7, clock.now_ms())


def test_ids_of_one_millisecond_rise_in_the_order_they_were_made():
    """A list that is sorted by id shows what came first, however fast it came."""
    ids = RandomIds(FakeClock())
    made = [ids.new("run") for _ in range(5_000)]
    assert made == sorted(set(made))
    assert {UUID(one[4:]).version for one in made} == {7}
    assert {UUID(one[4:]).variant for one in made} == {UUID(int=0x80 << 56).variant}


def test_ids_rise_although_the_clock_goes_back():
    """A clock that is set right does not put what is new before what is old."""
    clock = FakeClock()
    ids = RandomIds(clock)
    before = ids.new("run")
    clock.set(clock.now_ms() - 3_600_000)
    assert ids.new("run") > before


def test_ids_of_several_threads_are_all_different():
    """Threads share one source."""
    ids = RandomIds(FakeClock())
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.new("run"), range(4_000)))
    assert len(set(made)) == len(made)


def test_ids_of_two_processes_do_not_meet():
    """Each source draws for itself."""
    clock = FakeClock()
    one, other = RandomIds(clock), RandomIds(clock)
    assert not {one.new("run") for _ in range(500)} & {other.new("run") for _ in range(500)}
