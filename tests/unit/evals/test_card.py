"""The card of a data set: what it covers, and what it misses."""

from roadworthy.evals import Case
from roadworthy.evals.card import card_of
from roadworthy.evals.growing import Draft

LONG = (
    "The parcel that I ordered three weeks ago has still not arrived, and nobody answers the telephone. "
    "Your shop said that it would be sent within two days, the carrier knows nothing of it, and my card "
    "was charged at once. Please tell me when it comes, or send the money back to the account it came from."
)
CASES = [
    Case("a", {"t": LONG}, "x", ("common",), "run_018bcfe568007d00a8f1c1c1c1c1c1c1"),
    Case("b", {"t": LONG.replace("three", "seven")}, "x", ("common", "edge"), "wiki"),
    Case("c", {"t": "Где посылка, которую я заказал?"}),
]


def test_what_it_says():
    """Tags, sources, scripts, lengths, what is nearly twice there, and from when it is."""
    card = card_of(CASES)
    assert card.tags == {"common": 2, "edge": 1, "": 1}
    assert card.missing_tags == ["high-risk", "must-refuse", "must-escalate"]
    assert card.sources == {"run": 1, "wiki": 1, "": 1}
    assert card.scripts == {"LATIN": 2, "CYRILLIC": 1}
    assert card.without_expectation == 1
    assert [pair[:2] for pair in card.near_duplicates] == [("a", "b")]
    assert card.oldest == card.newest == "2023-11-14T22:13:20.000Z"
    assert (card.needed, card.more_needed) == (312, 309)


def test_failures_in_production_that_are_no_case():
    """By kind; what is a case already, by its source or by its inputs, does not count."""
    failures = [
        Draft({"t": "new one"}, "call_1", kind="the call failed: timeout"),
        Draft({"t": "new one"}, "call_2", kind="the call failed: timeout"),
        Draft({"t": "another"}, "call_3", kind="edited by a person"),
        Draft({"t": LONG}, "call_4", kind="edited by a person"),
        Draft({"t": "changed since"}, "wiki", kind="edited by a person"),
    ]
    card = card_of(CASES, failures)
    assert card.failures_without_case == {"the call failed: timeout": 1, "edited by a person": 1}


def test_an_empty_data_set_has_a_card_too():
    """For a suite that is only begun."""
    card = card_of([])
    assert (card.cases, card.characters, card.more_needed) == (0, (0, 0, 0), 312)
