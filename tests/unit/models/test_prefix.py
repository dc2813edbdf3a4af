"""Which beginnings of requests come again, and are therefore worth keeping."""

import pytest

from roadworthy.models import Message
from roadworthy.models.providers.prefix import NO_MARKS, Marks, Prefixes

LONG = "Answer from the handbook only. " * 100


def asked(*texts: str, rules: str = LONG) -> tuple[Message, ...]:
    """Instructions, then turns of user and assistant."""
    turns = [Message(("user", "assistant")[at % 2], text) for at, text in enumerate(texts)]
    return (Message("system", rules), *turns)


@pytest.fixture
def prefixes():
    """The beginnings of a model that has not been asked yet."""
    return Prefixes(examples=True)


@pytest.mark.parametrize(("seconds", "marked"), [(0, True), (299, True), (300, False)])
def test_a_beginning_is_worth_keeping_when_it_comes_again_in_time(prefixes, seconds, marked):
    """The provider keeps it for five minutes."""
    assert prefixes.marks(asked("a"), 1000.0) == NO_MARKS
    assert prefixes.marks(asked("b"), 1000.0 + seconds) == Marks(instructions=marked)


def test_each_use_begins_the_five_minutes_anew(prefixes):
    """As at the provider."""
    prefixes.marks(asked("a"), 0.0)
    for minute in range(4, 20, 4):
        assert prefixes.marks(asked("b"), minute * 60.0).instructions


def test_examples_end_with_the_last_but_one_user(prefixes):
    """The last message is what is new; without examples there is nothing else to mark."""
    prefixes.marks(asked("a", "1", "b", "2", "new"), 0.0)

    assert prefixes.marks(asked("a", "1", "b", "2", "newer"), 1.0) == Marks(instructions=True, after=3)
    assert prefixes.marks(asked("other", "1", "b", "2", "newer"), 2.0) == Marks(instructions=True)


def test_examples_without_instructions_are_kept_too(prefixes):
    """Not every prompt has instructions."""
    for question in ("one", "two"):
        marks = prefixes.marks(
            (Message("user", LONG), Message("assistant", "1"), Message("user", question)), 0.0
        )

    assert marks == Marks(after=0)


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (Message("user", LONG),),
        asked("a", rules="Short."),
        asked("", "", "b", rules="Short."),
        asked("", "1", "b")[1:],
    ],
    ids=["nothing", "one question", "short", "empty examples", "an empty first message"],
)
def test_what_is_short_or_has_no_beginning_is_never_marked(prefixes, messages):
    """However often it comes."""
    assert [prefixes.marks(messages, 0.0) for _ in range(3)] == [NO_MARKS] * 3


def test_examples_are_left_alone_where_they_cannot_be_marked():
    """The instructions are marked all the same."""
    prefixes = Prefixes(examples=False)
    for question in ("one", "two"):
        marks = prefixes.marks(asked("a", "1", question), 0.0)

    assert marks == Marks(instructions=True)


def test_only_so_many_beginnings_are_noted(prefixes):
    """Prompts that never repeat do not fill the memory; what was used longest ago is forgotten."""
    prefixes.marks(asked("a"), 0.0)
    for number in range(600):
        prefixes.marks(asked("a", rules=f"{number} {LONG}"), 0.0)

    assert len(prefixes._used) == 512
    assert prefixes.marks(asked("b"), 1.0) == NO_MARKS
