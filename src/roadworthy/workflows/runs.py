"""Runs from the outside: start, look, cancel, resume, replay, signal. Workers do the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from roadworthy.audit import Action, ActorKind, Entry, current_actor
from roadworthy.db import pack
from roadworthy.errors import (
    InvalidInput,
    NotFound,
    Rejected,
    RunTimeout,
    StateConflict,
    StepFailed,
    did_you_mean,
)
from roadworthy.records import Json
from roadworthy.review import store as review_store
from roadworthy.workflows import wait
from roadworthy.workflows.context import Parts
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.run import FINISHED, RESUMABLE, Run, RunStatus, Step
from roadworthy.workflows.signature import as_json, content_hash
from roadworthy.workflows.store import runs as store
from roadworthy.workflows.store import steps as step_store
from roadworthy.workflows.store.find import Filter, count_by_status
from roadworthy.workflows.store.find import find as find_runs
from roadworthy.workflows.workflow import Workflow

T = TypeVar("T")

_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Shown:
    """A run with everything that is known of it."""

    run: Run
    input: Json
    output: Json
    steps: tuple[Step, ...]
    children: tuple[Run, ...]


class Handle(Generic[T]):
    """A run that was started."""

    def __init__(
        self, run_id: str, runs: "Runs", workflow: Workflow[..., Any], *, is_new: bool = True
    ) -> None:
        self.id = run_id
        self.is_new = is_new
        """False when a run of the same idempotency key was there already."""
        self._runs = runs
        self._workflow = workflow

    async def run(self) -> Run:
        """The run as it stands."""
        return await self._runs.get(self.id)

    async def result(self, *, timeout_seconds: float | None = None) -> T | None:
        """Wait for the result; None when the run was skipped.

        Raises `Rejected` when a decision ended it, `StepFailed` when the run is dead, `StateConflict` when it
        is cancelled or parked, `RunTimeout` when `timeout_seconds` pass first (the run goes on).
        """
        run, output = await self._runs.outcome(self.id, timeout_seconds=timeout_seconds)
        if run.status is RunStatus.SUCCEEDED:
            return self._workflow.signature.load(output)
        if run.status is RunStatus.SKIPPED:
            return None
        if run.status is RunStatus.REJECTED:
            raise Rejected(run.skip_reason or "The run was rejected.")
        if run.status is RunStatus.DEAD:
            raise StepFailed(
                f"Run {run.id} is dead: {(run.error_message or '').rstrip('.')}.",
                step=run.error_step or "",
                kind=run.error_kind or "",
                attempts=1,
                hint=f"Resume it when the cause is mended: roadworthy runs resume {run.id}",
            )
        raise StateConflict(f"Run {run.id} is {run.status}.", hint=run.error_message or "")


class Runs:
    """The runs of a project."""

    def __init__(self, parts: Parts, workflows: Mapping[str, Workflow[..., Any]], doorbell: Doorbell) -> None:
        self._parts = parts
        self._workflows = workflows
        self._doorbell = doorbell

    def workflow(self, name: str) -> Workflow[..., Any]:
        """The workflow of that name. Raises `NotFound`."""
        found = self._workflows.get(name)
        if found is None:
            raise NotFound(f"There is no workflow {name!r}.", hint=did_you_mean(name, self._workflows))
        return found

    def prepare(self, workflow: str | Workflow[..., Any], given: Any, **options: Any) -> store.NewRun:
        """A checked, not yet stored run. `options` are fields of `NewRun`."""
        found = self.workflow(workflow) if isinstance(workflow, str) else workflow
        arguments = found.signature.parse(given)
        inputs = as_json(arguments, f"The input of workflow {found.name!r}")
        size, limit = len(pack(inputs)), self._parts.settings.limits.max_input_bytes
        if size > limit:
            raise InvalidInput(
                f"The input of {found.name!r} is {size} bytes, more than limits.max_input_bytes ({limit}).",
                hint="Pass a reference to it, or raise the limit.",
            )
        settings = self._parts.settings.workflows.get(found.name)
        tags = tuple(dict.fromkeys([*(settings.tags if settings else ()), *options.pop("tags", ())]))
        return store.NewRun(
            id=self._parts.ids.new("run"),
            workflow=found.name,
            input=inputs,
            input_hash=content_hash(inputs),
            environment=self._parts.settings.environment,
            fingerprint=found.fingerprint,
            tags=tags,
            **options,
        )

    async def start(
        self,
        workflow: str | Workflow[..., Any],
        given: Any,
        *,
        idempotency_key: str | None = None,
        tenant: str = "",
        user_id: str = "",
        tags: Sequence[str] = (),
        due_at: int | None = None,
    ) -> Handle[Any]:
        """Queue a run of `workflow` with `given` as its named inputs.

        The same `idempotency_key` gives the same run.
        Raises `InvalidInput`, `NotFound`, `IdempotencyConflict`.
        """
        if idempotency_key is not None and not 1 <= len(idempotency_key) <= 255:  # noqa: PLR2004
            raise InvalidInput("An idempotency key has 1 to 255 characters.")
        new = self.prepare(
            workflow,
            given,
            idempotency_key=idempotency_key,
            tenant=tenant,
            user_id=user_id,
            tags=tuple(tags),
            due_at=due_at,
            traceparent=self._parts.telemetry.traceparent() or "",
        )
        now_ms = self._parts.clock.now_ms()
        entry = self._entry_of_somebody(Action.RUN_STARTED, new.id)

        def create(tx: sa.Connection) -> tuple[str, bool]:
            run_id, is_new = store.create(tx, new, now_ms)
            if entry is not None and is_new:
                self._parts.audit.append(tx, replace(entry, workflow=new.workflow, tenant=new.tenant))
            return run_id, is_new

        run_id, is_new = await self._parts.database.write(create)
        self._doorbell.work.set()
        # of two writes of which the first one's answer was lost, the second one finds the run
        return Handle(run_id, self, self.workflow(new.workflow), is_new=is_new or run_id == new.id)

    async def get(self, run_id: str) -> Run:
        """One run. Raises `NotFound`."""
        return await self._parts.database.read(lambda tx: store.get(tx, run_id))

    async def payload(self, run_id: str) -> tuple[Json, Json]:
        """Input and output of a run."""
        return await self._parts.database.read(lambda tx: store.payload(tx, run_id))

    async def steps(self, run_id: str, *, payloads: bool = False) -> list[Step]:
        """The steps of a run so far."""
        return await self._parts.database.read(lambda tx: step_store.list_of(tx, run_id, payloads=payloads))

    async def show(self, run_id: str) -> Shown:
        """A run with its steps, attempts and children. Raises `NotFound`."""

        def look(tx: sa.Connection) -> Shown:
            run = store.get(tx, run_id)
            given, output = store.payload(tx, run_id)
            children = find_runs(tx, Filter(parent_run_id=run_id), limit=1000)
            return Shown(run, given, output, tuple(step_store.list_of(tx, run_id)), tuple(reversed(children)))

        return await self._parts.database.read(look)

    async def find(self, where: Filter, *, limit: int = 50, after: str | None = None) -> list[Run]:
        """Runs that fit, newest first."""
        return await self._parts.database.read(lambda tx: find_runs(tx, where, limit=limit, after=after))

    async def count(self, where: Filter) -> dict[RunStatus, int]:
        """How many runs that fit stand where."""
        return await self._parts.database.read(lambda tx: count_by_status(tx, where))

    async def finished(self, run_id: str, *, timeout_seconds: float | None = None) -> Run:
        """Wait until a run has finished or is parked. Raises `RunTimeout`; the run itself goes on."""
        return (await self.outcome(run_id, timeout_seconds=timeout_seconds))[0]

    async def outcome(self, run_id: str, *, timeout_seconds: float | None = None) -> tuple[Run, Json]:
        """The same, with the run's output."""
        clock, database = self._parts.clock, self._parts.database
        give_up_at = None if timeout_seconds is None else clock.monotonic() + timeout_seconds
        while True:
            with self._doorbell.listening([run_id]) as ring:  # before looking, so that no ring is missed
                status = await database.read(lambda tx: store.status(tx, run_id))
                if status not in FINISHED and status is not RunStatus.PARKED:
                    if give_up_at is not None and clock.monotonic() >= give_up_at:
                        raise RunTimeout(
                            f"Run {run_id} did not finish within {timeout_seconds} s; it goes on."
                        )
                    if not await ring(_POLL_SECONDS):
                        continue
            run, output = await database.read(
                lambda tx: (store.get(tx, run_id), store.payload(tx, run_id)[1])
            )
            if run.status in FINISHED or run.status is RunStatus.PARKED:
                return run, output

    async def cancel(self, run_id: str) -> RunStatus:
        """Cancel a run and its children; `RUNNING` means that its worker will stop it shortly.

        Raises `NotFound`, and `StateConflict` when it has finished.
        """
        now_ms = self._parts.clock.now_ms()
        entry = self._parts.audit.entry(Action.RUN_CANCELLED, run_id)

        def cancel(tx: sa.Connection) -> RunStatus:
            status = store.request_cancel(tx, run_id, now_ms)
            _cancel_below(tx, run_id, now_ms)
            review_store.withdraw(tx, run_id, now_ms)
            self._append(tx, entry)
            return status

        status = await self._parts.database.write(cancel)
        self._doorbell.ring(f"cancel:{run_id}")
        self._doorbell.work.set()
        if status is RunStatus.CANCELLED:
            run = await self.get(run_id)
            self._parts.telemetry.emit("run.cancelled", run_id=run_id, workflow=run.workflow)
        return status

    async def resume(self, run_id: str, *, from_step: str | int | None = None) -> Run:
        """Let a dead, cancelled or parked run go on, on the code as it is now.

        Finished steps are kept; a failed one is done again. `from_step` (a position or a name) does that step
        and everything after it again. Raises `NotFound`, `StateConflict`.
        """
        now_ms = self._parts.clock.now_ms()
        step = None if from_step is None else str(from_step)
        entry = self._parts.audit.entry(Action.RUN_RESUMED, run_id, detail={"from_step": step})

        def resume(tx: sa.Connection) -> Run:
            run = store.get(tx, run_id)
            position = run.error_position
            if from_step is not None:
                position = _position(step_store.list_of(tx, run_id, payloads=False), from_step)
            _reopen(tx, run, position, now_ms, everything=from_step is not None)
            if from_step is None:
                review_store.reopen(tx, run_id)
            else:
                review_store.withdraw(tx, run_id, now_ms)
            self._append(tx, entry)
            return run

        before = await self._parts.database.write(resume)
        self._doorbell.work.set()
        self._parts.telemetry.emit(
            "run.resumed",
            run_id=run_id,
            workflow=before.workflow,
            from_status=str(before.status),
            step=before.error_step,
        )
        return await self.get(run_id)

    async def resume_all(self, where: Filter, *, limit: int = 10_000) -> list[str]:
        """Resume every dead run that fits; returns their ids."""
        found = await self.find(replace(where, status=(RunStatus.DEAD,)), limit=limit)
        resumed: list[str] = []
        for run in found:
            try:
                await self.resume(run.id)
            except StateConflict:
                continue  # somebody else resumed or cancelled it in the meantime
            resumed.append(run.id)
        return resumed

    async def replay(self, run_id: str, *, from_step: str | int | None = None) -> Handle[Any]:
        """A new run with the input of this one; steps before `from_step` are taken over, not done again."""

        def read(tx: sa.Connection) -> tuple[Run, Json, list[Step]]:
            return (
                store.get(tx, run_id),
                store.payload(tx, run_id)[0],
                step_store.list_of(tx, run_id, payloads=False),
            )

        run, given, steps = await self._parts.database.read(read)
        new = self.prepare(
            run.workflow, given, tenant=run.tenant, user_id=run.user_id, tags=run.tags, replay_of=run.id
        )
        position = 0 if from_step is None else _position(steps, from_step)
        new_ids = {step.id: self._parts.ids.new("step") for step in steps}
        now_ms = self._parts.clock.now_ms()
        entry = self._parts.audit.entry(
            Action.RUN_REPLAYED,
            new.id,
            workflow=run.workflow,
            tenant=run.tenant,
            detail={"replay_of": run.id, "from_position": position},
        )

        def create(tx: sa.Connection) -> None:
            store.create(tx, new, now_ms)
            step_store.copy_until(tx, run_id, new.id, position, new_ids)
            self._parts.audit.append(tx, entry)

        await self._parts.database.write(create)
        self._doorbell.work.set()
        return Handle(new.id, self, self.workflow(run.workflow))

    async def signal(self, run_id: str, name: str, payload: Any = None) -> None:
        """Send a signal to a run; it waits there until the run asks for it. Raises `NotFound`."""
        signal_id, now_ms = self._parts.ids.new("sig"), self._parts.clock.now_ms()
        value = as_json(payload, f"The payload of signal {name!r}")
        entry = self._entry_of_somebody(Action.RUN_SIGNALLED, run_id, {"signal": name})

        def send(tx: sa.Connection) -> None:
            wait.send(tx, signal_id=signal_id, run_id=run_id, name=name, payload=value, now_ms=now_ms)
            if entry is not None:
                self._append(tx, entry)

        await self._parts.database.write(send)
        self._doorbell.ring(f"signal:{run_id}")
        self._doorbell.work.set()

    def _entry_of_somebody(
        self, action: Action, subject: str, detail: Mapping[str, Json] | None = None
    ) -> Entry | None:
        """An audit entry; None where code acts: what it starts and sends is told by the runs' own records."""
        if current_actor().kind is ActorKind.SYSTEM:
            return None
        return self._parts.audit.entry(action, subject, detail=detail)

    def _append(self, tx: sa.Connection, entry: Entry) -> None:
        """Store an audit entry of a run, with whose run it is."""
        run = store.get(tx, entry.subject)
        self._parts.audit.append(tx, replace(entry, workflow=run.workflow, tenant=run.tenant))


