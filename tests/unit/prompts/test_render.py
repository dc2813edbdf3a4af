"""Inputs become messages, or a clear error before any call."""

import dataclasses
import enum
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from roadworthy.errors import PromptError, RenderError
from roadworthy.prompts import parse, render
from roadworthy.prompts.version import Version


class Customer(BaseModel):
    """A part of a ticket."""

    name: str
    since: date


class Ticket(BaseModel):
    """A typed input."""

    text: str
    items: list[int]
    customer: Customer


@dataclasses.dataclass(frozen=True, slots=True)
class Passage:
    """A typed input of another make."""

    title: str
    score: float


class Colour(enum.StrEnum):
    """An enum of texts."""

    RED = "red"


def prompt(body: str, inputs: str = "value: {type: any, trusted: true}") -> Version:
    """A prompt of one user section."""
    text = f"---\ninputs:\n  {inputs}\n---\n# user\n{body}\n"
    return parse(text, prompt_id="reply", label="v1", file="prompts/reply/v1.md")


def shown(value: object, body: str = "{{ value }}") -> str:
    """The user message that the template comes to."""
    return render(prompt(body), {"value": value}).messages[0].text


def test_pydantic_models_and_dataclasses_are_plain_data_in_a_template() -> None:
    """Their fields are read as attributes, also nested and in lists."""
    body = (
        "{{ t.text }} {{ t.items[0] }} {{ t.customer.name }} {{ t.customer.since.year }}"
        "{% for p in ps %} {{ p.title }}{% endfor %}"
    )
    version = prompt(body, "t: {type: object, trusted: true}\n  ps: {type: list, trusted: true}")
    ticket = Ticket(text="Help", items=[4], customer=Customer(name="Ann", since=date(2020, 5, 6)))
    found = render(version, {"t": ticket, "ps": (Passage("A", 0.5), Passage("B", 0.25))})
    assert found.messages == (("user", "Help 4 Ann 2020 A B"),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (True, "true"),
        (None, "-"),
        (12, "12"),
        (1.5, "1.5"),
        (Decimal("12.50"), "12.50"),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "2026-03-01T09:30:00+00:00"),
        (Colour.RED, "red"),
        ([1, "é", None], '[1, "é", null]'),
        ((1, 2), "[1, 2]"),
        ({"b": 1, "a": [date(2026, 3, 1), Decimal("1.0")]}, '{"b": 1, "a": ["2026-03-01", "1.0"]}'),
        ({3, 1, 2}, "[1, 2, 3]"),
        (MappingProxyType({1: "x"}), '{"1": "x"}'),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("a/b"), "a/b"),
        (SecretStr("hunter2"), "**********"),
        (range(3), "[0, 1, 2]"),
    ],
)
def test_a_value_reads_the_way_people_and_json_write_it(value, expected) -> None:
    """Text as it is, nothing for None, JSON for lists and objects."""
    assert shown(value, "{{ value }}{{ '-' if value is none }}") == expected


class Endless:
    """An iterable that does not end."""

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1


_loop: list[object] = []
_loop.append(_loop)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff", "holds bytes: decode them first"),
        (float("nan"), "holds nan, which is not a number"),
        (Decimal("Infinity"), "holds Infinity, which is not a number"),
        ({"a": object()}, "holds an object, which has no plain form"),
        (Endless(), "holds an Endless, which has no plain form"),
        (_loop, "or contains itself"),
        (10**40, "more than 128 bits"),
        ({(1, 2): 3}, "has a tuple as a key: use text."),
        ({1: "a", "1": "b"}, "has two keys that read the same"),
        ("half a \ud83d", r"Input 'value' holds half a character \(a lone surrogate\)"),
        ({"deep": ["\udfff"]}, r"Input 'value' holds half a character \(a lone surrogate\)"),
    ],
)
def test_a_value_without_a_plain_form_is_refused(value, expected) -> None:
    """What cannot be sent as text is named before any call."""
    with pytest.raises(RenderError, match=expected):
        shown(value)


