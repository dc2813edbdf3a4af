"""Values made from schemas fit them, plainly, as nonsense, and with given words."""

import re
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from roadworthy.calls.pattern import matching
from roadworthy.calls.sample import sample
from roadworthy.errors import InvalidInput


class Colour(StrEnum):
    """A closed set."""

    RED = "red"
    GREEN = "green"


class Node(BaseModel):
    """A recursive model."""

    name: str
    children: list["Node"]
    parent: "Node | None"


class Everything(BaseModel):
    """One field of each kind that schemas of answers have."""

    literal: Literal["a", "b"]
    colour: Colour
    text: Annotated[str, Field(min_length=12, max_length=15)]
    short: Annotated[str, Field(max_length=2)]
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{2,4}$")]
    count: Annotated[int, Field(gt=3, lt=9, multiple_of=2)]
    share: Annotated[float, Field(gt=0.2, lt=0.21)]
    amount: Decimal
    flag: bool
    day: date
    moment: datetime
    ident: UUID
    maybe: int | None
    either: int | str
    many: Annotated[list[Colour], Field(min_length=2, max_length=3)]
    unique: set[Colour]
    pair: tuple[int, str]
    table: dict[str, int]
    node: Node
    optional: str = "default"


@pytest.mark.parametrize("options", [{}, {"seed": "1"}, {"seed": "other"}, {"words": "green, please"}])
def test_a_sample_fits_every_kind_of_field(options):
    """Pydantic accepts the sample of its own schema."""
    value = sample(Everything.model_json_schema(), **options)
    Everything.model_validate(value)
    assert value == sample(Everything.model_json_schema(), **options)


def test_a_plain_sample_takes_what_comes_first():
    """Without a seed: first members, least numbers, names as texts."""
    value = sample(Everything.model_json_schema())
    assert (value["literal"], value["count"], value["either"], value["maybe"]) == ("a", 4, 0, 0)
    assert value["text"].startswith("text")


def test_words_choose_and_fill():
    """Given words become the texts and choose the members that they name."""
    value = sample(Everything.model_json_schema(), words="green, please")
    assert (value["colour"], value["text"]) == ("green", "green, please")


@given(low=st.integers(-1000, 1000), room=st.integers(0, 1000), seed=st.text(max_size=4))
@settings(max_examples=50, deadline=None)
def test_numbers_keep_their_bounds(low, room, seed):
    """Whatever the bounds, integers and numbers stay within."""
    bounds = {"minimum": low, "maximum": low + room}
    for kind in ("integer", "number"):
        assert low <= sample({"type": kind, **bounds}, seed=seed) <= low + room


def test_schemas_without_types_are_answered():
    """Empty and odd schemas get some value rather than an error."""
    assert sample({}) == "value"
    assert sample({"type": ["null", "integer"]}) == 0
    assert sample({"type": "null"}) is None
    assert sample({"allOf": [{"type": "object", "properties": {"a": {"const": 3}}}]}) == {"a": 3}
    assert sample({"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}}) == {
        "key_0": 0
    }


def test_union_types_of_pydantic_are_answered():
    """A discriminated union gets its first member."""

    class Answer(BaseModel):
        kind: Literal["answer"]

    class Refusal(BaseModel):
        kind: Literal["refusal"]

    adapter = TypeAdapter(Annotated[Answer | Refusal, Field(discriminator="kind")])
    assert isinstance(adapter.validate_python(sample(adapter.json_schema())), Answer)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}\d{3}$",
        r"^(?:ab|cd)+x?$",
        r"[^a]b{2,}",
        r"^\w+@\w+\.com$",
        r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$",
        r"^t-[0-9]+$",
        r"",
        r"^\d{4}-\d{2}-\d{2}$",
        r"^[\w.-]{3,}$",
        r"^(?P<year>\d+)$",
    ],
)
def test_a_text_is_made_for_a_pattern(pattern):
    """The text that is made matches."""
    assert re.search(pattern, matching(pattern))


def test_an_impossible_pattern_is_a_clear_error():
    """A pattern that cannot be met is named."""
    with pytest.raises(InvalidInput, match=r"\(\?=b\)c"):
        matching("^a(?=b)c$")
