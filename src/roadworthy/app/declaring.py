"""How a project's code declares its steps, actions, workflows, prompts and evaluators: `Declaring`."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

import sqlalchemy as sa

from roadworthy.app.wiring import Wiring
from roadworthy.calls import Output
from roadworthy.errors import ConfigurationError
from roadworthy.workflows import (
    Action,
    Prompt,
    Retry,
    StepFunction,
    Surroundings,
    Workflow,
    action_of,
    as_json,
    call_child,
    current_run,
    step_of,
)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Declaring(Wiring):
    """A project's parts, with the decorators of its code."""

    @overload
    def step(self, function: Callable[P, Coroutine[Any, Any, R]]) -> StepFunction[P, R]: ...
    @overload
    def step(self, function: Callable[P, R]) -> StepFunction[P, R]: ...
    @overload
    def step(
        self,
        *,
        name: str | None = None,
        retry: Retry | None = None,
        timeout_seconds: float | None = None,
        latency_budget_seconds: float | None = None,
    ) -> "StepDecorator": ...
    def step(self, function: Any = None, **options: Any) -> Any:
        """Make a function a step: it finishes once, and its result is kept."""
        if function is not None:
            return step_of(function)
        return partial(step_of, **options)

    @overload
    def action(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Action[P, R]: ...
    @overload
    def action(self, function: Callable[P, R]) -> Action[P, R]: ...
    @overload
    def action(
        self,
        *,
        name: str | None = None,
        irreversible: bool = False,
        retry: Retry | None = None,
        timeout_seconds: float | None = None,
        latency_budget_seconds: float | None = None,
    ) -> "ActionDecorator": ...
    def action(self, function: Any = None, **options: Any) -> Any:
        """Make a function an action: a step that changes something outside, done once under its `key`."""
        if function is not None:
            return action_of(function)
        return partial(action_of, **options)

    @overload
    def workflow(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Workflow[P, R]: ...
    @overload
    def workflow(
        self,
        *,
        name: str | None = None,
        timeout_seconds: float | None = None,
        latency_budget_seconds: float | None = None,
    ) -> "WorkflowDecorator": ...
    def workflow(self, function: Any = None, **options: Any) -> Any:
        """Make an async function a workflow: its runs survive crashes at every step."""
        if function is None:
            return partial(self.workflow_of, **options)
        return self.workflow_of(function)

    def workflow_of(self, function: Callable[P, Coroutine[Any, Any, R]], **options: Any) -> Workflow[P, R]:
        """Register a workflow under its own name. Raises `ConfigurationError` when the name is taken."""
        workflow = Workflow(function, call=self._call_workflow, **options)
        if workflow.name in self._workflows:
            raise ConfigurationError(
                f"There are two workflows named {workflow.name!r}.", hint="Give one of them another name."
            )
        self._workflows[workflow.name] = workflow
        return workflow

    def prompt(self, prompt_id: str, *, output: type[T] = str) -> Prompt[T]:
        """A prompt of the project as a function; `output` is what its answers are checked against.

        The same prompt with the same `output` is one object, with one set of rules, checks and signals.
        Raises `NotFound` when there is no such prompt, `ConfigurationError` when no route serves it.
        """
        self.version(prompt_id)
        for known in self._asked.get(prompt_id, ()):
            if known.output.declared == output:
                return cast("Prompt[T]", known)
        surroundings = Surroundings(
            pipeline=lambda: self.pipeline,
            version=lambda: self.version(prompt_id),
            serve=partial(self.serve, prompt_id),
            new_id=self.ids.new,
            task=lambda: self._task(prompt_id),
            reviews=lambda: self.reviews,
            write=self._write,
            scrub=self._scrub,
        )
        made: Prompt[T] = Prompt(prompt_id, Output(output), surroundings)
        self._asked.setdefault(prompt_id, []).append(made)
        return made

    @overload
    def evaluator(self, function: Callable[P, R]) -> Callable[P, R]: ...
    @overload
    def evaluator(self, *, name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def evaluator(self, function: Any = None, *, name: str | None = None) -> Any:
        """Make a function one that suites can name to judge outcomes: `kind = "python"`.

        It takes what it names of `output`, `expected`, `inputs`, `case` and `outcome`, and returns true or
        false, a text that says why not, a number from 0 to 1, or a pair of a yes or no and a reason.
        Raises `ConfigurationError` when it takes anything else, or its name is taken.
        """
        if function is None:
            return partial(self._evaluator_of, name=name)
        return self._evaluator_of(function, name=name)

    def _evaluator_of(self, function: Callable[P, R], *, name: str | None) -> Callable[P, R]:
        from roadworthy.evals.evaluators.function import parameters  # a serving process needs no evaluators

        parameters(function)
        called = name or getattr(function, "__name__", "")
        if self._evaluators.setdefault(called, function) is not function:
            raise ConfigurationError(
                f"There are two evaluators named {called!r}.", hint="Give one of them another name."
            )
        return function

    async def _write(self, work: Callable[[sa.Connection], Any]) -> Any:
        return await self.database.write(work)

    async def _call_workflow(self, workflow: Workflow[..., Any], arguments: dict[str, Any]) -> Any:
        if current_run.get() is not None:
            return await call_child(workflow, arguments)
        handle = await self.runs.start(
            workflow, as_json(arguments, f"The input of workflow {workflow.name!r}")
        )
        return await handle.result()


class StepDecorator(Protocol):
    """What `app.step(...)` with options returns; declared for type checkers."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> StepFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> StepFunction[P, R]: ...
    def __call__(self, function: Any, /) -> Any:
        """Declare the function."""
        ...


class ActionDecorator(Protocol):
    """What `app.action(...)` with options returns; declared for type checkers."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Action[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Action[P, R]: ...
    def __call__(self, function: Any, /) -> Any:
        """Declare the function."""
        ...


class WorkflowDecorator(Protocol):
    """What `app.workflow(...)` with options returns; declared for type checkers."""

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]:
        """Declare the function."""
        ...
