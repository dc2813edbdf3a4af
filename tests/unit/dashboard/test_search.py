"""The filter that is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.dashboard.search import FIELDS, parse
from roadworthy.errors import InvalidInput
from roadworthy.workflows import Filter, RunStatus

NOW = 1_772_357_400_000


def test_every_field_filters():
    """Values with spaces stand in quotes; words without a name are looked for."""
    text = 'status:dead,parked workflow:triage tenant:"Acme Ltd" cost:>0.05 seconds:>=30 tag:vip'
    assert parse(f'{text} refund "not paid"', NOW) == Filter(
        status=(RunStatus.DEAD, RunStatus.PARKED),
        workflow="triage",
        tenant="Acme Ltd",
        min_cost_micro_usd=50_000,
        min_seconds=30.0,
        tag="vip",
        text="refund not paid",
    )


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("since:24h", NOW - 86_400_000),
        ("since:15min", NOW - 900_000),
        ("since:2026-03-01", 1_772_323_200_000),
        ("since:2026-03-01T09:30:00+01:00", 1_772_353_800_000),
    ],
)
def test_a_time_is_a_span_or_a_date(text, at):
    """In UTC where it has no zone."""
    assert parse(text, NOW) == Filter(created_from=at)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stat:dead", "There is no filter 'stat'."),
        ("status:ded", "There is no state 'ded'."),
        ("cost:>x", "'>x' is no number."),
        ("cost:nan", "'nan' is no number."),
        ("seconds:-1", "'-1' is no number."),
        ("since:yesterday", "'yesterday' is no time."),
        ('tag:""', "tag: says nothing."),
    ],
)
def test_what_is_not_understood_is_told(text, said):
    """Nothing is left out silently."""
    with pytest.raises(InvalidInput) as raised:
        parse(text, NOW)
    assert raised.value.message == said


@given(
    st.text(max_size=60)
    | st.sampled_from(sorted(FIELDS)).flatmap(lambda name: st.text().map(f"{name}:{{}}".format))
)
def test_any_text_is_a_filter_or_told(text):
    """Whatever is typed or pasted."""
    try:
        parse(text, NOW)
    except InvalidInput:
        return
