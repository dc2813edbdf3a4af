"""Scenarios are found by name, hold when they say, and stand on the page as they are."""

import re
from pathlib import Path

import pytest

from roadworthy.errors import NotFound
from roadworthy.testing.drill.scenario import SCENARIOS, Trouble, scenarios

PAGE = (Path(__file__).parents[4] / "docs" / "drills.md").read_text(encoding="utf-8")


def test_each_is_taken_once_in_the_order_asked_for():
    """A name that is given twice is drilled once."""
    assert [one.name for one in scenarios(["crash", "flood", "crash"])] == ["crash", "flood"]


def test_all_is_every_one():
    """`all` needs no further names."""
    assert [one.name for one in scenarios(["all"])] == list(SCENARIOS)


def test_an_unknown_one_is_named_with_the_nearest():
    """A slip of the finger is answered with what was meant."""
    with pytest.raises(NotFound, match=r"'provider-outages'.*Did you mean 'provider-outage'"):
        scenarios(["provider-outages"])


@pytest.mark.parametrize(
    ("begun", "holds"), [(0.0, False), (0.33, False), (0.34, True), (0.66, True), (0.67, False), (1.0, False)]
)
def test_the_middle_third_is_the_middle_third(begun, holds):
    """An outage begins and ends by the share of runs begun."""
    assert SCENARIOS["provider-outage"].troubles[0].holds(begun) is holds


def test_what_never_ends_holds_to_the_last_run():
    """When all runs have begun, their requests are still to come."""
    assert Trouble().holds(1.0)


def test_the_page_has_every_scenario_as_it_is():
    """What the table says is what `--list` says."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(one.name, one.what, one.when) for one in SCENARIOS.values()]
