"""What of a schema cannot be promised, and that the rest is checked."""

import pytest

from roadworthy.calls.fit import faults
from roadworthy.calls.unchecked import unchecked

TREE = {
    "type": "object",
    "title": "Tree",
    "properties": {"name": {"type": "string"}, "below": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({**TREE, "$defs": {"Tree": TREE}}, {"name": "a", "below": [{"name": "b"}]}, {"below": [{}]}),
        ({"type": "string", "pattern": "^[0-9]+$"}, "17", "x17"),
        ({"type": "string", "format": "date"}, "2026-02-28", "2026-02-30"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00:00Z", "soon"),
        ({"type": "string", "format": "uuid"}, "b1e0c4a6-5f5b-4e0a-9a3f-0d5b6d8f9a01", "b1e0"),
        ({"type": "string", "format": "ipv4"}, "127.0.0.1", "127.0.0.256"),
        ({"type": "string", "format": "email"}, "ann@example.org", "ann"),
        ({"type": "string", "format": "hostname"}, "a.example.org", "a b"),
        ({"type": "number", "multipleOf": 0.1}, 0.3, 0.35),
        ({"anyOf": [{"type": "null"}, {"enum": ["a", "b"]}]}, None, "c"),
    ],
)
def test_what_is_promised_is_checked(schema, right, wrong):
    """Nothing of these is unchecked: what fits passes, and what does not fit is found."""
    assert unchecked(schema) is None
    assert faults(right, schema) == []
    assert faults(wrong, schema)


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"oneOf": [{"type": "string"}]}, "'oneOf'"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, "'not'"),
        ({"type": "array", "items": {"uniqueItems": True}}, "'uniqueItems'"),
        ({"pattern": "(?=lookahead)"}, "'pattern'"),
        ({"format": "unheard-of"}, "'format'"),
        ({"type": "unheard-of"}, "'type'"),
        ({"minLength": "many"}, "'minLength'"),
        ({"enum": 5}, "'enum'"),
        ({"properties": []}, "'properties'"),
        ({"items": False}, "a schema that is False"),
        ({"$ref": "https://example.org/schema"}, "the reference 'https://example.org/schema'"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "the reference '#/$defs/A'"),
        ({"$ref": "#/$defs/A", "minLength": 1, "$defs": {"A": {}}}, "the reference '#/$defs/A'"),
    ],
)
def test_what_would_pass_unchecked_is_named(schema, what):
    """The first thing that an answer could break unseen."""
    assert unchecked(schema) == what


def test_a_schema_too_deep_to_walk_is_not_promised():
    """It is refused, not an error here."""
    deep = {"type": "object"}
    for _ in range(5_000):
        deep = {"type": "array", "items": deep}
    assert unchecked(deep) == "such deep nesting"
