"""Shared rates and slots: exactly what a bucket would let through, from any number of processes."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.models import rates
from roadworthy.models.rates import Bucket

NOW = 1_767_225_600_000
HOUR_MS = 3_600_000
ONE_DATABASE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = itertools.count()


@pytest.fixture
def take(database):
    """Take from a bucket in a transaction of its own."""

    def take(bucket, amount, now_ms):
        return database.write_now(lambda tx: rates.take(tx, bucket, amount, now_ms))

    return take


@pytest.fixture
def give_back(database):
    """Give back to a bucket."""

    def give_back(bucket, amount):
        database.write_now(lambda tx: rates.give_back(tx, bucket.key, bucket.per_minute, amount))

    return give_back


class Pail:
    """A bucket as one would draw it: a level that rises with time, in microseconds' worth of refill."""

    def __init__(self, bucket):
        self.unit = 60_000_000 // int(bucket.per_minute)
        self.most = self.level = int(bucket.burst) * self.unit

    def rise(self, milliseconds):
        """Let time pass."""
        self.level = min(self.most, self.level + milliseconds * 1000)

    def take(self, amount):
        """Whether it could be taken."""
        if self.level < min(self.most, amount * self.unit):
            return False
        self.level -= amount * self.unit
        return True


@ONE_DATABASE
@given(
    st.sampled_from([1, 60, 600, 30_000]),
    st.integers(1, 20),
    st.lists(
        st.tuples(
            st.sampled_from(["take", "take", "take", "give back", "wait"]),
            st.integers(0, 30),
            st.integers(0, 70_000),
        ),
        max_size=25,
    ),
)
def test_a_bucket_lets_through_what_a_pail_would(database, per_minute, burst, events):
    """Takes, returns and pauses of any size: the answers of a level that rises with time, and true waits."""
    bucket, now = Bucket(f"pail-{next(numbers)}", per_minute, burst), NOW
    pail, taken = Pail(bucket), []

    def play(tx):
        nonlocal now
        for kind, amount, pause in events:
            if kind == "wait":
                now += pause
                pail.rise(pause)
            elif kind == "give back" and taken:
                back = taken.pop()
                rates.give_back(tx, bucket.key, bucket.per_minute, back)
                pail.level = min(pail.most, pail.level + back * pail.unit)
            elif kind == "take":
                wait_ms = rates.take(tx, bucket, amount, now)
                assert (wait_ms is None) == pail.take(amount)
                if wait_ms is None:
                    taken.append(amount)
                    continue
                lacking = min(pail.most, amount * pail.unit) - pail.level
                assert (wait_ms - 1) * 1000 < lacking <= wait_ms * 1000

    database.write_now(play)


def test_a_wait_is_exactly_as_long_as_needed(take):
    """A millisecond earlier it is refused again, then it is taken."""
    bucket = Bucket("b", 7, 1)
    assert take(bucket, 1, NOW) is None
    wait_ms = take(bucket, 1, NOW)
    assert take(bucket, 1, NOW + wait_ms - 1) == 1
    assert take(bucket, 1, NOW + wait_ms) is None


def test_more_than_the_bucket_holds_goes_through_when_it_is_full_and_is_paid_off(take):
    """Fifty of a bucket of ten: at once when it is full, and then nothing for fifty's worth of time."""
    bucket = Bucket("b", 60, 10)
    assert take(bucket, 50, NOW) is None
    assert take(bucket, 1, NOW) == 41_000
    assert take(bucket, 50, NOW + 41_000) == 9_000
    assert take(bucket, 50, NOW + 50_000) is None


def test_what_was_not_used_is_there_for_others(take, give_back):
    """A reservation of ten of which one was used leaves nine; never more than the burst."""
    bucket = Bucket("b", 60, 10)
    assert take(bucket, 10, NOW) is None
    give_back(bucket, 9)
    assert take(bucket, 9, NOW) is None
    assert take(bucket, 1, NOW) == 1_000
    give_back(bucket, 1000)
    assert take(bucket, 10, NOW) is None
    assert take(bucket, 1, NOW) == 1_000


