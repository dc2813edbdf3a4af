"""Functions of a project as evaluators: what they take, what they return, and what goes wrong with them."""

import sys
from functools import wraps

import numpy as np
import pytest

from roadworthy import App
from roadworthy.errors import ConfigurationError
from roadworthy.evals import Outcome, Score
from roadworthy.evals.evaluator import Workshop


async def _ask(*_):
    raise AssertionError


@pytest.fixture
def made(build):
    """The evaluator around a function."""

    def make(function, **settings):
        shop = Workshop(functions={"mine": function}, ask=_ask, digest_of=str)
        return build(shop, kind="python", function="mine", **settings)

    return make


@pytest.mark.parametrize(
    ("returned", "passed", "value", "reason"),
    [
        (True, True, None, ""),
        (False, False, None, ""),
        (None, True, None, ""),
        ("", True, None, ""),
        ("too rude", False, None, "too rude"),
        ((False, "why"), False, None, "why"),
        ((True, None), True, None, ""),
        (np.bool_(False), False, None, ""),
        (0.25, None, 0.25, ""),
        (np.float32(0.5), None, 0.5, ""),
        ((1, "fine"), None, 1.0, "fine"),
        ("half \ud800\0", False, None, "half ?"),
        (Score("other", passed=False, category="tone", reason="why"), False, None, "why"),
    ],
)
async def test_what_a_function_returns(made, case_of, returned, passed, value, reason):
    """Yes and no, a number, a reason, a pair, or a whole score."""
    said = await made(lambda output: returned).score(case_of(), Outcome(output="x"))
    assert (said.passed, said.value, said.reason, said.error) == (passed, value, reason, False)
    assert said.evaluator == "mine"


@pytest.mark.parametrize("returned", [float("nan"), 7, -0.1, {}, (1, 2, 3), 1j])
async def test_what_nobody_can_use_is_an_error(made, case_of, returned):
    """Its words say what could be used."""
    said = await made(lambda: returned).score(case_of(), Outcome(output="x"))
    assert said.error
    assert "return true, false" in said.reason


async def test_a_number_decides_where_there_is_a_least_one(made, case_of):
    """From there on it passes."""
    passing, failing = made(lambda: 0.5, at_least=0.5), made(lambda: 0.49, at_least=0.5)
    assert (await passing.score(case_of(), Outcome())).passed is True
    assert (await failing.score(case_of(), Outcome())).passed is False


async def test_a_function_takes_what_it_names(made, case_of):
    """In any order, synchronous or not; defaults of its own stay."""

    async def everything(case, outcome, expected, inputs, output, limit=3):
        return (case.id, outcome.rung, expected, inputs, output, limit) == (
            "c-1",
            "model",
            "e",
            {"a": 1},
            "o",
            3,
        )

    def some(**given):
        return sorted(given) == ["case", "expected", "inputs", "outcome", "output"]

    case, outcome = case_of("e", inputs={"a": 1}), Outcome(output={"o": "o"}, rung="model")
    assert (await made(everything, field="o").score(case, outcome)).passed
    assert (await made(some).score(case, outcome)).passed


async def test_a_function_that_raises_has_not_judged(made, case_of):
    """The run goes on, and the score says what was raised."""

    def broken(output):
        return output["x"]

    said = await made(broken).score(case_of(), Outcome(output={}))
    assert (said.error, said.passed, said.reason) == (True, None, "KeyError: 'x'")
    ends = await made(lambda output: sys.exit(3)).score(case_of(), Outcome(output={}))
    assert (ends.error, ends.reason) == (True, "SystemExit: 3")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda output, answer: True, "takes 'answer'"),
        (lambda output, /: True, "takes 'output'"),
    ],
)
def test_a_function_that_takes_anything_else_is_refused(made, function, words):
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match=words):
        made(function)


def test_a_function_that_is_not_there(build):
    """The nearest name is told."""
    shop = Workshop(functions={"polite": bool}, ask=_ask, digest_of=str)
    with pytest.raises(ConfigurationError, match="Did you mean 'polite'"):
        build(shop, kind="python", function="polit")


def test_a_version_is_the_code(made):
    """Also that of functions inside, of defaults, and behind a decorator."""

    def first(output):
        return any(one == "a" for one in output)

    def inner(output):
        return any(one == "b" for one in output)

    def default(output, limit=1):
        return len(output) < limit

    def other_default(output, limit=2):
        return len(output) < limit

    def decorated(function):
        @wraps(function)
        def call(output):
            return function(output)

        return call

    versions = [
        made(one).version
        for one in (first, inner, default, other_default, decorated(first), decorated(inner))
    ]
    assert versions[0] == versions[4]
    assert versions[1] == versions[5]
    assert len(set(versions)) == 4


@pytest.fixture
def app(tmp_path):
    """An empty project."""
    (tmp_path / "roadworthy.toml").write_text("")
    (tmp_path / "prompts").mkdir()
    return App.load(tmp_path)


def test_a_project_declares_its_evaluators(app):
    """By the function's own name or another one; the function stays what it was."""

    @app.evaluator
    def polite(output):
        return "Dear" in output

    @app.evaluator(name="rude")
    def other(output):
        return not polite(output)

    assert dict(app.evaluators) == {"polite": polite, "rude": other}
    assert polite("Dear you")


def test_two_evaluators_of_one_name_are_refused(app):
    """Also one that takes what no evaluator is given."""
    app.evaluator(name="polite")(lambda output: True)
    with pytest.raises(ConfigurationError, match="two evaluators named 'polite'"):
        app.evaluator(name="polite")(lambda output: False)
    with pytest.raises(ConfigurationError, match="takes 'answer'"):
        app.evaluator(lambda answer: True)
