"""Evaluators of pydantic-evals in a suite: theirs and a project's, what they see, and what they return."""

import sys
from decimal import Decimal
from threading import current_thread, main_thread

import pytest

from roadworthy.errors import ConfigurationError
from roadworthy.evals import Case, Outcome
from roadworthy.evals.evaluator import Workshop
from roadworthy.records import Usage

MODULE = """
import asyncio
from dataclasses import dataclass
from threading import current_thread
from typing import Any

import numpy as np
from pydantic_evals.evaluators import EvaluationReason, Evaluator, LLMJudge

seen = []


@dataclass
class Says(Evaluator):
    what: Any = None

    def evaluate(self, ctx):
        seen.append((ctx, current_thread()))
        if self.what == "numpy":
            return np.bool_(False)
        if self.what == "several":
            return {"grounded": EvaluationReason(False, "no source"), "tone": "kind", "depth": 0.5}
        if self.what == "reason":
            return EvaluationReason(0.25, "half of a half")
        return self.what


@dataclass
class Waits(Evaluator):
    async def evaluate(self, ctx):
        await asyncio.sleep(0)
        return EvaluationReason(ctx.output == ctx.expected_output, "it waited")


class Spans(Evaluator):
    def evaluate(self, ctx):
        return len(ctx.span_tree) > 0


class Mine(LLMJudge):
    pass


class Nothing:
    pass
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The project's module, as its code imports it."""
    folder = tmp_path / "evals" / "letters"
    folder.mkdir(parents=True)
    (tmp_path / "grading.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "grading", raising=False)
    yield tmp_path / "grading.py"
    sys.modules.pop("grading", None)


@pytest.fixture
def made(build, module):
    """The evaluator of these settings, in a suite of the project."""

    async def ask(*_):
        raise AssertionError

    shop = Workshop({}, ask, str, suite="letters", folder=module.parent / "evals" / "letters")
    return lambda evaluator, **settings: build(shop, kind="pydantic-evals", evaluator=evaluator, **settings)


@pytest.mark.parametrize(
    ("evaluator", "options", "output", "passed"),
    [
        ("Equals", {"value": 3}, 3, True),
        ("Equals", {"value": 3}, 4, False),
        ("EqualsExpected", {}, "Paris", True),
        ("EqualsExpected", {}, "Rome", False),
        ("Contains", {"value": {"a": 1}}, {"a": 1, "b": 2}, True),
        ("Contains", {"value": "x"}, ["y"], False),
        ("IsInstance", {"type_name": "dict"}, {}, True),
        ("IsInstance", {"type_name": "dict"}, "text", False),
        ("MaxDuration", {"seconds": 2}, None, True),
        ("MaxDuration", {"seconds": 1}, None, False),
    ],
)
async def test_theirs_are_named_as_they_are_there(made, case_of, evaluator, options, output, passed):
    """With their options, on what our targets answer."""
    its = made(evaluator, options=options)
    said = await its.score(case_of("Paris"), Outcome(output=output, latency_seconds=1.5))
    assert (said.passed, said.evaluator, said.error) == (passed, evaluator, False)


@pytest.mark.parametrize(
    ("what", "settings", "passed", "value", "label", "reason"),
    [
        (True, {}, True, None, "", ""),
        ("numpy", {}, False, None, "", ""),
        (7, {}, None, 7.0, "", ""),
        (7, {"at_least": 8}, False, 7.0, "", "7, at least 8 is asked for"),
        ("reason", {"at_least": 0.25}, True, 0.25, "", "half of a half"),
        ("rude", {}, None, None, "rude", ""),
        ("Kind", {"passing": ["kind"]}, True, None, "Kind", ""),
        ("rude", {"passing": ["kind"]}, False, None, "rude", ""),
        ("several", {}, False, 0.5, "", "grounded: no (no source); tone: kind; depth: 0.5"),
        ({}, {}, None, None, "", ""),
        ({"a": True, "b": "word"}, {}, True, None, "", "a: yes; b: word"),
    ],
)
async def test_what_they_return_is_one_score(made, case_of, what, settings, passed, value, label, reason):
    """Bools decide, numbers are values, texts are labels; of several all that decide have to say yes."""
    said = await made("grading:Says", options={"what": what}, **settings).score(case_of(), Outcome(output=1))
    assert (said.passed, said.value, said.label, said.reason, said.error) == (
        passed,
        value,
        label,
        reason,
        False,
    )


@pytest.mark.parametrize("what", [None, [1]])
async def test_what_is_no_result_is_an_error(made, case_of, what):
    """Its words say what would be one."""
    said = await made("grading:Says", options={"what": what}).score(case_of(), Outcome(output=1))
    assert said.error
    assert "a bool, a finite number or a text is a result" in said.reason


async def test_the_context_is_the_case_and_its_outcome(made):
    """Tags, source and note are metadata, cost and tokens are metrics, and a field is looked at."""
    case = Case("c-7", {"text": "Hi"}, {"queue": "a"}, ("edge",), source="run_1")
    outcome = Outcome({"queue": "b"}, cost_usd=Decimal("0.5"), latency_seconds=2.5, usage=Usage(10, 5))
    await made("grading:Says", field="queue", options={"what": True}).score(case, outcome)
    context, thread = sys.modules["grading"].seen[-1]
    assert (context.name, context.inputs, context.output, context.expected_output) == (
        "c-7",
        {"text": "Hi"},
        "b",
        "a",
    )
    assert context.metadata == {"tags": ["edge"], "source": "run_1"}
    assert context.metrics == {"cost": 0.5, "input_tokens": 10, "output_tokens": 5}
    assert (context.duration, context.attributes) == (2.5, {})
    assert thread is not main_thread()
    assert current_thread() is main_thread()


async def test_one_that_waits_and_one_that_looks_at_spans(made, case_of):
    """The one is awaited, the other is told that there are none."""
    waited = await made("grading:Waits").score(case_of(1), Outcome(output=1))
    assert (waited.passed, waited.reason) == (True, "it waited")
    said = await made("grading:Spans").score(case_of(), Outcome(output=1))
    assert said.error
    assert said.reason == "SpanTreeRecordingError: Roadworthy records no spans for evaluators"


@pytest.mark.parametrize(
    ("evaluator", "options", "words"),
    [
        ("Equal", {}, "no evaluator of pydantic-evals.*Did you mean 'Equals'"),
        ("Evaluator", {}, "no evaluator of pydantic-evals"),
        ("Equals", {"wert": 1}, "cannot be made of its options"),
        ("LLMJudge", {"rubric": "kind"}, 'past the project.*kind = "judge"'),
        ("grading:Mine", {"rubric": "kind"}, "past the project"),
        ("MaxToolCalls", {"max_calls": 1}, 'looks at spans.*kind = "acts"'),
        ("grading:Nothing", {}, "no evaluator of pydantic-evals"),
        ("grading:Missing", {}, "'grading:Missing' cannot be imported"),
        (":Nothing", {}, "cannot be imported"),
    ],
)
def test_what_cannot_judge_is_refused_before_anything_is_asked(made, evaluator, options, words):
    """In words that say what to do."""
    with pytest.raises(ConfigurationError, match=f"(?s)letters/suite.toml.*{words}"):
        made(evaluator, options=options)


def test_without_the_package_the_error_says_what_to_install(made, monkeypatch):
    """Only a suite that names such an evaluator needs it."""
    for name in [one for one in sys.modules if one.partition(".")[0] == "pydantic_evals"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic_evals", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'roadworthy\[pydantic-evals\]'"):
        made("Equals", options={"value": 1})


def test_another_code_is_another_version(made, module, monkeypatch):
    """So that a suite with it has changed; options count as well."""
    before = made("grading:Says")
    assert made("grading:Says").version == before.version
    assert made("grading:Says", options={"what": 1}).version != before.version
    module.write_text(MODULE + "\n\ndef helps():\n    return 1\n")
    monkeypatch.delitem(sys.modules, "grading")
    assert made("grading:Says").version != before.version
