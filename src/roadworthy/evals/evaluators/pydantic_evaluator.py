"""`pydantic-evals`: an evaluator written for pydantic-evals judges, one of its own or a class of the project.

It sees the case and the outcome as its `EvaluatorContext`: output and expectation as JSON, tags, source and
note as metadata, cost and tokens as metrics. No spans are recorded, which its `span_tree` says. What it
returns becomes one score: a bool decides, a number is a value, a text is a label; of several results each is
told, and the case passes when all that decide say yes. A synchronous one runs in a thread.
"""

import asyncio
import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from numbers import Real
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from roadworthy.errors import ConfigurationError, did_you_mean
from roadworthy.evals.case import Case, digest
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Characters, Common, Value
from roadworthy.evals.evaluators.values import MISSING, found, readable, shown
from roadworthy.evals.named import code_of, named
from roadworthy.evals.target import Outcome
from roadworthy.settings.rules import Text

ASK_MODELS = ("LLMJudge", "GEval")
"""Of theirs, those that would ask a model by themselves, past routes, budgets and records."""
NEED_SPANS = (
    "HasMatchingSpan",
    "ToolCorrectness",
    "TrajectoryMatch",
    "ArgumentCorrectness",
    "MaxToolCalls",
    "MaxModelRequests",
)
"""Of theirs, those that look at spans; some would take their absence for a failure."""
_NO_SPANS = "Roadworthy records no spans for evaluators"
_NOT_THE_PROJECT_S = frozenset({"pydantic_evals", "builtins", "typing", "abc"})


class PydanticEvalsSettings(Common):
    """`kind = "pydantic-evals"`: an evaluator that was written for pydantic-evals judges.

    Where there is a `field`, output and expectation are what stands there.
    """

    kind: Literal["pydantic-evals"]
    """Which evaluator."""
    evaluator: Text
    """Its name there, such as `IsInstance`, or a class of the project as `module:Class`."""
    options: dict[str, Value] = Field(default_factory=dict[str, Value])
    """What it is made with, by name."""
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """From which number on it passes. Left out, a number is told and nothing is decided."""
    passing: list[Characters] = Field(default_factory=list[str])
    """Labels that pass, in any capital letters. Empty: a label is told and nothing is decided."""

    @property
    def title(self) -> str:
        """How reports call it."""
        its = self.evaluator.rpartition(":")[2]
        return self.name or (f"{its} {self.field}" if self.field else its)

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings. Raises `ConfigurationError` where there is no such evaluator."""
        its = _class_of(self.evaluator, workshop)
        try:
            return _Theirs(self, its(**self.options))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{workshop.suite}/suite.toml: {self.evaluator!r} cannot be made of its options: {error}."
            ) from error


def _class_of(name: str, workshop: Workshop) -> type[Any]:
    where = f"{workshop.suite}/suite.toml"
    try:
        from pydantic_evals import evaluators as theirs
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{where}: {name!r} is an evaluator of pydantic-evals, which is not installed.",
            hint="Run: pip install 'roadworthy[pydantic-evals]'; or, where pip finds no version that fits, "
            "pip install --no-deps pydantic-evals.",
        ) from error
    every = {one: its for one in theirs.__all__ if _is_a(theirs.Evaluator, its := getattr(theirs, one))}
    root = workshop.folder.parent.parent
    its: Any = named(name, root, workshop.suite) if ":" in name else every.get(name)
    asking, spans = (tuple(every.pop(one) for one in names) for names in (ASK_MODELS, NEED_SPANS))
    if not _is_a(theirs.Evaluator, its):
        raise ConfigurationError(
            f"{where}: {name!r} is no evaluator of pydantic-evals.",
            hint=did_you_mean(name, every) or f"Name one of {', '.join(every)}, or a class as module:Class.",
        )
    if issubclass(its, asking):
        raise ConfigurationError(
            f"{where}: {name!r} would ask a model past the project's routes and budgets.",
            hint='Write what it asks as a prompt of the project, which then judges: kind = "judge".',
        )
    if issubclass(its, spans):
        raise ConfigurationError(
            f"{where}: {name!r} looks at spans, and none are recorded for evaluators.",
            hint='What a workflow does is judged by kind = "acts".',
        )
    return its


def _is_a(base: type, its: Any) -> bool:
    return isinstance(its, type) and issubclass(its, base) and its is not base


def _made_of(its: Any) -> str:
    """Changes with its code in the project, the version of theirs, and the version that it tells."""
    told = [version("pydantic-evals"), its.get_evaluator_version(), *map(code_of, _own(its))]
    return digest(told)[:16]


def _own(its: object) -> list[type[Any]]:
    """The project's classes that it is made of."""
    return [one for one in type(its).__mro__ if one.__module__.partition(".")[0] not in _NOT_THE_PROJECT_S]


