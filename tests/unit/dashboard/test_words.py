"""Values as people read them."""

import pytest

from roadworthy.dashboard import words

NOW = 1_772_357_400_000


@pytest.mark.parametrize(
    ("distance_ms", "said"),
    [
        (0, "now"),
        (999, "now"),
        (1_000, "1 s ago"),
        (61_000, "1 min ago"),
        (3 * 3_600_000, "3 h ago"),
        (49 * 3_600_000, "2 d ago"),
        (-120_000, "in 2 min"),
    ],
)
def test_a_time_is_told_in_its_largest_unit(distance_ms, said):
    """Before now and after it."""
    assert words.ago(NOW - distance_ms, NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0.0004, "0 ms"),
        (0.44, "440 ms"),
        (2.359, "2.36 s"),
        (12.04, "12.0 s"),
        (60, "1 min"),
        (61.4, "1 min 1 s"),
        (3_600, "1 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_the_figures_that_matter(seconds, said):
    """Milliseconds where it is short, two units where it is long."""
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("micro_usd", "said"),
    [
        (None, ""),
        (0, "$0.00"),
        (12, "$0.000012"),
        (16_200, "$0.0162"),
        (1_500_000_000, "$1,500.00"),
        (-16_200, "$-0.0162"),
    ],
)
def test_a_small_cost_is_not_rounded_away(micro_usd, said):
    """Nothing that was spent reads as nothing."""
    assert words.usd(micro_usd) == said


def test_an_unknown_price_is_a_question_mark():
    """It is not zero."""
    assert words.usd(0, known=False) == "?"


def test_what_is_counted_up_to_a_bound_says_so():
    """More than the bound is told by a plus."""
    assert words.bounded(10_000, 10_000) == "10,000"
    assert words.bounded(10_001, 10_000) == "10,000+"


def test_a_short_id_keeps_its_kind_and_what_differs():
    """Ids of the same time begin alike."""
    assert words.short_id("run_019a2b3c4d5e7f608192a3b4c5d6e7f8") == "run_…a3b4c5d6e7f8"
    assert words.short_id("run_1") == "run_1"


def test_hostile_text_stays_text():
    """In attributes, and in times."""
    assert (
        words.attributes({"title": '"><b>', "hidden": True, "id": None})
        == 'title="&#34;&gt;&lt;b&gt;" hidden'
    )
