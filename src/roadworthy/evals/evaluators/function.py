"""`python`: a function of the project, declared with `@app.evaluator`, judges.

    @app.evaluator
    def polite(output, case):
        return "no greeting" if "Dear" not in output["message"] else True

It takes what it names of `output`, `expected`, `inputs`, `case` and `outcome`. It returns true or false, a
text that says why not (none, or an empty one, is a yes), a number from 0 to 1, a pair of a yes or no and a
reason, or a `Score`. A synchronous one runs in a thread.
"""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any, Literal, cast

from roadworthy.calls.rules import code_version
from roadworthy.errors import ConfigurationError, did_you_mean
from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Common, Share
from roadworthy.evals.evaluators.values import MISSING, found, readable, shown
from roadworthy.evals.target import Outcome
from roadworthy.settings.rules import Name

TAKES = ("output", "expected", "inputs", "case", "outcome")
"""What a function can ask for, by name."""
_PAIR = 2


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """What of `TAKES` a function takes. Raises `ConfigurationError` when it needs anything else."""
    name = getattr(function, "__name__", "evaluator")
    declared = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in declared):
        return TAKES
    for one in declared:
        needed = one.default is one.empty and one.kind is not one.VAR_POSITIONAL
        if one.kind is one.POSITIONAL_ONLY or (one.name not in TAKES and needed):
            raise ConfigurationError(
                f"The evaluator {name!r} takes {one.name!r}.",
                hint=f"An evaluator takes, by name, what it needs of {', '.join(TAKES)}.",
            )
    return tuple(one.name for one in declared if one.name in TAKES)


class PythonSettings(Common):
    """`kind = "python"`: a function of the project, declared with `@app.evaluator`, judges."""

    kind: Literal["python"]
    """Which evaluator."""
    function: Name
    """Its name."""
    at_least: Share | None = None
    """From which number on it passes, 0 to 1. Left out, a number is told and nothing is decided."""

    @property
    def title(self) -> str:
        """How reports call it."""
        return self.name or self.function

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings. Raises `ConfigurationError` when there is no such function."""
        function = workshop.functions.get(self.function)
        if function is None:
            raise ConfigurationError(
                f"There is no evaluator function {self.function!r}.",
                hint=did_you_mean(self.function, workshop.functions)
                or "Declare it in the project's code with @app.evaluator.",
            )
        return _Function(self, function)


class _Function(Plain[PythonSettings]):
    def __init__(self, settings: PythonSettings, function: Callable[..., Any]) -> None:
        super().__init__(settings, made_of=code_version(function))
        self._function = function
        self._takes = parameters(function)
        self._is_async = inspect.iscoroutinefunction(function)

    async def score(self, case: Case, outcome: Outcome) -> Score:
        output = found(outcome.output, self.settings.field)
        if output is MISSING:
            return self.no("there is nothing")
        offered = {
            "output": output,
            "expected": case.expected,
            "inputs": case.inputs,
            "case": case,
            "outcome": outcome,
        }
        given = {name: offered[name] for name in self._takes}
        try:
            if self._is_async:
                said = await self._function(**given)
            else:
                said = await asyncio.to_thread(self._function, **given)
                if inspect.isawaitable(said):
                    said = await said
            return self._score(said)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever code does, other cases go on
            return self.cannot(f"{type(error).__name__}: {readable(str(error))}")

    def _score(self, said: Any) -> Score:
        """What was returned, as a score."""
        if isinstance(said, Score):
            informs = said.informs or not self.blocks
            return replace(said, evaluator=self.name, reason=readable(said.reason), informs=informs)
        reason = ""
        pair = cast("tuple[Any, ...]", said) if isinstance(said, tuple) else ()
        if len(pair) == _PAIR:
            reason = "" if pair[1] is None else readable(str(pair[1]))
        value = cast("object", pair[0] if len(pair) == _PAIR else said)
        if value is None or isinstance(value, str):
            return self.no(readable(value)) if value else self.yes(reason=reason)
        if isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}:  # NumPy's is no bool
            return self.yes(reason=reason) if value else self.no(reason)
        if isinstance(value, Real) and 0 <= float(value) <= 1:
            return self.rated(float(value), self.settings.at_least, reason)
        usable = "return true, false, a number from 0 to 1, or a reason"
        return self.cannot(f"it returned {shown(value)}: {usable}")
