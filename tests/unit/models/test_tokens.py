"""How many tokens a request has: never fewer than it may need, and about as many as it has."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.models import Message, Request
from roadworthy.models.tokens import estimate_usage, likely_tokens

ASKED = SimpleNamespace(settings=SimpleNamespace(max_tokens=None))


def read(*messages: Message, **fields) -> int:
    """The most tokens that such a request may have read."""
    return estimate_usage(ASKED, Request(messages=messages, timeout_seconds=1, **fields)).input_tokens


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_every_byte_may_be_a_token(texts):
    """A tokenizer that knows no words falls back to bytes; roles and separators come on top."""
    messages = [Message("user", text) for text in texts]
    assert read(*messages) >= sum(len(text.encode()) for text in texts) + 8 * (len(texts) + 1)


@given(text=st.text(st.characters(), max_size=60), more=st.text(st.characters(), min_size=1, max_size=20))
def test_more_text_is_never_fewer_tokens(text, more):
    """Whatever the text is, half characters included."""
    assert read(Message("user", text + more)) > read(Message("user", text))


def test_a_schema_adds_what_providers_add():
    """More than Anthropic's 530 tokens of instructions for a tool, and the schema's own text."""
    schema = {"type": "object", "properties": {"name": {"type": "string", "description": "ß" * 100}}}
    assert read(output_schema=schema) - read() > 530 + 200 + len(str(schema))


def test_a_definition_counts_wherever_it_is_used():
    """Some providers get schemas without references, so each use is written out."""
    inner = {"type": "object", "properties": {"text": {"type": "string", "description": "x" * 1000}}}
    middle = {"type": "object", "properties": {f"m{n}": {"$ref": "#/$defs/Inner"} for n in range(5)}}
    properties = {f"p{n}": {"$ref": "#/$defs/Middle"} for n in range(4)}
    schema = {"type": "object", "properties": properties, "$defs": {"Inner": inner, "Middle": middle}}

    assert read(output_schema=schema) > 4 * 5 * 1000


def test_a_definition_that_contains_itself_is_counted_and_ends():
    """It cannot be written out for ever."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    assert read(output_schema={"$ref": "#/$defs/Node", "$defs": {"Node": node}}) < 3000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 4), ("a" * 400, 104), ("票" * 300, 204), ("ab票" * 100, 121)],
    ids=["nothing", "ASCII", "others", "both"],
)
def test_likely_tokens_go_by_the_kind_of_characters(text, tokens):
    """Four ASCII characters to a token, one and a half others, and a few tokens for each message."""
    assert likely_tokens([Message("user", text)]) == tokens


@given(text=st.text(max_size=200))
def test_likely_is_less_than_most(text):
    """The one is for limits of context, the other for budgets."""
    assert likely_tokens([Message("user", text)]) < read(Message("user", text))
