"""What has to be the same for an answer to be given again, and what need not be."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.models import Message
from roadworthy.models.cache_key import Digests, answer_key

MESSAGES = (Message("system", "Sort it."), Message("user", "My parcel is late."))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
FAR = {"provider": "openai", "model": "gpt-4o-2024-08-06", "base_url": "https://eu.example.com/v1"}
MODELS = {
    "far": FAR,
    "again": FAR,
    "other-model": {**FAR, "model": "gpt-4o-2024-05-13"},
    "other-place": {**FAR, "base_url": "https://us.example.com/v1"},
    "other-region": {**FAR, "region": "us"},
    "other-options": {**FAR, "options": {"openai_service_tier": "flex"}},
    "other-mode": {**FAR, "output_mode": "prompted"},
    "other-limit": {**FAR, "max_tokens": 5},
    "code": {"provider": "python", "function": "rule:answer"},
}
BASE = {
    "prompt_hash": "h",
    "output_schema": SCHEMA,
    "temperature": 0.2,
    "max_tokens": 100,
    "seed": 1,
    "stop": ("END",),
    "policy": "p1",
    "scope": ("acme", "ann"),
    "permissions": ("read", "write"),
}


@pytest.fixture
def key(make_models):
    """The key of a request to models of these names."""
    models, digests = make_models(MODELS), Digests()

    def make(*names: str, messages=MESSAGES, **changes):
        targets = tuple(models.target(name) for name in names or ("far",))
        return answer_key(messages, digests=digests, targets=targets, **{**BASE, **changes})

    return make


def test_the_same_request_has_the_same_key(key):
    """64 hexadecimal digits, also from equal objects that are not the same."""
    first = key()
    assert len(first) == 64
    assert int(first, 16)
    assert key(messages=tuple(dataclasses.replace(one) for one in MESSAGES)) == first
    assert key(output_schema={**SCHEMA, "properties": dict(SCHEMA["properties"])}) == first


def test_order_matters_only_where_it_means_something(key):
    """Permissions are a set, and a schema's keys have no order; models do."""
    assert key(permissions=["write", "read", "read"]) == key()
    assert key(output_schema=dict(reversed(SCHEMA.items()))) == key()
    assert key("far", "other-model") != key("other-model", "far")


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": (*MESSAGES[:1], Message("user", "My parcel is here."))},
        {"messages": MESSAGES[:1]},
        {"messages": (Message("user", "Sort it."), MESSAGES[1])},
        {"prompt_hash": "i"},
        {"output_schema": None},
        {"output_schema": {**SCHEMA, "required": ["a"]}},
        {"temperature": 0.3},
        {"temperature": None},
        {"max_tokens": 101},
        {"seed": 2},
        {"seed": None},
        {"stop": ()},
        {"policy": "p2"},
        {"scope": ("acme", "ben")},
        {"scope": ("acme",)},
        {"scope": ()},
        {"permissions": ("read",)},
        {"permissions": ()},
    ],
    ids=str,
)
def test_whatever_may_change_the_answer_changes_the_key(key, changes):
    """One thing at a time."""
    assert key(**changes) != key()


@pytest.mark.parametrize("name", [name for name in MODELS if name != "far"])
def test_whatever_identifies_a_model_changes_the_key(key, name):
    """Name, model, address, region, options, way of asking, and length of answer."""
    assert key(name) != key("far")
    assert key("far", name) != key("far")


def test_inputs_count_only_where_a_function_sees_them(key):
    """A model sees nothing but the rendered messages."""
    assert key(inputs={"a": 1}) == key(inputs={"a": 2})
    assert key("far", "code", inputs={"a": 1}) != key("far", "code", inputs={"a": 2})
    assert key("code", inputs={"a": 1, "b": {2}}) == key("code", inputs={"b": {2}, "a": 1})


def test_inputs_that_cannot_be_compared_have_no_key(key):
    """Two of them might be told apart by the function, and not by us."""
    assert key("code", inputs={"a": object()}) is None
    assert key("far", inputs={"a": object()}) is not None


def test_texts_are_kept_apart(key):
    """Where one text ends and the next begins is part of the key."""
    one = (Message("user", "ab"), Message("user", "c"))
    two = (Message("user", "a"), Message("user", "bc"))
    assert key(messages=one) != key(messages=two)
    assert key(scope=("ab", "c")) != key(scope=("a", "bc"))


@given(texts=st.lists(st.text(st.characters(), max_size=8), min_size=2, max_size=2, unique=True))
def test_different_texts_have_different_keys(texts):
    """Of any characters, half ones included."""
    keys = {
        answer_key((Message("user", text),), digests=Digests(), targets=(), prompt_hash="h") for text in texts
    }
    assert len(keys) == 2


def test_texts_too_long_to_be_kept_have_keys_of_the_same_kind(key):
    """Whether a key is kept for the next who asks changes nothing about it."""
    short, long = ("x" * size for size in (15_900, 16_100))
    keys = [key(messages=(Message("user", text),)) for text in (short, long, f"{long[:-1]}y", short, long)]
    assert keys[:2] == keys[3:]
    assert len(set(keys)) == 3


def test_a_changed_schema_is_a_new_one(key):
    """A digest is kept for an object; another one at its place in memory has its own."""
    keys = {key(output_schema={"type": "object", "title": str(number)}) for number in range(400)}
    assert len(keys) == 400


def test_keys_are_the_same_in_every_process():
    """Workers share the table; whoever changes what a key means also counts its form up."""
    made = answer_key(
        (Message("system", "Sort it."), Message("user", "Grüße")),
        digests=Digests(),
        targets=(),
        prompt_hash="h",
        output_schema={"b": 1, "a": 2},
        permissions={"x", "y", "z"},
    )
    assert made == "485e52212594b291346235c591f5063957834760f47669ff16a86c8b6451a826"
