"""The table of a split: what is called better or worse, and when nothing is."""

from dataclasses import replace

import pytest

from roadworthy.dashboard.arms import arms_of
from roadworthy.monitoring import MEASURES, ArmOutcome, Latency, Outcomes
from roadworthy.monitoring.arms import Rate
from roadworthy.releases import Arm, Change, ChangeKind

CHANGE = Change(
    "release_1",
    "test",
    "prompt:reply",
    1,
    ChangeKind.SPLIT,
    (),
    (Arm("v1"),),
    "salt",
    None,
    "",
    "",
    "",
    None,
    7,
)
NONE = Rate(None, 0, None)


def arm(name, share, keys=50, **values):
    """An arm with some measures, all as sure as this variance lets them be."""
    rates = {one: Rate(values[one], 100, 0.0001) if one in values else NONE for one in MEASURES}
    return ArmOutcome(name, share, keys, 100, Latency({}), rates)


def split(first, second, p=0.5):
    """A split of two arms."""
    return Outcomes("prompt:reply", CHANGE, (first, second), p)


def cell(found, measure, **options):
    """The second arm's cell of a measure."""
    shown = arms_of(found, sees_costs=options.get("sees_costs", True))
    return next(line for line in shown.lines if line.name == measure).cells[1]


@pytest.mark.parametrize(
    ("measure", "name", "more_is"),
    [
        ("failed", "Failed", "worse"),
        ("approved", "Accepted as it was", "better"),
        ("cost_usd", "Cost per call", "worse"),
    ],
)
def test_a_difference_beyond_its_interval_is_better_or_worse(measure, name, more_is):
    """By what the measure is; the interval stands beside it."""
    more = cell(split(arm("v1", 0.5, **{measure: 0.2}), arm("v2", 0.5, **{measure: 0.4})), name)
    less = cell(split(arm("v1", 0.5, **{measure: 0.4}), arm("v2", 0.5, **{measure: 0.2})), name)
    assert (more.said, less.said) == (more_is, "worse" if more_is == "better" else "better")
    assert " to +" in more.note
    assert less.note.startswith("−")  # noqa: RUF001 - a minus
    assert "against v1" in more.drawn


def test_a_difference_within_its_interval_is_none():
    """Chance may explain it."""
    found = cell(split(arm("v1", 0.5, failed=0.2), arm("v2", 0.5, failed=0.21)), "Failed")
    assert (found.value, found.said, found.tone) == ("21.0%", "no difference shown", "")
    assert found.note == "+1.0 points (−1.8 points to +3.8 points)"  # noqa: RUF001 - a minus


def test_a_small_difference_of_money_is_told_to_a_millionth():
    """Else its interval would read as one number."""
    rates = {"cost_usd": Rate(0.0004, 100, 1e-12)}
    first = replace(arm("v1", 0.5), rates={**arm("v1", 0.5).rates, **rates})
    second = replace(first, name="v2", rates={**first.rates, "cost_usd": Rate(0.00045, 100, 1e-12)})
    note = cell(split(first, second), "Cost per call").note
    assert note == "+$0.000050 (+$0.000047 to +$0.000053)"


def test_where_users_are_lost_nothing_is_called_better():
    """That is told instead."""
    found = split(arm("v1", 0.5, failed=0.2), arm("v2", 0.5, failed=0.4), p=1e-5)
    assert "p = 1e-05" in arms_of(found, sees_costs=True).lost
    assert cell(found, "Failed").said == ""


def test_what_cannot_be_compared_says_why():
    """One user has no variance; an arm that is out says so; costs are for those who may see them."""
    one = replace(arm("v2", 0.0, keys=0), rates={**arm("v2", 0.0).rates, "failed": Rate(0.5, 2, None)})
    found = split(arm("v1", 1.0, failed=0.2, cost_usd=0.1), one)
    assert cell(found, "Failed").note == "too few users to compare"
    assert cell(found, "Users").note == "0.0% seen, out by now"
    shown = arms_of(found, sees_costs=False)
    assert "Cost per call" not in [line.name for line in shown.lines]
    assert not shown.is_running
