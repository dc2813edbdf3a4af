"""The question to a person: what it keeps of a call, and which answers it takes."""

from pathlib import Path

import pytest

from roadworthy.calls.attempt import Attempt
from roadworthy.errors import ErrorKind, InvalidAnswer, ProviderError
from roadworthy.models import Message, Models, Request, Response
from roadworthy.records import Usage
from roadworthy.review import Question, Said
from roadworthy.settings import Settings
from roadworthy.testing import FakeClock

SCHEMA = {"type": "object", "properties": {"share": {"type": "number"}}, "required": ["share"]}


@pytest.fixture
def attempt():
    """An attempt under way."""
    model = {"provider": "openai-compatible", "model": "m", "base_url": "http://127.0.0.1:9"}
    models = Models(Settings.model_validate({"root": Path("/"), "models": {"main": model}}))
    request = Request((Message("user", "hello"),), timeout_seconds=5)
    return Attempt(1, "first", models.target("main"), request, FakeClock())


def question(*attempts: Attempt) -> Question:
    """About a share of something."""
    return Question.of(
        messages=[("user", "Which share?")],
        inputs={"of": "it"},
        schema=SCHEMA,
        attempts=attempts,
        scrub=lambda text: text.replace("sk-123", "[redacted]"),
    )


def test_an_invalid_answer_is_shown_with_what_was_wrong(attempt):
    """The person sees what the model said, and why it did not do."""
    attempt.answered(Response("half", Usage(1, 1), "m", "stop", None, {}, {}))
    attempt.failed(InvalidAnswer("The answer is not JSON."))
    assert question(attempt).said == (
        Said("main", "invalid", "half", "invalid_answer", "The answer is not JSON."),
    )


def test_a_failure_is_shown_without_secrets(attempt):
    """Its words may quote a key; nobody sees it."""
    attempt.failed(ProviderError("The key sk-123 is wrong.", kind=ErrorKind.AUTHENTICATION))
    assert question(attempt).said == (
        Said("main", "failed", None, "authentication", "The key [redacted] is wrong."),
    )


def test_a_question_comes_back_as_it_was_stored(attempt):
    """Messages, inputs, schema and what was said."""
    attempt.failed(ProviderError("Down.", kind=ErrorKind.UNAVAILABLE))
    asked = question(attempt)
    assert Question.from_json(asked.as_json()) == asked


def test_characters_that_no_database_takes_do_not_keep_a_question_from_being_asked():
    """A model's half characters are replaced."""
    asked = Question((("user", "a\ud800b"),), {"x": "\udfff"}, None, (Said("m", "invalid", "\ud83d"),))
    stored = asked.as_json()
    assert stored["messages"] == [{"role": "user", "text": "a?b"}]
    assert stored["inputs"] == {"x": "?"}
    assert stored["said"][0]["text"] == "?"


@pytest.mark.parametrize(
    ("schema", "answer", "faults"),
    [
        (SCHEMA, {"share": 0.5}, []),
        (SCHEMA, {"share": "half"}, ["share: must be a number"]),
        (SCHEMA, "half", ["the answer: must be an object"]),
        (None, "half", []),
        (None, {"share": 0.5}, ["the answer must be text"]),
        (None, " \n", ["the answer is empty"]),
    ],
)
def test_an_answer_has_the_form_that_was_asked_for(schema, answer, faults):
    """An object where there is a schema, and text that says something where there is none."""
    assert Question((), None, schema).faults(answer) == faults
