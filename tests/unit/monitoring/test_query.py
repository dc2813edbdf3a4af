"""What may be asked about costs."""

import pytest

from roadworthy.errors import InvalidInput
from roadworthy.monitoring import Dimension, Figures, Query, Report, Row, sum_of


@pytest.mark.parametrize("until_ms", [9, 10])
def test_a_time_that_ends_before_it_begins_is_refused(until_ms):
    """An empty stretch is a mistake, not an empty report."""
    with pytest.raises(InvalidInput, match="ends before it begins"):
        Query(10, until_ms)


def test_a_dimension_counts_once():
    """Twice the same column says nothing more."""
    with pytest.raises(InvalidInput, match="'day' is given twice"):
        Query(0, 1, (Dimension.DAY, Dimension.MODEL, Dimension.DAY))


def test_an_unknown_time_zone_is_refused_even_where_days_are_not_asked_for():
    """A wrong name never passes unseen."""
    with pytest.raises(InvalidInput, match="no time zone"):
        Query(0, 1, timezone="Mars/Olympus")


def test_a_price_that_is_not_known_is_not_a_cheap_answer():
    """Where nothing is known of the cost, the cost of an answer is not known either."""
    assert Figures(calls=1, answered=1, unknown_prices=1).cost_per_answer_usd is None
    assert Figures(calls=1, cost_micro_usd=5).cost_per_answer_usd is None
    assert str(Figures(calls=3, answered=2, cost_micro_usd=3_000_000).cost_per_answer_usd) == "1.5"


def test_rows_that_are_not_shown_can_be_added_up():
    """The first rows and the others are all rows."""
    rows = tuple(Row((str(n),), Figures(calls=n, cost_micro_usd=n)) for n in (5, 3, 1))
    report = Report(Query(0, 1), rows, sum_of(rows), (), 3)
    shown, others = report.first(1)
    assert (shown, others) == (rows[:1], (2, Figures(calls=4, cost_micro_usd=4)))
    assert report.first(None) == (rows, None)
    assert report.share(rows[1].figures) == pytest.approx(1 / 3)
    assert Report(Query(0, 1), (), Figures(), (), 0).share(Figures()) is None
