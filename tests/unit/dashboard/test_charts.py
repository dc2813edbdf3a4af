"""Charts as inline SVG: what they draw, and what they draw it for."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.dashboard import charts
from roadworthy.dashboard.charts import Series

VALUES = st.lists(
    st.none() | st.floats(0, 1e12, allow_nan=False, allow_infinity=False), min_size=2, max_size=40
)


def drawn(values, **options):
    """A chart of one line."""
    places = [str(number) for number in range(len(values))]
    return charts.lines("Cost", places, [Series("a", values)], form=lambda value: f"{value:g}", **options)


@given(VALUES, st.none() | st.floats(0.001, 1e12))
def test_every_point_lies_within_the_chart(values, cap):
    """Whatever the values are, and also beside a cap that is far above or below."""
    markup = drawn(values, cap=cap)
    if not markup.startswith("<svg"):
        assert not any(value is not None for value in values)
        return
    picture = ET.fromstring(markup)
    for line in picture.iter("polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 560
            assert 0 <= y <= 220


def test_a_gap_in_the_values_is_a_gap_in_the_line():
    """Nothing is drawn where nothing was measured; one value alone is a point."""
    picture = ET.fromstring(drawn([1.0, 2.0, None, 3.0, None, 4.0, 5.0]))
    assert len(list(picture.iter("polyline"))) == 2
    assert len(list(picture.iter("circle"))) == 1


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (3.9, 4), (4.1, 8), (9, 10), (1_204, 2_000), (0.016, 0.02)]
)
def test_the_axis_ends_at_a_round_number(highest, top):
    """So that its lines stand at numbers that one reads at a glance."""
    assert charts._round_up(highest) == pytest.approx(top)


def test_too_little_to_draw_is_said():
    """One place is no line."""
    assert "Not enough" in drawn([1.0])
    assert charts.sparkline("x", [1.0, None]) == ""


def test_names_are_escaped():
    """A workflow may be called anything."""
    markup = charts.lines("<b>", ["<i>", "b"], [Series("<u>", [1, 2])], form=str)
    assert "<b>" not in markup
    assert "<i>" not in markup
    assert "<u>" not in markup
    ET.fromstring(markup)


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_bars_and_spans_stay_in_their_place(start, end):
    """A share outside of 0 to 1 is drawn at the edge."""
    (_, part) = list(ET.fromstring(charts.bar(start)))
    assert 0 <= float(part.get("width")) <= 100
    (stretch,) = list(ET.fromstring(charts.span(max(0, min(start, end, 1)), min(1, max(start, end, 0)))))
    assert float(stretch.get("x")) + float(stretch.get("width")) <= 100.001