def _position(steps: Sequence[Step], wanted: str | int) -> int:
    live = [step for step in steps if not step.rewound]
    if isinstance(wanted, str) and wanted.isdecimal():
        wanted = int(wanted)
    for step in live:
        if wanted in (step.position, step.name):
            return step.position
    raise NotFound(
        f"The run has no step {wanted!r}.", hint=did_you_mean(str(wanted), {step.name for step in live})
    )


def _reopen(tx: sa.Connection, run: Run, position: int | None, now_ms: int, *, everything: bool) -> None:
    if not store.reopen(tx, run.id, RESUMABLE, rewind_to=position, now_ms=now_ms):
        raise StateConflict(
            f"Run {run.id} is {run.status}; only a dead, cancelled or parked run can be resumed.",
            hint="To do a finished run again: roadworthy runs replay",
        )
    if position is not None:
        step_store.rewind(tx, run.id, position, run.claim + 1, failed_only=not everything)
    for child in find_runs(tx, Filter(parent_run_id=run.id, status=tuple(RESUMABLE)), limit=10_000):
        _reopen(tx, child, child.error_position, now_ms, everything=False)


def _cancel_below(tx: sa.Connection, run_id: str, now_ms: int) -> None:
    open_states = tuple(status for status in RunStatus if status not in FINISHED)
    for child in find_runs(tx, Filter(parent_run_id=run_id, status=open_states), limit=100_000):
        store.request_cancel(tx, child.id, now_ms)
        review_store.withdraw(tx, child.id, now_ms)
        _cancel_below(tx, child.id, now_ms)
