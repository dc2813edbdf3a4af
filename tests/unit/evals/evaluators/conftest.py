"""Evaluators as a suite builds them, and what they say of one outcome."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from roadworthy.evals import Case, Evaluator, Outcome, Score
from roadworthy.evals.evaluator import Workshop
from roadworthy.evals.evaluators import EvaluatorSettings

_SETTINGS = TypeAdapter(EvaluatorSettings)


async def _nobody(prompt: str, inputs: Mapping[str, Any], repeat: int) -> Outcome:
    raise AssertionError(prompt)


def build(workshop: Workshop | None = None, **settings: Any) -> Evaluator:
    """The evaluator of these settings."""
    made = workshop or Workshop(functions={}, ask=_nobody, digest_of=lambda prompt: prompt)
    return _SETTINGS.validate_python(settings).build(made)


def case_of(expected: Any = None, tags: tuple[str, ...] = (), inputs: dict[str, Any] | None = None) -> Case:
    """A case that expects this."""
    return Case("c-1", inputs or {}, expected, tags)


def say(evaluator: Evaluator, output: Any, case: Case | None = None, **outcome: Any) -> Score:
    """What an evaluator that needs no waiting says of an output."""
    said = evaluator.score(case or case_of(), Outcome(output=output, **outcome))
    assert not inspect.isawaitable(said)
    return said


@pytest.fixture(name="build")
def build_fixture() -> Callable[..., Evaluator]:
    """`build`, for tests."""
    return build


@pytest.fixture(name="case_of")
def case_of_fixture() -> Callable[..., Case]:
    """`case_of`, for tests."""
    return case_of


@pytest.fixture(name="say")
def say_fixture() -> Callable[..., Score]:
    """`say`, for tests."""
    return say
