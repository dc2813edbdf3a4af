"""Texts that are nearly the same are found, and only those."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals import Case
from roadworthy.evals.growing import NEAR, Draft, Near, grow, text_in

LONG = (
    "The parcel that I ordered three weeks ago has still not arrived, and nobody answers the telephone. "
    "Your shop said that it would be sent within two days, the carrier knows nothing of it, and my card "
    "was charged at once. Please tell me when it comes, or send the money back to the account it came from."
)
WORDS = st.lists(st.sampled_from(["parcel", "late", "refund", "hello", "é", "12"]), max_size=40).map(" ".join)


def jaccard(one, other):
    """By all pieces, as it is defined."""
    sets = []
    for text in (one, other):
        plain = " ".join(text.casefold().split()).encode()
        sets.append({plain[n : n + 5] for n in range(max(1, len(plain) - 4))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@given(texts=st.lists(WORDS, max_size=8), new=WORDS)
def test_the_nearest_is_that_of_all_comparisons(texts, new):
    """Nothing that is near is overlooked by comparing only what has a rare piece in common."""
    named = {f"c{number}": text for number, text in enumerate(texts)}
    best = max((jaccard(text, new) for text in texts), default=0)
    found = Near(named).nearest(new)
    assert (found is None) == (best < NEAR)
    if found is not None:
        assert found[1] == pytest.approx(best)


def test_a_text_is_not_its_own_duplicate():
    """Another of the same words is."""
    near = Near({"a": LONG, "b": LONG.upper(), "c": "something else"})
    assert near.nearest(LONG, besides="a") == ("b", 1.0)
    assert near.nearest("something else", besides="c") is None


def test_the_text_of_inputs_is_all_of_it():
    """Names and values, whatever the order of keys."""
    first, second = {"b": [1, {"c": None}], "a": "x"}, {"a": "x", "b": [1, {"c": None}]}
    assert text_in(first) == text_in(second) == "a\nx\nb\n1\nc"


def test_drafts_become_cases_once():
    """What equals a case, or nearly does, is told with that case's id; drafts may equal each other."""
    known = [Case("old", {"ticket": LONG}, expected="x")]
    drafts = [
        Draft({"ticket": LONG}, "call_00000001", expected="y"),
        Draft({"ticket": LONG.replace("three", "four")}, "call_00000002"),
        Draft({"ticket": "new"}, "run_0123456789"),
        Draft({"ticket": "new"}, "review_0123456789"),
    ]
    grown = grow(known, drafts, scrub=str, tags=("edge", "edge"))
    (case,) = grown.cases
    assert (case.id, case.tags, case.source) == ("run-23456789", ("edge",), "run_0123456789")
    assert [(one.source, one.case_id, one.differs) for one in grown.known] == [
        ("call_00000001", "old", True),
        ("call_00000002", "old", False),
        ("review_0123456789", "run-23456789", False),
    ]
    assert grown.known[0].alike == 1 > grown.known[1].alike >= NEAR
    assert len(grow(known, drafts, scrub=str, near_too=True).cases) == 2


def test_secrets_stay_where_they_are():
    """In names, values, expectations and notes."""
    draft = Draft({"a KEY": ["KEY", 1]}, "run_1", expected={"x": "KEY"}, note="said KEY")
    grown = grow([], [draft], scrub=lambda text: text.replace("KEY", "[redacted]"))
    assert "KEY" not in str(grown.cases[0].as_json())
    assert grown.scrubbed == 4


def test_an_id_that_is_taken_gets_a_number():
    """Two records may end alike."""
    drafts = [Draft({"a": n}, f"run_{n}00000001") for n in range(2)]
    assert [case.id for case in grow([], drafts, scrub=str).cases] == ["run-00000001", "run-00000001-2"]
