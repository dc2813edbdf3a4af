"""What a text is to the router."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from roadworthy.models.learned.terms import terms, text_of, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is my parcel?", ["where", "is", "my", "parcel"]),
        ("order T-1009, 20.5 kg", ["order", "t", "0", "0", "0", "kg"]),
        ("snake_case", ["snake", "case"]),
        ("cafe\u0301 CAF\u00c9", ["caf\u00e9", "caf\u00e9"]),
        ("\u914d\u9001 late", ["\u914d", "\u9001", "late"]),
        ("!? \n", []),
    ],
)
def test_words_are_small_letters_without_numbers(text, expected):
    """Case, punctuation, digits and ways to write an accent make no difference."""
    assert words(text) == expected


def test_pairs_follow_the_words():
    """Each two neighbouring words are a term too."""
    assert terms("Not my parcel") == ["not", "my", "parcel", "not my", "my parcel"]


@given(st.text())
def test_any_text_has_terms_that_can_be_stored(text):
    """Whatever the text holds, its terms are valid text, and a second look finds the same."""
    found = terms(text)
    assert "".join(found).encode() is not None
    assert words(" ".join(words(text))) == words(text)


def test_only_the_beginning_of_a_long_text_is_read():
    """An enormous text cannot hold up the others."""
    assert len(words("word " * 100_000)) == 4_000


class Mood(Enum):
    """How somebody feels."""

    CALM = "calm"


@dataclass
class Ticket:
    """A ticket as a dataclass."""

    subject: str
    day: date


class Customer(BaseModel):
    """A customer as a Pydantic model."""

    name: str
    points: int


def test_the_text_of_inputs_is_theirs_by_the_order_of_names():
    """The order in which inputs are passed makes no difference, and nothing is left out."""
    inputs = {"b": ["two", {"y": 4, "x": "three"}], "a": "one", "none": None}
    assert text_of(inputs) == "one\ntwo\nthree\n4"
    assert text_of(dict(reversed(inputs.items()))) == text_of(inputs)


def test_objects_have_the_text_of_their_json():
    """A call's own objects and the JSON of its eval result are the same text."""
    live = {
        "who": Customer(name="Ann", points=3),
        "ticket": Ticket("Lost", date(2026, 1, 2)),
        "mood": Mood.CALM,
    }
    stored = {
        "who": {"name": "Ann", "points": 3},
        "ticket": {"subject": "Lost", "day": "2026-01-02"},
        "mood": "calm",
    }
    assert text_of(live) == text_of(stored) == "calm\n2026-01-02\nLost\nAnn\n3"


def test_inputs_that_contain_themselves_come_to_an_end():
    """A circle is followed only so far."""
    circle: dict[str, object] = {"text": "round"}
    circle["self"] = circle
    assert text_of(circle).startswith("round\nround")
