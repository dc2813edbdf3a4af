"""Steps: the unit that finishes once. The one path that every kind of step takes is `execute`.

A step begins (row and attempt stored), is tried until it succeeds or gives up, and ends in one transaction
that stores its outcome together with whatever the work wants stored with it. Only then does the engine
checkpoint it. Whoever comes to the same place again, after a crash in between or on a replay, gets the stored
outcome: the work is not done again.
"""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, cast

import sqlalchemy as sa

from roadworthy.db import pack
from roadworthy.errors import (
    Bug,
    DatabaseError,
    InvalidInput,
    OrderChanged,
    Rejected,
    StepFailed,
    StepTimeout,
)
from roadworthy.records import Json
from roadworthy.workflows.context import RunContext, StepContext, current_run, current_step
from roadworthy.workflows.engine import Reservation
from roadworthy.workflows.retry import NO_RETRY, Retry, kind_of, message_of
from roadworthy.workflows.run import Failure, StepKind
from roadworthy.workflows.signature import Signature, as_json, content_hash
from roadworthy.workflows.store import steps as store
from roadworthy.workflows.store.claims import ClaimLost

P = ParamSpec("P")
R = TypeVar("R")

Work = Callable[[StepContext], Awaitable[Json]]

MAX_LOST_ATTEMPTS = 5
"""A step that took its worker down this often is given up instead of taking down more."""


@dataclass(frozen=True, slots=True)
class Spec:
    """How a step is to be run."""

    name: str
    kind: StepKind = StepKind.STEP
    retry: Retry = NO_RETRY
    timeout_seconds: float | None = None
    """For one attempt."""
    latency_budget_seconds: float | None = None
    """For the whole step; running over is noted, not stopped."""


class Step(Generic[P, R]):
    """A user's function as a step. Outside of a run, or inside another step, it is just the function."""

    def __init__(self, function: Callable[P, Any], spec: Spec) -> None:
        functools.update_wrapper(self, function)
        self.spec = spec
        self.signature = Signature(function, spec.name)
        self._function = function

    @property
    def name(self) -> str:
        """What it is called on record."""
        return self.spec.name

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it: in a workflow as a step, elsewhere as the plain function."""
        context = current_run.get()
        if context is None or current_step.get() is not None:
            return cast("R", await self.call(*args, **kwargs))
        return await self.at(context, None, args, kwargs)

    async def at(
        self,
        context: RunContext,
        reservation: Reservation | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> R:
        """Run as a step of this run, at a place that was reserved for it or the next one."""
        arguments = self.signature.bind(args, kwargs)
        inputs = as_json(arguments, f"The input of step {self.name!r}")

        async def work(_step: StepContext) -> Json:
            return self.signature.dump(await self.call(**arguments))

        return cast("R", self.signature.load(await execute(context, self.spec, inputs, work, reservation)))

    async def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself; a synchronous one in a thread."""
        if inspect.iscoroutinefunction(self._function):
            return await self._function(*args, **kwargs)
        return await asyncio.to_thread(self._function, *args, **kwargs)


async def execute(
    context: RunContext,
    spec: Spec,
    inputs: Json,
    work: Work,
    reservation: Reservation | None = None,
    *,
    in_order: bool = False,
) -> Json:
    """The outcome of a step: the recorded one, or that of `work`, recorded now. Raises `StepFailed`.

    `in_order` says of a place that was reserved that no other step has come in between.
    """
    task = asyncio.current_task()
    parallel = (reservation is not None and not in_order) or task is not context.main_task
    if reservation is None:
        context.check_order(spec.name)
        reservation = context.engine.reserve()
    key = f"{spec.name}:{content_hash(inputs)[:12]}" if parallel else spec.name
    new = store.NewStep(
        context.parts.ids.new("step"), reservation.position, spec.name, key, spec.kind, inputs
    )
    run = _Attempts(context, spec, new, work)
    branch = task if task is not context.main_task else None
    if branch is not None:
        context.in_flight.add(branch)
    try:
        outcome = await reservation.run(key, run.outcome)
    finally:
        if branch is not None:
            context.in_flight.discard(branch)
    return _value(outcome, spec.name, reservation.position)