class _Theirs(Plain[PydanticEvalsSettings]):
    def __init__(self, settings: PydanticEvalsSettings, its: Any) -> None:
        super().__init__(settings, made_of=_made_of(its))
        self._its = its
        # Some define `evaluate_async` themselves, so as not to block.
        self._waits = any("evaluate_async" in vars(one) for one in _own(its)) or inspect.iscoroutinefunction(
            its.evaluate
        )

    async def score(self, case: Case, outcome: Outcome) -> Score:
        output = found(outcome.output, self.settings.field)
        if output is MISSING:
            return self.no("there is nothing")
        context = self._context(case, outcome, output)
        try:
            if self._waits:
                return self._scored(await self._its.evaluate_async(context))
            said = await asyncio.to_thread(self._its.evaluate, context)
            return self._scored(await said if inspect.isawaitable(said) else said)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever foreign code does, other cases go on
            return self.cannot(f"{type(error).__name__}: {readable(str(error))}")

    def _context(self, case: Case, outcome: Outcome, output: Any) -> Any:
        """The case and the outcome as these evaluators know them."""
        from pydantic_evals.evaluators import EvaluatorContext
        from pydantic_evals.otel import SpanTreeRecordingError

        expected = found(case.expected, self.settings.field)
        metrics = {
            "cost": float(outcome.cost_usd),
            "input_tokens": outcome.usage.input_tokens,
            "output_tokens": outcome.usage.output_tokens,
        }
        return EvaluatorContext[Any, Any, Any](
            name=case.id,
            inputs=case.inputs,
            metadata=case.metadata or None,
            expected_output=None if expected is MISSING else expected,
            output=output,
            duration=outcome.latency_seconds,
            _span_tree=SpanTreeRecordingError(_NO_SPANS),
            attributes={},
            metrics={name: value for name, value in metrics.items() if value},
        )

    def _scored(self, said: Any) -> Score:
        """What was returned, as one score."""
        if not isinstance(said, Mapping):
            return self._one(said)
        scores = {str(name): self._one(its) for name, its in cast("Mapping[Any, Any]", said).items()}
        if wrong := next((its for its in scores.values() if its.error), None):
            return wrong
        told = readable("; ".join(f"{name}: {_told(its)}" for name, its in scores.items()))
        values = [its.value for its in scores.values() if its.value is not None]
        value = values[0] if len(values) == 1 else None
        no = next((name for name, its in scores.items() if its.passed is False), None)
        if no is not None:
            return self.no(told, value=value, category=no)
        decides = any(its.passed for its in scores.values())
        return self.yes(value, told) if decides else self.says(value, told)

    def _one(self, said: Any) -> Score:
        """One result: a yes or no, a number or a label, perhaps with its reason."""
        from pydantic_evals.evaluators import EvaluationReason

        reason = ""
        if isinstance(said, EvaluationReason):
            said, reason = cast("object", said.value), readable(said.reason or "")
        if isinstance(said, bool) or type(said).__name__ in {"bool", "bool_"}:  # NumPy's is no bool
            return self.yes(reason=reason) if said else self.no(reason)
        if isinstance(said, Real) and math.isfinite(said):
            return self.rated(float(said), self.settings.at_least, reason)
        if isinstance(said, str):
            return self._labelled(readable(said), reason)
        return self.cannot(f"it returned {shown(said)}: a bool, a finite number or a text is a result")

    def _labelled(self, label: str, reason: str) -> Score:
        passing = {one.casefold() for one in self.settings.passing}
        if not passing:
            return self.says(reason=reason, label=label)
        score = self.yes(reason=reason) if label.casefold() in passing else self.no(reason, category=label)
        return replace(score, label=label)


def _told(score: Score) -> str:
    """One of several results, for people."""
    said = {True: "yes", False: "no"}.get(score.passed) if score.passed is not None else ""
    what = score.label or (f"{score.value:.3g}" if score.value is not None else said)
    return f"{what} ({score.reason})" if score.reason else str(what)
