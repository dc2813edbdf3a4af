"""The form for an answer: what nobody touched comes back as it was, the rest as the schema asks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.dashboard.answer_form import AnswerForm
from roadworthy.errors import InvalidInput

PLAIN = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "amount": {"type": "integer"},
        "rate": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "tone": {"$ref": "#/$defs/Tone"},
        "urgent": {"type": "boolean", "description": "Today"},
        "remark": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["text", "amount"],
    "$defs": {"Tone": {"enum": ["kind", "plain"]}},
}
FULL = {"text": "a", "amount": 1, "rate": 0.5, "tone": "kind", "urgent": True, "remark": None}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def shown(form, **typed):
    """What a browser sends: each field as it is shown, or as it was typed; an empty one is left out."""
    fields = {field.sent_as: field.original for field in form.fields} | typed
    return {name: [text.replace("\n", "\r\n")] for name, text in fields.items() if text}


@given(
    st.fixed_dictionaries(
        {"text": TEXTS, "amount": st.integers()},
        optional={
            "rate": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "tone": st.sampled_from(["kind", "plain"]),
            "urgent": st.booleans(),
            "remark": st.none() | TEXTS,
        },
    )
)
def test_a_form_that_nobody_touched_gives_the_same_answer(value):
    """To the last line break, and with nothing that was not there."""
    form = AnswerForm(PLAIN, value)
    assert len(form.fields) == 6
    assert json.dumps(form.read(shown(form))) == json.dumps(value)


@given(TEXTS)
def test_text_comes_back_as_it_was(text):
    """Browsers send line breaks of their own."""
    form = AnswerForm(None, text)
    assert form.read(shown(form)) == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, st.lists))
def test_what_is_not_flat_comes_back_as_it_was(value):
    """As JSON."""
    form = AnswerForm({"type": "array"}, [value])
    assert [field.kind for field in form.fields] == ["json"]
    assert form.read(shown(form)) == [value]


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("text", "b\nc", "b\nc"),
        ("text", "", ""),
        ("amount", " 2 ", 2),
        ("amount", "-2.5", -2.5),
        ("amount", "two", "two"),
        ("amount", "", ""),
        ("amount", "nan", "nan"),
        ("amount", "9" * 5000, "9" * 5000),
        ("rate", "", None),
        ("tone", '"plain"', "plain"),
        ("tone", "rude", "rude"),
        ("urgent", "", False),
        ("remark", "seen", "seen"),
    ],
)
def test_what_was_typed_is_taken_as_the_schema_asks(name, typed, expected):
    """Or as it was typed, so that its fault can be told."""
    form = AnswerForm(PLAIN, FULL)
    assert form.read(shown(form, **{f"value.{name}": typed})) == {**FULL, name: expected}


def test_an_answer_that_begins_empty_has_what_was_typed():
    """Optional fields that were left empty are not in it."""
    form = AnswerForm(PLAIN, is_empty=True)
    assert form.read({"value.text": ["hi"], "value.urgent": ["on"]}) == {
        "text": "hi",
        "amount": "",
        "urgent": True,
    }


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({**PLAIN, "properties": {"parts": {"type": "array"}}}, {"parts": []}),
        (PLAIN, {**FULL, "more": 1}),
        (PLAIN, {**FULL, "text": 5}),
        (PLAIN, {**FULL, "tone": "rude"}),
        (PLAIN, [1]),
        ({"$ref": "#/$defs/Node"}, {"a": 1}),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/No"}}}, {"a": 1}),
        (
            {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}},
            {"a": 1},
        ),
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, {"a": "x"}),
        ({"type": "object", "properties": {f"f{number}": {"type": "string"} for number in range(61)}}, {}),
    ],
)
def test_what_no_field_can_hold_is_edited_as_json(schema, value):
    """Nothing of an answer is left out because there is no field for it."""
    form = AnswerForm(schema, value)
    assert [field.kind for field in form.fields] == ["json"]
    assert form.read(shown(form)) == value


@pytest.mark.parametrize("typed", ['{"a": 1, }', "", "NaN", "[" * 100_000, '"\\ud800"', "9" * 5000])
def test_what_is_no_json_is_told(typed):
    """Also what a parser would take and no database stores."""
    form = AnswerForm({"type": "array"}, [1])
    with pytest.raises(InvalidInput, match="the answer is no JSON"):
        form.read({"value": [typed]} if typed else {})
