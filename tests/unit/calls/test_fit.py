"""Whether a person's answer fits the schema: plain mistakes are named, and nothing right is refused."""

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from roadworthy.calls.fit import faults
from roadworthy.calls.sample import sample


class Part(BaseModel):
    """Something inside, and more of the same inside that."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=3)]
    inner: "Part | None" = None


class Reply(BaseModel):
    """Every keyword that the check knows."""

    model_config = ConfigDict(extra="forbid")
    outcome: Literal["answer", "refuse"]
    share: Annotated[float, Field(ge=0, lt=1)]
    count: Annotated[int, Field(gt=0, le=9)] = 1
    sure: bool = False
    parts: Annotated[list[Part], Field(max_length=2)] = []
    pair: tuple[int, str] | None = None
    tags: dict[str, int] = {}


SCHEMA = Reply.model_json_schema()
RIGHT: dict[str, Any] = {"outcome": "answer", "share": 0.5}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"outcome": "maybe"}, "outcome: must be 'answer' or 'refuse'"),
        ({"outcome": None}, "outcome: must be 'answer' or 'refuse'"),
        ({"share": "0.5"}, "share: must be a number"),
        ({"share": True}, "share: must be a number"),
        ({"share": 1}, "share: must be less than 1"),
        ({"share": -0.5}, "share: must be at least 0"),
        ({"count": 0}, "count: must be more than 0"),
        ({"count": 10}, "count: must be at most 9"),
        ({"count": 1.5}, "count: must be a whole number"),
        ({"sure": 1}, "sure: must be true or false"),
        ({"parts": {}}, "parts: must be a list"),
        ({"parts": [{"name": "a"}] * 3}, "parts: has 3 items; at most 2 are allowed"),
        ({"parts": [{"name": ""}]}, "parts.0.name: has 0 characters; at least 1 are asked for"),
        ({"parts": [{}]}, "parts.0.name: is missing"),
        ({"parts": [{"name": "a", "inner": {"name": 5}}]}, "parts.0.inner.name: must be text"),
        ({"parts": [{"name": "a", "inner": 5}]}, "parts.0.inner: must be an object or null"),
        ({"pair": [1, 2]}, "pair.1: must be text"),
        ({"tags": {"a": "b"}}, "tags.a: must be a whole number"),
    ],
)
def test_a_mistake_is_named_with_its_place(change, fault):
    """A person sees which field to mend, and how."""
    assert faults({**RIGHT, **change}, SCHEMA) == [fault]


def test_a_key_that_is_not_asked_for_is_named_with_those_that_are():
    """A mistyped key shows twice: what is missing, and what is not known."""
    assert faults({"outcome": "answer", "shar": 0.5}, SCHEMA) == [
        "share: is missing",
        "shar: is not asked for; known: outcome, share, count, sure, parts, pair, tags",
    ]


def test_a_value_that_is_no_object_is_told_so():
    """The whole answer has no place of its own."""
    assert faults("yes", SCHEMA) == ["the answer: must be an object"]


def test_there_are_no_more_faults_than_a_person_reads():
    """The rest shows when these are mended."""
    assert len(faults({**RIGHT, **{f"extra_{number}": 1 for number in range(50)}}, SCHEMA)) == 8


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "unheard-of"},
        {"type": "string", "pattern": "(?=x)", "format": "unheard-of"},
        {"$ref": "#/$defs/Absent"},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"anyOf": "x", "enum": 5, "required": 7, "properties": [], "minLength": "many", "maximum": None},
    ],
)
def test_what_is_not_understood_lets_every_value_pass(schema):
    """The declared type has the last word; a person is not held up by a schema that nobody can read."""
    assert faults("text", schema) == []


def test_a_value_without_bottom_is_refused():
    """Neither the value nor the check ends the program."""
    deep: Any = {"name": "a"}
    for _ in range(5_000):
        deep = {"name": "a", "inner": deep}
    assert faults(deep, Part.model_json_schema()) == ["the answer is nested too deeply"]


@pytest.mark.parametrize(
    "declared", [Reply, Part, list[Part], dict[str, Reply], int | str | None, Literal[1, "a"]]
)
def test_a_value_made_for_the_schema_fits_it(declared):
    """Whatever fills the schema of a type has no faults."""
    schema = TypeAdapter(declared).json_schema()
    for seed in ("", "one", "two"):
        assert faults(sample(schema, seed=seed), schema) == []


anything = st.sampled_from([None, True, 0, 1, 12, -0.5, 0.5, "", "a", "aaaa", [], {}])
right_part: Any = st.deferred(
    lambda: st.fixed_dictionaries(
        {"name": st.sampled_from("abc")}, optional={"inner": st.none() | right_part}
    )
)
part = st.fixed_dictionaries({"name": anything}, optional={"inner": anything, "other": anything})
right = {
    "outcome": st.sampled_from(["answer", "refuse"]),
    "share": st.sampled_from([0, 0.25, 0.5]),
    "count": st.integers(1, 9),
    "sure": st.booleans(),
    "parts": st.lists(right_part, max_size=2),
    "pair": st.none() | st.tuples(st.integers(), st.text()).map(list),
    "tags": st.dictionaries(st.text(), st.integers()),
}
wrong = {
    **dict.fromkeys(right, anything),
    "parts": anything | st.lists(part | right_part, max_size=3),
    "pair": anything | st.lists(anything, max_size=3),
    "more": anything,
}
replies = st.builds(
    lambda value, changes, missing: {
        name: one for name, one in {**value, **changes}.items() if name != missing
    },
    st.fixed_dictionaries(right),
    st.dictionaries(st.sampled_from(sorted(wrong)), st.none(), max_size=2).flatmap(
        lambda chosen: st.fixed_dictionaries({name: wrong[name] for name in chosen})
    ),
    st.none() | st.sampled_from(sorted(right)),
)


@given(replies | anything)
def test_the_check_agrees_with_the_declared_type(value):
    """Where a schema says all that a type asks for, what fits the one fits the other."""
    try:
        TypeAdapter(Reply).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        assert faults(value, SCHEMA)
    else:
        assert faults(value, SCHEMA) == []
