"""The bands: who decides, for every answer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.review import Bands, rule_on

BANDS = Bands(0.8, 0.2)
SCORES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("confidence", "outcome"),
    [(1, "approved"), (0.8, "approved"), (0.799, "ask"), (0.2, "ask"), (0.199, "rejected"), (0, "rejected")],
)
def test_the_bands_include_their_lower_ends(confidence, outcome):
    """At `proceed` an answer proceeds, at `reject` a person still looks."""
    assert rule_on(confidence, BANDS).outcome == outcome


@pytest.mark.parametrize("confidence", [None, math.nan, -0.1, 1.1, math.inf, -math.inf])
def test_what_is_no_confidence_leaves_it_to_a_person(confidence):
    """Never to the rule, whatever the bands."""
    assert rule_on(confidence, Bands(0.0, 0.0)).outcome == "ask"


@given(
    confidence=st.none() | st.floats(),
    proceed=SCORES,
    reject=SCORES,
    flags=st.fixed_dictionaries(
        {name: st.booleans() for name in ("conflict", "degraded", "stale")}, optional={"edge_case": st.text()}
    ),
)
def test_a_rule_decides_only_within_its_bands(confidence, proceed, reject, flags):
    """Only where nothing is unusual, and the confidence is on the right side of its band."""
    bands = Bands(max(proceed, reject), min(proceed, reject))
    ruling = rule_on(confidence, bands, **flags)
    assert rule_on(confidence, None, **flags).outcome == "ask"
    if ruling.outcome == "ask":
        return
    assert not any(flags.values())
    assert confidence is not None
    assert 0 <= confidence <= 1
    assert confidence >= bands.proceed if ruling.outcome == "approved" else confidence < bands.reject


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_confidence_is_never_worse(one, other):
    """From a no over a question to a yes."""
    order = ("rejected", "ask", "approved")
    low, high = sorted((one, other))
    assert order.index(rule_on(low, BANDS).outcome) <= order.index(rule_on(high, BANDS).outcome)
