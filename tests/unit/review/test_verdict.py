"""What several verdicts lead to, and what people see of an answer."""

import pytest

from roadworthy.review import Choice, Held, Vote, exhibits
from roadworthy.review.verdict import same, settle

HELD = Held(value={"a": 1.0, "b": ["x"]}, schema={"type": "object"}, evidence=[], because="it is in between")


def vote(choice, value=None, by="p-1"):
    """One person's verdict."""
    return Vote(by, by, Choice(choice), value, "", 0)


@pytest.mark.parametrize(
    ("before", "said", "people", "led_to"),
    [
        ([], vote("reject"), 1, "decided"),
        ([], vote("approve"), 2, "wait"),
        ([vote("approve")], vote("approve"), 2, "decided"),
        ([vote("edit", {"a": 1})], vote("edit", {"a": 1.0}), 2, "decided"),
        ([vote("edit", {"a": 1})], vote("edit", {"a": 2}), 2, "disputed"),
        ([vote("edit", {"a": 1})], vote("approve"), 2, "disputed"),
        ([vote("approve")], vote("reject"), 2, "disputed"),
        ([vote("approve"), vote("reject")], vote("reject"), 1, "decided"),
        ([vote("approve")], vote("approve"), 3, "wait"),
    ],
)
def test_people_decide_when_as_many_as_are_asked_agree(before, said, people, led_to):
    """And whoever disagrees hands it on."""
    assert settle(before, said, people) == led_to


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
        ([1, 2], [2, 1], False),
        (1, True, False),
        (0, False, False),
        (None, "", False),
        ("é", "é", True),
    ],
)
def test_values_are_the_same_as_json_says(one, other, expected):
    """An edit is one only if something is different."""
    assert same(one, other) is expected


def test_an_edit_is_checked_against_the_form_of_the_answer():
    """By the schema; text must be text, and not empty."""
    assert HELD.is_same({"b": ["x"], "a": 1})
    assert HELD.faults([]) == ["the answer: must be an object"]
    text = Held(value="yes", schema=None, evidence=None, because="")
    assert [text.faults(value) for value in ("no", " ", 1)] == [
        [],
        ["the answer is empty"],
        ["the answer must be text"],
    ]


def test_what_is_held_comes_back_as_it_was_stored():
    """Half characters apart."""
    assert Held.from_json(HELD.as_json()) == HELD
    assert Held.from_json(Held("\ud800", None, None, "").as_json()).value == "?"


def test_evidence_is_taken_apart_for_people():
    """Texts, objects with the usual fields, and anything else as it is."""
    found = exhibits(["a note", {"title": "T", "url": "u", "text": "x", "page": 3}, 7, {"title": 5}])
    assert [(one.title, one.url, one.text, one.rest) for one in found] == [
        ("", "", "a note", None),
        ("T", "u", "x", {"page": 3}),
        ("", "", "", 7),
        ("", "", "", {"title": 5}),
    ]
    assert (exhibits(None), exhibits({"text": "x"})[0].text) == ([], "x")
