"""What code says of a call: before a model is asked, about its answer, and instead of one.

    rule        answers before any model is asked, or declines with None: the cheapest call is none
    check       says what is wrong with an answer; one that fails is repaired, escalated or refused
    signal      how sure one may be of an answer, 0 to 1, by one measure
    fallback    answers when no model did

They are functions of the project, registered on a prompt, and take those of the prompt's inputs that they
name. Synchronous ones run in a thread.
"""

import asyncio
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

from roadworthy.errors import ConfigurationError

SELF_REPORT = "self_report"
"""The signal that is the answer's own word: its field `confidence`."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the project with the inputs that it takes."""

    name: str
    function: Callable[..., Any]
    takes: frozenset[str] | None
    """Names of inputs; None takes all of them."""
    version: str
    """Changes with the function's code."""

    async def __call__(self, *answer: object, inputs: Mapping[str, Any]) -> Any:
        """Call it with what it takes."""
        given = inputs if self.takes is None else {k: v for k, v in inputs.items() if k in self.takes}
        if inspect.iscoroutinefunction(self.function):
            return await self.function(*answer, **given)
        return await asyncio.to_thread(self.function, *answer, **given)


def function_of(function: Callable[..., Any], *, answers: int, inputs: frozenset[str], what: str) -> Function:
    """A function of the project, checked against the prompt's inputs.

    Raises:
        ConfigurationError: It takes something that is no input of the prompt.
    """
    name = getattr(function, "__name__", what)
    parameters = list(inspect.signature(function).parameters.values())
    own, takes = parameters[:answers], parameters[answers:]
    if len(own) < answers or any(one.kind is one.KEYWORD_ONLY for one in own):
        raise ConfigurationError(
            f"The {what} {name!r} takes no answer.", hint="Give it the answer as its first parameter."
        )
    if any(one.kind is one.VAR_KEYWORD for one in takes):
        return Function(name, function, None, code_version(function))
    unknown = [one.name for one in takes if one.name not in inputs and one.default is one.empty]
    if unknown:
        raise ConfigurationError(
            f"The {what} {name!r} takes {unknown[0]!r}, which is no input of the prompt.",
            hint=f"Its inputs are {', '.join(sorted(inputs))}.",
        )
    return Function(name, function, frozenset(one.name for one in takes) & inputs, code_version(function))


def code_version(function: Callable[..., Any]) -> str:
    """A digest of the function's own code, with the functions inside it; what it calls may change unseen.

    It is of the source, which is the same under every version of Python; of what was compiled where there is
    no source.
    """
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        return repr(type(function))
    try:
        parts = textwrap.dedent(inspect.getsource(inner)).strip()
    except (OSError, TypeError, SyntaxError):
        parts = repr((_parts(code), getattr(inner, "__defaults__", None)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _parts(code: CodeType) -> tuple[Any, ...]:
    constants = [_parts(one) if inspect.iscode(one) else _constant(one) for one in code.co_consts]
    return code.co_code, code.co_names, constants


def _constant(value: object) -> str:
    """The same in every process: sets are told in order."""
    if isinstance(value, frozenset):
        return repr(sorted(map(repr, cast("frozenset[object]", value))))
    return repr(value)


@dataclass(frozen=True, slots=True)
class Rules:
    """The functions of one prompt."""

    before: tuple[Function, ...] = ()
    checks: tuple[Function, ...] = ()
    signals: tuple[Function, ...] = ()
    fallback: Function | None = None

    @property
    def policy(self) -> str:
        """Changes when other checks decide what an answer may be."""
        return ",".join(check.version for check in self.checks)

    async def faults(self, value: object, inputs: Mapping[str, Any]) -> list[str]:
        """What the checks find wrong with an answer. A check that cannot be made is not passed."""
        found: list[str] = []
        for check in self.checks:
            try:
                said = await check(value, inputs=inputs)
            except Exception as error:  # noqa: BLE001 - a check that stumbles over an answer has not passed it
                found.append(f"check {check.name!r} could not be made ({type(error).__name__})")
                continue
            if isinstance(said, str) and said:
                found.append(said)
            elif said is False:
                found.append(f"check {check.name!r} failed")
        return found

    async def confidence(self, value: object, inputs: Mapping[str, Any]) -> dict[str, float]:
        """How sure one may be of an answer by each signal, 0 to 1; a signal that fails says 0."""
        said: dict[str, float] = {}
        own = getattr(value, "confidence", None)
        if isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own <= 1:
            said[SELF_REPORT] = float(own)  # anything else, such as 95, is on a scale that nobody knows
        for signal in self.signals:
            try:
                said[signal.name] = _within(float(await signal(value, inputs=inputs)))
            except Exception:  # noqa: BLE001 - no reason to be sure
                said[signal.name] = 0.0
        return said


def _within(score: float) -> float:
    return min(1.0, max(0.0, score)) if score == score else 0.0  # noqa: PLR0124 - NaN is not itself
