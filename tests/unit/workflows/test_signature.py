"""Arguments and results as JSON."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from roadworthy.errors import ConfigurationError, InvalidInput
from roadworthy.workflows.signature import Signature, as_json, content_hash


class Ticket(BaseModel):
    """A Pydantic type."""

    id: str
    opened: datetime


@dataclass(frozen=True)
class Note:
    """A dataclass."""

    words: tuple[str, ...]


def answer(ticket: Ticket, note: Note, limit: int = 5) -> list[Note]:
    """A function with types of the user's own."""
    return [note] * limit


async def anything(value: Any) -> Any:
    """A function that declares nothing."""
    return value


TICKET = {"id": "t-1", "opened": "2026-03-01T12:00:00Z"}


def test_json_becomes_typed_arguments_with_defaults():
    """As the annotations say."""
    parsed = Signature(answer, "answer").parse({"ticket": TICKET, "note": {"words": ["a"]}})
    opened = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert parsed == {"ticket": Ticket(id="t-1", opened=opened), "note": Note(("a",)), "limit": 5}


def test_every_fault_of_an_input_is_named_at_once():
    """With the nearest known name for what is unknown."""
    with pytest.raises(InvalidInput) as refused:
        Signature(answer, "answer").parse({"ticket": {"id": 1}, "nota": {}, "limit": "x"})
    faults = refused.value.details["faults"]
    assert len(faults) == 5
    assert "nota: unknown. Did you mean 'note'?" in faults
    assert "note: missing" in faults


@pytest.mark.parametrize("given", [None, [], "text", 3])
def test_an_input_is_an_object(given):
    """Nothing else can name its values."""
    with pytest.raises(InvalidInput, match="object"):
        Signature(answer, "answer").parse(given)


@pytest.mark.parametrize(("args", "kwargs"), [((1, 2, 3, 4), {}), ((), {"tickets": 1}), ((), {})])
def test_arguments_that_do_not_fit_are_named_with_what_is_taken(args, kwargs):
    """Like a call of the function itself, but as our own error."""
    with pytest.raises(InvalidInput, match="answer"):
        Signature(answer, "answer").bind(args, kwargs)


def test_a_result_comes_back_as_what_was_declared():
    """Through JSON and back, a list of dataclasses is one again."""
    signature = Signature(answer, "answer")
    stored = signature.dump([Note(("a", "b"))])
    assert stored == [{"words": ["a", "b"]}]
    assert signature.load(stored) == [Note(("a", "b"))]


@pytest.mark.parametrize("result", ["text", [1], [Note((1,))]])
def test_a_result_that_is_not_what_was_declared_is_refused(result):
    """Before it is stored, with the function's name."""
    with pytest.raises(InvalidInput, match="'answer' cannot be stored"):
        Signature(answer, "answer").dump(result)


@pytest.mark.parametrize("result", [asyncio.Event, lambda: None, object()])
def test_a_result_without_a_json_form_is_refused(result):
    """Where nothing is declared, JSON still has to be able to say it."""
    with pytest.raises(InvalidInput, match="'anything' cannot be stored"):
        Signature(anything, "anything").dump(result)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_json_can_say_is_kept_as_it_is(value):
    """A replayed value equals the live one."""
    signature = Signature(anything, "anything")
    assert signature.load(signature.dump(value)) == value


@given(st.dictionaries(st.text(max_size=5), values, max_size=5))
def test_a_hash_does_not_depend_on_the_order_of_names(value):
    """The same input is the same input."""
    assert content_hash(value) == content_hash(dict(reversed(value.items())))


def test_an_input_without_a_json_form_is_named():
    """What it belongs to and what it is."""
    with pytest.raises(InvalidInput, match=r"The input of step 'x' cannot be stored: a dict"):
        as_json({"a": object()}, "The input of step 'x'")


@pytest.mark.parametrize("function", [lambda *args: None, lambda **named: None])
def test_a_function_whose_arguments_have_no_names_is_refused(function: Callable[..., Any]):
    """Its record could not say what went in."""
    with pytest.raises(ConfigurationError, match="of its own"):
        Signature(function, "f")
