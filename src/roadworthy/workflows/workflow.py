"""Workflows: ordinary async functions whose steps are checkpointed. `skip` ends one early, by a rule."""

import ast
import functools
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, cast

from roadworthy.errors import ConfigurationError
from roadworthy.workflows.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Skipped:
    """What `skip` returns; the run ends as skipped, for this reason."""

    reason: str


def skip(reason: str) -> Any:
    """Return this from a workflow when a rule decided that there is nothing to do.

    It is typed as `Any` so that `return skip("spam")` fits every declared result.
    """
    return Skipped(reason)


class Workflow(Generic[P, R]):
    """A user's workflow. Calling it inside a run starts a child run and waits for it."""

    def __init__(
        self,
        function: Callable[P, Coroutine[Any, Any, R]],
        *,
        call: "Callable[[Workflow[P, R], dict[str, Any]], Coroutine[Any, Any, Any]]",
        name: str | None = None,
        timeout_seconds: float | None = None,
        latency_budget_seconds: float | None = None,
    ) -> None:
        if not inspect.iscoroutinefunction(function):
            raise ConfigurationError(
                f"Workflow {function.__name__!r} is not async.",
                hint="Write: async def; its steps may be either.",
            )
        functools.update_wrapper(self, function)
        self.name = name or function.__name__
        self.function = function
        self.signature = Signature(function, self.name)
        self.fingerprint = fingerprint_of(function)
        self.timeout_seconds = timeout_seconds
        self.latency_budget_seconds = latency_budget_seconds
        self._call = call

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it: as a child of the current run, or as a run of its own, and wait for its result."""
        return cast("R", await self._call(self, self.signature.bind(args, kwargs)))


def fingerprint_of(function: Callable[..., Any]) -> str:
    """A hash of a workflow's code, indifferent to comments, layout and docstrings.

    It covers the workflow function itself: that is what decides the order of steps. What a step does inside
    may change freely.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        code = function.__code__
        return hashlib.sha256(code.co_code + repr(code.co_names).encode()).hexdigest()[:16]
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            node.decorator_list = []
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]