def test_tiny_and_huge_rates_are_exact(take):
    """One in ten minutes, and a hundred million tokens in one."""
    slow, fast = Bucket("slow", 0.1, 1), Bucket("fast", 100_000_000, 10_000_000)
    assert take(slow, 1, NOW) is None
    assert take(slow, 1, NOW) == 600_000
    assert take(fast, 10_000_000, NOW) is None
    assert take(fast, 5_000_000, NOW) == 3_000


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, -24 * HOUR_MS, -3_000, HOUR_MS])
def test_a_clock_that_jumps_delays_nobody_for_longer_than_before(take, jump_ms):
    """After an hour back the wait is what it was, it passes, and the rate still holds."""
    bucket = Bucket("b", 60, 10)
    for _ in range(10):
        assert take(bucket, 1, NOW) is None
    now = NOW + jump_ms
    wait_ms = take(bucket, 1, now) or 0
    assert wait_ms <= 1_000 + 3_000
    assert take(bucket, 1, now + wait_ms) is None
    later = now + wait_ms + 60_000
    taken = sum(take(bucket, 1, later) is None for _ in range(20))
    assert taken == 10


def test_a_debt_survives_a_jump_of_the_clock(take):
    """Who took more than the bucket holds has not paid for it because the clock was set back."""
    bucket = Bucket("b", 60, 10)
    assert take(bucket, 50, NOW) is None
    assert take(bucket, 1, NOW - HOUR_MS) == 41_000
    assert take(bucket, 1, NOW - HOUR_MS + 40_999) == 1
    assert take(bucket, 1, NOW - HOUR_MS + 41_000) is None


def test_a_block_holds_until_its_end_even_over_a_jump(database, take):
    """Nobody takes anything before; the longest of several holds; a jump back does not make it an hour."""
    bucket = Bucket("b", 60, 10)
    for until_ms in (20_000, 5_000):
        database.write_now(lambda tx, until_ms=until_ms: rates.block(tx, "b", NOW + until_ms, NOW))
    assert take(bucket, 1, NOW) == 20_000
    assert take(bucket, 1, NOW - HOUR_MS) == 20_000
    assert take(bucket, 1, NOW - HOUR_MS + 19_999) == 1
    assert take(bucket, 10, NOW - HOUR_MS + 20_000) is None


def test_buckets_that_nobody_needs_are_forgotten(database, take):
    """Full for a day: gone. In debt, blocked or used lately: kept."""
    take(Bucket("old", 60, 10), 5, NOW)
    take(Bucket("in debt", 1, 10), 100_000, NOW)
    database.write_now(lambda tx: rates.block(tx, "blocked", NOW + 72 * HOUR_MS, NOW))
    take(Bucket("new", 60, 10), 5, NOW + 40 * HOUR_MS)
    assert database.write_now(lambda tx: rates.forget_full(tx, NOW + 48 * HOUR_MS)) == 1
    assert take(Bucket("old", 60, 10), 10, NOW + 48 * HOUR_MS) is None
    assert take(Bucket("in debt", 1, 10), 1, NOW + 48 * HOUR_MS) is not None


def test_slots_end_where_the_limit_is_and_never_below_none(database):
    """Two of two, then none; leaving more often than entering makes no third."""

    def change(tx):
        seen = [rates.enter(tx, "m", 2) for _ in range(3)]
        for _ in range(5):
            rates.leave(tx, "m")
        return seen + [rates.enter(tx, "m", 2) for _ in range(3)]

    assert database.write_now(change) == [True, True, False, True, True, False]
    assert not database.write_now(lambda tx: rates.enter(tx, "none", 0))
    database.write_now(lambda tx: rates.leave(tx, "unknown"))


@pytest.mark.slow
def test_several_processes_take_exactly_what_there_is(programs, take):
    """Three processes that each try a hundred times get a hundred of a bucket of one hundred, together."""
    given = {"key": "b", "per_minute": 60, "burst": 100, "tries": 100, "now_ms": NOW}
    running = [programs.start("take", **given) for _ in range(3)]
    shares = [programs.said(one) for one in running]
    assert sum(shares) == 100
    bucket = Bucket("b", 60, 100)
    assert [take(bucket, 1, NOW), take(bucket, 7, NOW + 7_000), take(bucket, 1, NOW + 7_000)] == [
        1_000,
        None,
        1_000,
    ]


@pytest.mark.slow
def test_several_processes_hold_no_more_slots_than_there_are(programs, database):
    """Three processes that come and go end with all slots held, and not one more."""
    running = [programs.start("enter", key="m", limit=10, tries=60) for _ in range(3)]
    assert sum(programs.said(one) for one in running) == 10
    assert not database.write_now(lambda tx: rates.enter(tx, "m", 10))
