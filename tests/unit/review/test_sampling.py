"""The mathematics of the sampling: its bound, its share, its alarm, and that the promised figures hold."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.review.sampling import Aim, Watch, bound, clean_reviews_until, log_evidence

EPS, FIVE_PERCENT = 0.02, Aim(start=0.05, floor=0.05)
ITEMS = 10_000


def integrated(errors, reviewed, rate):
    """The same evidence by brute force: the likelihood ratio, averaged over the prior on a fine grid."""
    steps = 40_000
    log_beta = math.lgamma(0.5) + math.lgamma(20) - math.lgamma(20.5)
    total = 0.0
    for step in range(steps):
        p = ((step + 0.5) / steps) ** 2  # finer where the prior is steep; dp = 2 sqrt(p) / steps
        log_prior = -0.5 * math.log(p) + 19 * math.log1p(-p) - log_beta
        log_ratio = errors * math.log(p / rate) + (reviewed - errors) * math.log((1 - p) / (1 - rate))
        total += math.exp(log_prior + log_ratio) * 2 * math.sqrt(p) / steps
    return math.log(total)


@pytest.mark.parametrize(("errors", "reviewed", "rate"), [(0, 50, 0.05), (3, 100, 0.02), (10, 40, 0.5)])
def test_the_evidence_is_the_average_likelihood_ratio(errors, reviewed, rate):
    """The closed form agrees with an integral by brute force."""
    assert log_evidence(errors, reviewed, rate) == pytest.approx(integrated(errors, reviewed, rate), abs=1e-3)


@given(st.integers(0, 60), st.integers(0, 2_000), st.floats(0.001, 0.3))
def test_the_bound_is_where_the_evidence_is_enough(errors, more, alpha):
    """Above it the rate is refuted, below it is not; it lies above the share that was seen."""
    upper = bound(errors, errors + more, alpha)
    assert errors / max(1, errors + more) <= upper <= 1
    nudge, enough = 1e-9, -math.log(alpha)  # next to 1 the evidence grows without end: only the rate is close
    if upper < 1:
        assert log_evidence(errors, errors + more, upper - nudge) <= enough
    if upper + nudge < 1:
        assert log_evidence(errors, errors + more, upper + nudge) >= enough


def test_209_clean_reviews_meet_the_aim_for_the_first_time():
    """One fewer does not: until then the share stays at `start` or above."""
    assert bound(0, 208, 0.05) > EPS >= bound(0, 209, 0.05)
    aim = Aim()
    assert aim.share(bound(0, 208, 0.05)) == aim.start
    assert aim.share(bound(0, 209, 0.05)) == aim.floor
    assert clean_reviews_until(aim.floor, Watch(), aim) == 209


@given(st.floats(1e-6, 1), st.floats(0.001, 1), st.floats(0, 1), st.floats(0.001, 0.5))
def test_the_share_never_reaches_zero_and_leaves_no_more_than_the_aim(upper, floor, start, missed):
    """Whatever the bound is: of decisions that are wrong at that rate, at most the aim goes unseen."""
    share = Aim(start, floor, missed, 0.05).share(upper)
    assert floor <= share <= 1
    assert (1 - share) * upper <= missed * (1 + 1e-9)


def test_what_would_lower_the_share_is_said_exactly():
    """One review fewer would not; a share below the floor is out of reach."""
    watch, aim = Watch(30, 1, bound(1, 30, 0.05)), Aim(start=0.0)
    more = clean_reviews_until(0.3, watch, aim)
    assert aim.share(bound(1, 30 + more, 0.05)) <= 0.3 < aim.share(bound(1, 30 + more - 1, 0.05))
    assert clean_reviews_until(0.001, watch, aim) is None
    assert clean_reviews_until(1.0, watch, aim) == 0


def run(rate, seed, aim=FIVE_PERCENT):
    """10,000 automatic decisions, this share of them wrong: the share reviewed, and whether the aim broke."""
    source, watch, reviewed, broken = random.Random(seed), Watch(), 0, False
    for _ in range(ITEMS):
        share = aim.share(watch.upper)
        broken |= (1 - share) * rate > aim.max_missed_error_rate * (1 + 1e-9)
        if source.random() < share:
            reviewed += 1
            watch, _ = watch.saw(source.random() < rate, aim)
    return reviewed / ITEMS, broken


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "share"), [(0.001, 0.069), (0.01, 0.124), (0.05, 0.69)])
def test_the_share_falls_as_far_as_quality_allows_and_the_aim_holds(rate, share):
    """The figures of the design, over 24 streams of decisions; broken in at most alpha of them."""
    streams = [run(rate, seed) for seed in range(24)]
    assert statistics.mean(seen for seen, _ in streams) == pytest.approx(share, rel=0.1)
    assert sum(broken for _, broken in streams) <= 0.05 * len(streams)


def alarm_after(rate, seed, before=1_000):
    """How many reviews after a jump from 0.5% to this rate the alarm comes."""
    source, aim = random.Random(seed), Aim()
    watch = Watch()
    for _ in range(before):
        watch, _ = watch.saw(source.random() < 0.005, aim)
    count, alarm = 0, False
    while not alarm:
        count += 1
        watch, alarm = watch.saw(source.random() < rate, aim)
    assert watch == Watch()
    return count


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "least", "most"), [(0.08, 45, 75), (0.3, 6, 12)])
def test_a_jump_raises_the_alarm_soon(rate, least, most):
    """About 60 reviews at 8%, about 9 at 30%; then everything begins anew."""
    assert least <= statistics.median(alarm_after(rate, seed) for seed in range(60)) <= most


@pytest.mark.slow
def test_good_times_raise_no_alarm():
    """20,000 reviews at a quarter of what is relied on."""
    source, watch, alarms = random.Random(7), Watch(), 0
    for _ in range(20_000):
        watch, alarm = watch.saw(source.random() < 0.005, Aim())
        alarms += alarm
    assert alarms == 0
