"""Actions: steps that change something outside. Each carries a key, under which it is done once.

The key goes to the function too, so that the outside can recognise a request that is made again after a
crash. An irreversible action takes a `Decision`, never an `Answer`: code or a person must have stood between.
A decision is compared with its record, where it has one, and the act remembers which one let it happen.
Where the app is told to rehearse, everything happens but the function itself.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ParamSpec, TypeVar, cast

from roadworthy.calls import Answer, Decision
from roadworthy.errors import ConfigurationError, InvalidInput, NotFound
from roadworthy.records import Json
from roadworthy.review import decided
from roadworthy.workflows.context import Act, Rehearse, RunContext, StepContext, current_run
from roadworthy.workflows.decide import value_hash
from roadworthy.workflows.engine import Reservation
from roadworthy.workflows.retry import NO_RETRY, Retry
from roadworthy.workflows.run import StepKind
from roadworthy.workflows.signature import as_json, content_hash
from roadworthy.workflows.step import Spec, Step, execute
from roadworthy.workflows.store import actions as store

P = ParamSpec("P")
R = TypeVar("R")


class Action(Step[P, R]):
    """A user's function as an action. Outside of a run it is just the function, with the same checks."""

    def __init__(self, function: Callable[P, Any], spec: Spec, *, irreversible: bool) -> None:
        super().__init__(function, spec)
        self.irreversible = irreversible
        if "key" not in self.signature.parameters:
            raise ConfigurationError(
                f"Action {self.name!r} has no parameter `key`.",
                hint="Add `*, key: str = ''` and pass it on to what it acts upon.",
            )

    async def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, after the check of what it is given; in a rehearsal, what stands in for it."""
        context = current_run.get()
        if self.irreversible:
            for decision in _decisions(self.name, [*args, *kwargs.values()]):
                await _require_record(self.name, decision, context)
        if context is not None and context.parts.rehearse is not None:
            return await self._rehearsed(context.run.id, context.parts.rehearse, args, kwargs)
        return await super().call(*args, **kwargs)

    async def _rehearsed(
        self, run_id: str, rehearse: Rehearse, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        arguments = self.signature.bind(args, kwargs)
        key = str(arguments.pop("key") or "")
        act = Act(self.name, self.irreversible, key, arguments, run_id, self.signature.output_schema)
        return self.signature.load(await asyncio.to_thread(rehearse, act))

    async def at(
        self,
        context: RunContext,
        reservation: Reservation | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> R:
        """Act as a step of this run, unless it was done under the same key before."""
        given = dict(kwargs)
        given.setdefault("key", "")
        arguments = self.signature.bind(args, given)
        decided = _decisions(self.name, arguments.values()) if self.irreversible else []
        asked_key = str(arguments.pop("key") or "")
        inputs = as_json(arguments, f"The input of action {self.name!r}")
        database, clock = context.parts.database, context.parts.clock
        input_hash = content_hash(inputs)

        async def work(step: StepContext) -> Json:
            key = asked_key or f"{context.run.id}:{step.position}"
            state = await database.write(
                lambda tx: store.begin(
                    tx,
                    context.claim,
                    action=self.name,
                    key=key,
                    input_hash=input_hash,
                    step_id=step.step_id,
                    decision_id=next((one.id for one in decided if one.id is not None), None),
                    now_ms=clock.now_ms(),
                )
            )
            if state.done:
                return state.output
            output = self.signature.dump(await self.call(**arguments, key=key))
            step.effects.append(
                lambda tx: store.finish(tx, action=self.name, key=key, output=output, now_ms=clock.now_ms())
            )
            return output

        recorded: Json = {**cast("dict[str, Json]", inputs), "key": asked_key} if asked_key else inputs
        return cast("R", self.signature.load(await execute(context, self.spec, recorded, work, reservation)))


def action_of(
    function: Callable[P, Coroutine[Any, Any, R]] | Callable[P, R],
    *,
    name: str | None = None,
    irreversible: bool = False,
    retry: Retry | None = None,
    timeout_seconds: float | None = None,
    latency_budget_seconds: float | None = None,
) -> Action[P, R]:
    """A user's function as an action."""
    spec = Spec(
        name or function.__name__, StepKind.ACTION, retry or NO_RETRY, timeout_seconds, latency_budget_seconds
    )
    return Action(function, spec, irreversible=irreversible)


def _decisions(action: str, values: Any) -> list[Decision[Any]]:
    """The decisions that an irreversible action is given. Raises `InvalidInput` without one, `Rejected`."""
    given = list(values)
    if any(_holds_answer(value) for value in given):
        raise InvalidInput(
            f"Action {action!r} is irreversible and was given an Answer: what a model said, unchecked.",
            hint="Pass a Decision: await app.decide(answer), or Decision.by_rule(answer, rule=…).",
        )
    found = [cast("Decision[Any]", value) for value in given if isinstance(value, Decision)]
    if not found:
        raise InvalidInput(
            f"Action {action!r} is irreversible and was given no Decision.",
            hint="Pass one: await app.decide(answer), or Decision.by_rule(value, rule=…).",
        )
    for decision in found:
        decision.require()
    return found


async def _require_record(action: str, decision: Decision[Any], context: RunContext | None) -> None:
    """Raise `InvalidInput` unless the decision says what its record says; a rule in code needs none."""
    decision_id = decision.id
    if decision_id is None and decision.by == "rule":
        return
    problem = "claims a person's word that is on no record"
    if decision_id is not None and context is None:
        problem = "has its record where runs are, and can be acted on only there"
    elif decision_id is not None and context is not None:
        try:
            record = await context.parts.database.read(lambda tx: decided.get(tx, decision_id))
        except NotFound:
            problem = f"{decision_id!r} is not on record"
        else:
            claimed = (decision.by, decision.verdict, value_hash(decision.value))
            if claimed == (record.by, record.verdict, record.value_hash):
                return
            problem = f"{decision_id!r} is not what was decided: its value has changed since"
    raise InvalidInput(
        f"Action {action!r} is irreversible, and the decision it was given {problem}.",
        hint="Act on what app.decide returned, in the same workflow, as it was returned.",
    )


def _holds_answer(value: Any, depth: int = 0) -> bool:
    if isinstance(value, Answer):
        return True
    if isinstance(value, Decision) or depth > 8:  # noqa: PLR2004 - deeper nesting is not searched
        return False
    if isinstance(value, Mapping):
        return any(_holds_answer(one, depth + 1) for one in cast("Mapping[Any, Any]", value).values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(_holds_answer(one, depth + 1) for one in cast("list[Any]", value))
    if is_dataclass(value) and not isinstance(value, type):
        return any(_holds_answer(getattr(value, field.name), depth + 1) for field in fields(value))
    return False