@pytest.mark.parametrize(
    ("declared", "fits", "does_not"),
    [
        ("str", ["", "x", Colour.RED], [1, None, ["x"]]),
        ("int", [0, -5], [1.5, True, "1", None]),
        ("float", [0, 1.5, Decimal("1.5")], [False, "1.5"]),
        ("bool", [True, False], [0, "true"]),
        (
            "date",
            [date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01", "2026-03-01T10:00"],
            ["soon", 5],
        ),
        ("list", [[], (1,), {1}], ["abc", {"a": 1}]),
        ("object", [{}, Passage("a", 1)], ["abc", [1]]),
        ("any", [None, 1, "x", []], [object()]),
    ],
)
def test_inputs_are_of_the_declared_type(declared, fits, does_not) -> None:
    """Nothing is converted silently, except a date from its ISO form."""
    version = prompt("Hi {{ value }}", f"value: {declared}")
    for value in fits:
        render(version, {"value": value})
    for value in does_not:
        with pytest.raises(RenderError, match=r"Prompt 'reply@v1' cannot be rendered\. Input 'value' "):
            render(version, {"value": value})


def test_missing_unknown_and_wrong_inputs_are_named_together() -> None:
    """One error tells everything about the inputs."""
    version = prompt("{{ ticket }}{{ limit }}{{ day }}", "ticket: str\n  limit: int\n  day: date")
    with pytest.raises(RenderError) as caught:
        render(version, {"tiket": "x", "limit": "3"})
    assert str(caught.value) == (
        "Prompt 'reply@v1' cannot be rendered. Input 'day' is missing: pass day=…. "
        "Input 'limit' is a str, but the prompt declares int. Input 'ticket' is missing: pass ticket=…. "
        "Input 'tiket' is not declared under 'inputs'. Did you mean 'ticket'?"
    )


def test_optional_inputs_may_be_left_out() -> None:
    """The default stands in; without one it is nothing."""
    version = prompt(
        "{{ tone }}{% if day %} {{ day }}{% endif %}",
        "tone: {type: str, default: kind, trusted: true}\n  day: {type: date, optional: true}",
    )
    assert render(version, {}).messages[-1].text == "kind"
    assert render(version, {"tone": None, "day": "2026-03-01"}).messages[-1].text == "kind 2026-03-01"


def test_an_input_longer_than_allowed_is_refused() -> None:
    """`max_chars` counts text, and the JSON of a list or object."""
    version = prompt("{{ a }}{{ b }}", "a: {type: str, max_chars: 3}\n  b: {type: list, max_chars: 8}")
    render(version, {"a": "abc", "b": [1, 2]})
    with pytest.raises(RenderError, match="'a' has 4 characters, but the prompt allows 3: shorten it"):
        render(version, {"a": "abcd", "b": []})
    with pytest.raises(RenderError, match="'b' has 9 characters"):
        render(version, {"a": "", "b": [1, 2, 3]})


def test_a_ticket_of_ten_megabytes_is_refused_with_advice() -> None:
    """No model reads it; the error says what to set."""
    with pytest.raises(RenderError, match=r"more than 4,000,000 characters\. Pass less, or set 'max_chars'"):
        render(prompt("{{ text }}", "text: str"), {"text": "x" * 10_000_000})


def test_a_missing_attribute_is_an_error_with_its_line() -> None:
    """The message names the place in the file and the nearest key, and no values."""
    version = prompt("Hello\n{{ ticket.txt }}", "ticket: object")
    with pytest.raises(RenderError) as caught:
        render(version, {"ticket": {"text": "private"}})
    assert str(caught.value) == (
        "Prompt 'reply@v1' cannot be rendered: prompts/reply/v1.md:7: an object has no 'txt'. "
        "Did you mean 'text'?"
    )


def test_a_missing_attribute_can_be_asked_for() -> None:
    """`is defined` and `default` work as in Jinja."""
    assert shown({}, "{{ value.a | default('none') }} {{ value.a is defined }}") == "none false"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{{ 'x' * value }}", r"v1\.md:6: '\*' works on numbers only"),
        ("{{ '%d' % value }}", "'%' works on numbers only"),
        (
            "{{ 1 / (value - value) }}",
            r"v1\.md:6: a value does not fit its filter or operator \(ZeroDivisionError\)",
        ),
        ("{{ value + 'x' }}", r"\(TypeError\)"),
        (
            "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
            "more than 100,000 times",
        ),
        ("{{ range(10000000) | list }}", r"\(OverflowError\)|Range too big"),
        ("{% for i in value %}{% endfor %}", r"\(TypeError\)"),
        ("{{ [1][5] }}", "a list or text has no item 5"),
        ("{{ value.year }}", "a number or date has no 'year'"),
        ("{{ [value] | map('nope') | list }}", "nope"),
        ("{% if value == 0 %}x{% endif %}", "the user section at line 6 came out empty"),
        ("{{ '\\ud800' }}", r"\(UnicodeEncodeError\)"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_explained(body, expected) -> None:
    """Work is bounded, and a fault names its line."""
    with pytest.raises(RenderError, match=expected):
        shown(7, body)


def test_a_template_with_too_many_blocks_in_one_another_is_a_prompt_error() -> None:
    """Python's limit on nested blocks is told in our words."""
    deep = "{% for x in [1] %}" * 25 + "x" + "{% endfor %}" * 25
    with pytest.raises(PromptError, match="nested too deeply"):
        shown(1, deep)


def test_an_empty_system_section_is_left_out() -> None:
    """A condition may leave no instruction; that is no fault."""
    text = "---\ninputs: {n: int}\n---\n# system\n{% if n %}Be kind.{% endif %}\n\n# user\nHi\n"
    version = parse(text, prompt_id="p", label="v1")
    assert render(version, {"n": 0}).messages == (("user", "Hi"),)
    assert render(version, {"n": 1}).messages == (("system", "Be kind."), ("user", "Hi"))


def test_turns_of_an_example_keep_their_order() -> None:
    """User and assistant sections become messages in the file's order."""
    version = parse("# user\nA\n# assistant\nB\n# user\nC\n", prompt_id="p", label="v1")
    assert render(version, {}).messages == (("user", "A"), ("assistant", "B"), ("user", "C"))


def test_blocks_on_lines_of_their_own_leave_no_blank_lines() -> None:
    """A template can be laid out for its reader."""
    assert shown([1, 2], "A\n  {% for x in value %}\n- {{ x }}\n  {% endfor %}\nB") == "A\n- 1\n- 2\nB"


_SCALARS = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("<{u \n'}é/") | st.dates() | st.decimals(-9, 9)
)


@given(value=_SCALARS | st.lists(_SCALARS, max_size=2), trusted=st.sampled_from(["true", "false"]))
def test_a_plain_section_reads_as_jinja_would_write_it(value, trusted) -> None:
    """Sections of texts and inputs alone are put together without Jinja; one block more, and they are not."""
    inputs = f"value: {{type: any, trusted: {trusted}}}"
    body = "A <b> {{ value }}, {{- value }}\n{# aside #}\n{{ value }}"
    plain, blocks = (prompt(text, inputs) for text in (body, f"{{% if true %}}{body}{{% endif %}}"))
    assert render(plain, {"value": value}).messages == render(blocks, {"value": value}).messages


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers() | st.text("xyz") | st.none(), max_size=6))
def test_the_inputs_hash_is_that_of_the_values(values) -> None:
    """Order does not change it; a value does."""
    values = {
        name: value for name, value in values.items() if not isinstance(value, int) or abs(value) < 2**127
    }
    version = prompt("Hi")
    turned = dict(reversed(values.items()))
    first = render(version, {"value": values})
    assert first == render(version, {"value": turned})
    assert first.inputs_hash != render(version, {"value": {**values, "g": 1}}).inputs_hash


def test_the_inputs_hash_tells_a_date_from_its_text() -> None:
    """The two are rendered differently, so they are different inputs."""
    version = prompt("{{ value }}", "value: any")
    hashes = {render(version, {"value": value}).inputs_hash for value in (date(2026, 3, 1), "2026-03-01")}
    assert len(hashes) == 2