def _value(outcome: Json, name: str, position: int) -> Json:
    if not isinstance(outcome, dict) or "ok" not in outcome:
        raise Bug(f"The checkpoint of step {name!r} is not an outcome.")
    if outcome["ok"]:
        return outcome["value"]
    failure = Failure.from_json(outcome["failure"])
    if failure.kind == Rejected.code:  # a no is not a step that broke
        raise Rejected(failure.message)
    error = StepFailed(failure.message, step=name, kind=failure.kind, attempts=failure.attempts)
    error.details["position"] = position
    raise error


class _Attempts:
    """One step's way from its beginning to its stored outcome."""

    def __init__(self, context: RunContext, spec: Spec, new: store.NewStep, work: Work) -> None:
        self._context = context
        self._parts = context.parts
        self._spec = spec
        self._new = new
        self._work = work

    async def outcome(self) -> Json:
        """Begin, try, end; or what that came to before."""
        begun = await self._begin()
        if begun.outcome is not None:
            return begun.outcome
        if begun.lost >= MAX_LOST_ATTEMPTS:
            message = f"The worker died {begun.lost} times while it ran step {self._spec.name!r}."
            failure = Failure("worker_lost", message, begun.attempt, self._spec.name, self._new.position)
            nothing = self._context_of(begun, begun.attempt)
            return await self._give_up(begun, nothing, self._parts.clock.now_ms(), failure, 0.0)
        return await self._try(begun)

    async def _begin(self) -> store.Begun:
        new, claim, clock = self._new, self._context.claim, self._parts.clock
        begun = await self._write(lambda tx: store.begin(tx, claim, new, clock.now_ms()))
        if begun.recorded_key == new.key:
            return begun
        rewound_from = self._context.rewound_from
        if rewound_from is None or new.position < rewound_from:
            raise OrderChanged(
                f"Step {new.position} was {begun.recorded_key!r} when this run first came here; "
                f"now the code asks for {new.key!r}.",
                hint="Steps must come in the same order on every replay. Fan out with app.map.",
            )

        def begin_anew(tx: sa.Connection) -> store.Begun:
            store.set_aside(tx, claim, begun.step_id)
            return store.begin(tx, claim, new, clock.now_ms())

        return await self._write(begin_anew)

    async def _try(self, begun: store.Begun) -> Json:
        clock, emit, retry = self._parts.clock, self._parts.telemetry.emit, self._spec.retry
        began = clock.monotonic()
        number, failed = begun.attempt, begun.failed
        about: dict[str, Any] = {
            "run_id": self._context.run.id,
            "step_id": begun.step_id,
            "step": self._spec.name,
            "kind": str(self._spec.kind),
        }
        while True:
            step = self._context_of(begun, number)
            began_at = clock.now_ms()
            emit("step.started", **about, attempt=number)
            try:
                outcome = self._packed({"ok": True, "value": (value := await self._once(step))})
            except DatabaseError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's step fails as it likes, also by `exit`
                failed += 1
                failure = self._failure(error, failed)
                if retry.again(error, failed):
                    pause = retry.pause_seconds(failed, error)
                    emit(
                        "step.retried", **about, attempt=number, error_kind=failure.kind, delay_seconds=pause
                    )
                    await self._pause(begun.step_id, number, began_at, failure, pause)
                    number += 1
                    continue
                seconds = clock.monotonic() - began
                failed_outcome = await self._give_up(begun, step, began_at, failure, seconds)
                emit(
                    "step.failed",
                    error=error,
                    **about,
                    attempt=number,
                    error_kind=failure.kind,
                    duration_seconds=seconds,
                )
                return failed_outcome
            seconds = clock.monotonic() - began
            await self._finish(begun, step, began_at, outcome, None, seconds)
            emit("step.finished", **about, attempt=number, duration_seconds=seconds)
            return {"ok": True, "value": value}

    def _context_of(self, begun: store.Begun, number: int) -> StepContext:
        return StepContext(self._context, begun.step_id, self._spec.name, self._new.position, number)

    async def _once(self, step: StepContext) -> Json:
        spec, telemetry = self._spec, self._parts.telemetry
        limit = asyncio.timeout(spec.timeout_seconds)
        token = current_step.set(step)
        try:
            with telemetry.step_span(
                step_id=step.step_id, step=spec.name, kind=str(spec.kind), attempt=step.attempt
            ):
                async with asyncio.timeout(spec.timeout_seconds) as limit:
                    value = await self._work(step)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise StepTimeout(f"Step {spec.name!r} ran longer than its {spec.timeout_seconds} s.") from error
        finally:
            current_step.reset(token)
        return value

    def _packed(self, outcome: Json) -> bytes:
        packed, limit = pack(outcome), self._parts.settings.limits.max_result_bytes
        if len(packed) > limit:
            raise InvalidInput(
                f"The result of step {self._spec.name!r} is {len(packed)} bytes, "
                f"more than limits.max_result_bytes ({limit}).",
                hint="Store it elsewhere and return where.",
            )
        return packed

    async def _pause(
        self, step_id: str, number: int, began_at: int, failure: Failure, seconds: float
    ) -> None:
        claim, clock = self._context.claim, self._parts.clock
        await self._write(
            lambda tx: store.retry(tx, claim, step_id, number, began_at, failure, clock.now_ms())
        )
        await asyncio.sleep(seconds)
        await self._write(lambda tx: store.begin_attempt(tx, claim, step_id, number + 1, clock.now_ms()))

    async def _give_up(
        self,
        begun: store.Begun,
        step: StepContext,
        began_at: int,
        failure: Failure,
        seconds: float,
    ) -> Json:
        outcome: Json = {"ok": False, "failure": failure.as_json()}
        await self._finish(begun, step, began_at, pack(outcome), failure, seconds)
        return outcome

    async def _finish(
        self,
        begun: store.Begun,
        step: StepContext,
        began_at: int,
        outcome: bytes,
        failure: Failure | None,
        seconds: float,
    ) -> None:
        budget = self._spec.latency_budget_seconds
        over = budget is not None and seconds > budget
        now_ms = self._parts.clock.now_ms()

        def finish(tx: sa.Connection) -> None:
            store.finish(
                tx,
                self._context.claim,
                begun.step_id,
                step.attempt,
                began_at=began_at,
                outcome=outcome,
                failure=failure,
                over_budget=over,
                now_ms=now_ms,
            )
            for recording in step.recordings:
                recording.write(tx)
            for effect in step.effects:
                effect(tx)

        async def finished() -> None:
            try:
                await self._parts.database.write(finish)
            except (ClaimLost, DatabaseError) as error:
                for recording in step.recordings:
                    await recording.refused(error)
                raise
            for recording in step.recordings:
                recording.stored()

        await asyncio.shield(finished())
        if over:
            self._parts.telemetry.emit(
                "step.over_budget",
                run_id=self._context.run.id,
                step_id=begun.step_id,
                step=self._spec.name,
                kind=str(self._spec.kind),
                attempt=step.attempt,
                duration_seconds=seconds,
                budget_seconds=budget,
            )

    def _failure(self, error: BaseException, failed: int) -> Failure:
        text = self._parts.telemetry.scrubber.scrub(message_of(error))[:2000]
        return Failure(kind_of(error), text, failed, self._spec.name, self._new.position)

    async def _write(self, work: Callable[[sa.Connection], Any]) -> Any:
        # A transaction that was begun is waited for: its end must be known before the run goes on or is left.
        return await asyncio.shield(self._parts.database.write(work))


def step_of(
    function: Callable[P, Coroutine[Any, Any, R]] | Callable[P, R],
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout_seconds: float | None = None,
    latency_budget_seconds: float | None = None,
) -> Step[P, R]:
    """A user's function as a step, under its own name unless another is given."""
    spec = Spec(
        name or function.__name__,
        StepKind.STEP,
        retry or NO_RETRY,
        timeout_seconds,
        latency_budget_seconds,
    )
    return Step(function, spec)
