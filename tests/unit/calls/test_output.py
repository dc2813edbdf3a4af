"""From a declared type to a schema, and from a model's text to a checked value."""

import json
import threading
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, field_validator

from roadworthy.calls import Output
from roadworthy.errors import ConfigurationError, InvalidAnswer


class Item(BaseModel):
    """A part of an order."""

    name: str
    amount: int


class Order(BaseModel):
    """A model with a model inside."""

    items: list[Item]
    total: float


class Node(BaseModel):
    """A model that contains itself."""

    label: str
    children: list["Node"] = []


class Words(RootModel[list[str]]):
    """A model that is no object."""


@dataclass
class Point:
    """A plain dataclass."""

    x: int


class Code(BaseModel):
    """A model whose validator stumbles."""

    code: str

    @field_validator("code")
    @classmethod
    def second_part(cls, value: str) -> str:
        """Raise IndexError, which Pydantic does not turn into its own error."""
        return value.split("-")[1]


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (int, '{"value": 7}', 7),
        (bool, '{"value": true}', True),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (int | None, '{"value": null}', None),
        (list[Item], '{"value": [{"name": "cup", "amount": 2}]}', [Item(name="cup", amount=2)]),
        (Words, '{"value": ["a"]}', Words(["a"])),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Point, '{"x": 1}', Point(1)),
        (Item, '{"name": "cup", "amount": 2}', Item(name="cup", amount=2)),
        (Node, '{"label": "a", "children": [{"label": "b"}]}', Node(label="a", children=[Node(label="b")])),
        (Item | Point, '{"value": {"x": 3}}', Point(3)),
    ],
)
def test_any_type_travels_as_an_object_and_comes_back(declared, text, value):
    """The schema is an object's for every type, and an answer that fits it becomes a value of the type."""
    output = Output(declared)
    assert output.schema["type"] == "object"
    assert "$ref" not in output.schema
    assert output.parse(text) == value
    assert output.load(json.loads(json.dumps(output.dump(value)))) == value


def test_a_nested_model_keeps_its_definitions_in_the_schema():
    """References of a wrapped type can be resolved from the root of the schema."""
    assert "Item" in Output(list[Item]).schema["$defs"]
    assert "Item" in Output(Order).schema["$defs"]


def test_the_schema_is_the_same_object_each_time():
    """Providers keep what they prepared for a schema for as long as it is the same object."""
    output = Output(Order)
    assert output.schema is output.schema


def test_plain_text_has_no_schema_and_is_returned_as_it_is():
    """Text is not parsed, and its spaces are its own."""
    assert Output(str).schema is None
    assert Output(str).parse(" hello\n") == " hello\n"


@pytest.mark.parametrize("text", ["", "  \n", "half \ud800 a character"])
def test_text_that_is_empty_or_no_unicode_is_invalid(text):
    """Text that says nothing, or that no database takes, is no answer."""
    with pytest.raises(InvalidAnswer):
        Output(str).parse(text)


@pytest.mark.parametrize(
    "text", ['```json\n{"x": 1}\n```', '```\n{"x": 1}\n```', '  {"x": 1}  ', '```JSON\n{"x": 1}```']
)
def test_a_code_block_around_the_answer_is_taken_off(text):
    """Models like to wrap JSON in Markdown; that is no fault of the answer."""
    assert Output(Point).parse(text) == Point(1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Sure! Here it is", "the answer is not JSON"),
        ("", "the answer is not JSON"),
        ('{"label": "a"', "the answer is not JSON"),
        ('{"label": "a", "label": "b"}', "the key 'label' appears twice in one object"),
        ('{"label": NaN}', "NaN is no number in JSON"),
        ('{"label": -Infinity}', "-Infinity is no number in JSON"),
        ('{"label": 1e999}', "a number is too large"),
        ('{"label": 5}', "label: Input should be a valid string"),
        ("{}", "label: Field required"),
        ("[]", "answer: Input should be an object"),
        ('{"label": "\\ud800"}', "Invalid JSON"),
        ('{"label": "a", "children": ' + "[" * 5_000 + "]" * 5_000 + "}", ""),
        ("[" * 200_000, "the answer is not JSON"),
        ('{"label": ' + "9" * 10_000 + "}", "the answer is not JSON"),
    ],
)
def test_a_hostile_or_wrong_answer_says_what_is_wrong_with_it(text, fault):
    """Each fault becomes `InvalidAnswer` in bounded words for the model, whatever the text."""
    with pytest.raises(InvalidAnswer) as caught:
        Output(Node).parse(text)
    faults = caught.value.details["faults"]
    assert fault in faults[0]
    assert len(str(caught.value)) < 3_000


def test_an_answer_of_ten_megabytes_is_read():
    """Size alone does not make an answer invalid."""
    text = json.dumps({"name": "x" * 10_000_000, "amount": 1})
    assert len(Output(Item).parse(text).name) == 10_000_000


def test_many_faults_are_told_in_few_words():
    """The first faults are told, each cut to a length that can be shown to the model."""
    text = json.dumps({f"{number}{'k' * 1_000}": "no number" for number in range(1_000)})
    with pytest.raises(InvalidAnswer) as caught:
        Output(dict[str, int]).parse(text)
    faults = caught.value.details["faults"]
    assert len(faults) == 8
    assert max(len(fault) for fault in faults) <= 300


def test_a_check_that_stumbles_over_an_answer_makes_it_invalid():
    """An exception of the project's own validator is the answer's fault, and can be repaired."""
    with pytest.raises(InvalidAnswer, match="IndexError"):
        Output(Code).parse('{"code": "nodash"}')


def test_a_type_without_a_schema_is_refused_with_what_to_do():
    """A type that JSON cannot say is the project author's fault, not the model's."""
    with pytest.raises(ConfigurationError, match="has no JSON schema"):
        _ = Output(threading.Lock).schema


def test_a_name_fits_the_wire():
    """Names of schemas have letters, digits, underscores and dashes only."""
    assert Output(dict[str, int]).name == "dict"
    assert Output(RootModel[list[int]]).name == "RootModel_list_int__"


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_text_makes_anything_but_a_value_or_an_invalid_answer(text):
    """Whatever a model writes, the result is a value that can be stored or `InvalidAnswer`."""
    output = Output(dict[str, list[float]])
    try:
        value = output.parse(text)
    except InvalidAnswer:
        return
    json.dumps(output.dump(value), allow_nan=False)
