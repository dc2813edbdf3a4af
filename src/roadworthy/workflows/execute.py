"""Executes runs in this process: the body that the engine calls, from taking a run to its end."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from roadworthy.errors import DatabaseError, OrderChanged, Rejected, RunTimeout, StepFailed
from roadworthy.records import Json
from roadworthy.review import store as review_store
from roadworthy.workflows.context import Parts, RunContext, current_run
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.engine import Engine, Interrupted, Leave
from roadworthy.workflows.retry import kind_of, message_of
from roadworthy.workflows.run import Failure, Run, RunStatus
from roadworthy.workflows.store import claims, runs, steps
from roadworthy.workflows.store.claims import Claim, ClaimLost, Entered
from roadworthy.workflows.wait import Waiting
from roadworthy.workflows.workflow import Skipped, Workflow

_log = logging.getLogger("roadworthy.workflows")


@dataclass(slots=True)
class Active:
    """A run that this process executes now."""

    task: "asyncio.Task[Any]"
    context: RunContext
    cancel_requested: bool = False


class Executor:
    """The runs of this process."""

    def __init__(self, parts: Parts, workflows: Mapping[str, Workflow[..., Any]], doorbell: Doorbell) -> None:
        self._parts = parts
        self._workflows = workflows
        self._doorbell = doorbell
        self.engine: Engine
        self.worker_id = ""
        self.active: dict[str, Active] = {}
        self.claimed: dict[str, Claim] = {}
        """Runs claimed by the dispatcher that the engine has not handed over yet."""
        self.requeued: set[str] = set()
        """Runs claimed by the dispatcher that lie in the engine's queue; any worker may begin them."""

    @property
    def busy(self) -> int:
        """How many runs take a place: those that only wait for their children do not."""
        begun = sum(not active.context.idle for active in self.active.values())
        return len(self.claimed) + len(self.requeued) + begun

    def cancel(self, run_id: str) -> bool:
        """Stop a run that is executed here; False when it is not."""
        active = self.active.get(run_id)
        if active is None:
            return False
        active.cancel_requested = True
        active.task.cancel()
        return True

    async def body(self, run_id: str) -> None:
        """What the engine calls. Only a finished run returns; everything else leaves by `Leave`."""
        try:
            await self._execute(run_id)
        except ClaimLost as lost:
            raise Leave("another worker holds this run") from lost
        except (DatabaseError, Interrupted) as error:
            # The run stays as it is stored; the worker's next look at its own runs queues it again.
            cause = self._parts.database.explain(error.__cause__) or error
            _log.error("run left: %s", cause, extra={"run_id": run_id})
            raise Leave("the database does not answer") from error
        except Exception as error:
            _log.exception("run left: unexpected error", extra={"run_id": run_id})
            raise Leave("unexpected error") from error

    async def _execute(self, run_id: str) -> None:
        write, worker_id = self._parts.database.write, self.worker_id
        try:
            claim = self.claimed.get(run_id) or await write(lambda tx: self._take(tx, run_id, worker_id))
            if claim is None:
                raise Leave("the run is not to be executed any more")
            entered = await write(lambda tx: self._enter(tx, claim))
        finally:  # until here it takes its place in these, from here on in `active`
            self.claimed.pop(run_id, None)
            self.requeued.discard(run_id)
        if isinstance(entered, Failure):
            name = await self._parts.database.read(lambda tx: runs.workflow_of(tx, run_id))
            self._parts.telemetry.emit("run.parked", run_id=run_id, workflow=name, reason=entered.message)
            self._doorbell.ring(run_id)
            raise Leave("parked")
        workflow = self._workflows[entered.run.workflow]
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the engine always calls from a task
        context = RunContext(
            entered.run,
            claim,
            self._parts,
            self.engine,
            task,
            entered.depth,
            entered.rewound_from,
            self._doorbell,
        )
        active = self.active[run_id] = Active(task, context)
        token = current_run.set(context)
        try:
            with self._parts.telemetry.run_span(
                run_id=run_id, workflow=workflow.name, traceparent=entered.run.traceparent
            ):
                await self._to_its_end(active, workflow, entered)
        finally:
            current_run.reset(token)
            if self.active.get(run_id) is active:  # it may have been taken again here, as this one was left
                del self.active[run_id]
            self._doorbell.work.set()

    def _take(self, tx: sa.Connection, run_id: str, worker_id: str) -> Claim | None:
        """Take over a run, but not from ourselves: the engine may hand over twice what lay in its queue."""
        here = self.active.get(run_id)
        if here is not None and claims.holds(tx, here.context.claim):
            return None
        return claims.take(tx, run_id, worker_id)

    def _enter(self, tx: sa.Connection, claim: Claim) -> Entered | Failure:
        name = runs.workflow_of(tx, claim.run_id)
        workflow = self._workflows.get(name)
        if workflow is None:
            return self._park(tx, claim, name, "no longer exists")
        settings = self._parts.settings.workflows.get(name)
        entered = claims.begin(
            tx,
            claim,
            fingerprint=workflow.fingerprint,
            timeout_seconds=workflow.timeout_seconds or (settings.timeout_seconds if settings else None),
            now_ms=self._parts.clock.now_ms(),
        )
        return entered or self._park(tx, claim, name, "has changed since this run began")

    def _park(self, tx: sa.Connection, claim: Claim, workflow: str, what: str) -> Failure:
        failure = Failure("code_changed", f"Workflow {workflow!r} {what}; nothing was replayed.")
        now_ms = self._parts.clock.now_ms()
        if not claims.leave(tx, claim, RunStatus.PARKED, now_ms=now_ms, due_at=None, failure=failure):
            raise ClaimLost(claim.run_id)
        return failure

    async def _to_its_end(self, active: Active, workflow: Workflow[..., Any], entered: Entered) -> None:
        context, run = active.context, entered.run
        self._parts.telemetry.emit(
            "run.started",
            run_id=run.id,
            workflow=run.workflow,
            worker_id=self.worker_id,
            recovered=context.claim.number > 1,
        )
        try:
            result = await self._call(workflow, entered)
        except Waiting as waiting:
            await self._leave_waiting(context, waiting)
        except OrderChanged as error:
            await self._settle(context)
            failure, now_ms = Failure("order_changed", str(error), step=""), self._parts.clock.now_ms()
            await self._write(
                lambda tx: claims.leave(
                    tx, context.claim, RunStatus.PARKED, now_ms=now_ms, due_at=None, failure=failure
                )
            )
            self._parts.telemetry.emit(
                "run.parked", run_id=run.id, workflow=run.workflow, reason=failure.message
            )
        except asyncio.CancelledError:
            await self._stopped(active)
            raise
        except DatabaseError:
            raise
        except Rejected as rejected:
            await self._settle(context)
            reason = self._parts.telemetry.scrubber.scrub(rejected.message)[:2000]
            await self._end(context, RunStatus.REJECTED, skip_reason=reason)
            return
        except (Exception, SystemExit) as error:  # a script's `exit` ends its run, and no worker
            await self._settle(context)
            await self._end(context, RunStatus.DEAD, failure=self._failure(error))
            raise Leave("dead") from error
        else:
            await self._settle(context)
            if isinstance(result, Skipped):
                await self._end(context, RunStatus.SKIPPED, skip_reason=result.reason)
            else:
                await self._succeed(context, workflow, result)
            return
        raise Leave("left")

    async def _call(self, workflow: Workflow[..., Any], entered: Entered) -> Any:
        deadline = entered.run.deadline_at
        left = None if deadline is None else max(0.0, (deadline - self._parts.clock.now_ms()) / 1000)
        arguments = workflow.signature.parse(entered.input)
        limit = asyncio.timeout(left)
        try:
            async with limit:
                return await workflow.function(**arguments)
        except TimeoutError as error:
            if limit.expired():
                raise RunTimeout(
                    f"The run passed its deadline: {workflow.name!r} has a timeout_seconds."
                ) from error
            raise

    async def _succeed(self, context: RunContext, workflow: Workflow[..., Any], result: Any) -> None:
        try:
            output = workflow.signature.dump(result)
        except Exception as error:
            await self._end(context, RunStatus.DEAD, failure=self._failure(error))
            raise Leave("dead") from error
        await self._end(context, RunStatus.SUCCEEDED, output=output)

    async def _end(
        self,
        context: RunContext,
        status: RunStatus,
        *,
        output: Json = None,
        skip_reason: str | None = None,
        failure: Failure | None = None,
    ) -> None:
        run, now_ms = context.run, self._parts.clock.now_ms()
        started = run.started_at if run.started_at is not None else now_ms
        seconds = (now_ms - started) / 1000
        budget = self._latency_budget(run.workflow)
        over = budget is not None and seconds > budget

        def end(tx: sa.Connection) -> bool:
            if not claims.finish(
                tx,
                context.claim,
                status,
                now_ms=now_ms,
                output=output,
                skip_reason=skip_reason,
                failure=failure,
                over_budget=over,
            ):
                raise ClaimLost(run.id)
            if status in (RunStatus.DEAD, RunStatus.CANCELLED):
                steps.stop_open(tx, run.id, now_ms)
                review_store.withdraw(tx, run.id, now_ms)
            return bool(run.parent_run_id and runs.wake(tx, [run.parent_run_id], now_ms))

        if await self._write(end):
            self._doorbell.work.set()
        self._doorbell.ring(run.id)
        self._report(run, status, failure, seconds, budget if over else None)

    def _report(
        self,
        run: Run,
        status: RunStatus,
        failure: Failure | None,
        seconds: float,
        passed_budget: float | None,
    ) -> None:
        emit = self._parts.telemetry.emit
        about: dict[str, Any] = {"run_id": run.id, "workflow": run.workflow, "duration_seconds": seconds}
        if failure is not None:
            emit("run.dead", **about, error_kind=failure.kind, step=failure.step or None)
        elif status is RunStatus.CANCELLED:
            emit("run.cancelled", **about)
        else:
            emit("run.finished", **about, status=str(status))
        if passed_budget is not None:
            emit("run.over_budget", **about, budget_seconds=passed_budget)

    async def _leave_waiting(self, context: RunContext, waiting: Waiting) -> None:
        now_ms = self._parts.clock.now_ms()

        def leave(tx: sa.Connection) -> None:
            due_at = now_ms if waiting.over(tx) else waiting.due_at
            claims.leave(
                tx,
                context.claim,
                RunStatus.WAITING,
                now_ms=now_ms,
                due_at=due_at,
                waiting_for=waiting.what,
            )

        await self._write(leave)
        self._parts.telemetry.emit(
            "run.waiting", run_id=context.run.id, workflow=context.run.workflow, waiting_for=waiting.what
        )

    async def _stopped(self, active: Active) -> None:
        context, now_ms = active.context, self._parts.clock.now_ms()
        for task in context.in_flight:
            task.cancel()
        await self._settle(context)
        if active.cancel_requested:
            await self._end(context, RunStatus.CANCELLED)
            return

        def leave(tx: sa.Connection) -> None:
            claims.leave(tx, context.claim, RunStatus.QUEUED, now_ms=now_ms, due_at=now_ms)

        await self._write(leave)

    async def _settle(self, context: RunContext) -> None:
        """Wait for the parallel steps that are still under way: what they paid for is not thrown away."""
        while context.in_flight:
            await asyncio.wait(set(context.in_flight))

    async def _write(self, work: Callable[[sa.Connection], Any]) -> Any:
        return await asyncio.shield(self._parts.database.write(work))

    def _latency_budget(self, name: str) -> float | None:
        settings = self._parts.settings.workflows.get(name)
        return self._workflows[name].latency_budget_seconds or (
            settings.latency_budget_seconds if settings else None
        )

    def _failure(self, error: BaseException) -> Failure:
        scrub = self._parts.telemetry.scrubber.scrub
        if isinstance(error, StepFailed):
            return Failure(
                error.kind, scrub(error.message), error.attempts, error.step, error.details.get("position")
            )
        return Failure(kind_of(error), scrub(message_of(error))[:2000])
