"""`App`: loads a project, opens it and runs it.

app = App.load(__file__)          settings, prompts, models, database are found from the project's folder
@app.step / @app.action / @app.workflow / app.prompt(...)
async with app.running():         a worker in this process
    handle = await app.start(answer_ticket, ticket_id="t-17")
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast, overload

from roadworthy.app.declaring import Declaring
from roadworthy.audit import SYSTEM, acting
from roadworthy.calls import Answer, Decision
from roadworthy.db import require_current, upgrade
from roadworthy.evals import Evals
from roadworthy.prompts import load_prompts
from roadworthy.prompts import store as prompt_store
from roadworthy.records import Clock, Ids
from roadworthy.releases import OFF, ON
from roadworthy.settings import Settings, find_root
from roadworthy.workflows import (
    Handle,
    OnError,
    Scheduler,
    StepFunction,
    Worker,
    Workflow,
    as_json,
    fan_out,
    read_flag,
    sleep,
    wait_for_signal,
)

_log = logging.getLogger("roadworthy")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Item = TypeVar("Item")


class App(Declaring):
    """A project, ready to be used. Make it with `App.load`."""

    @classmethod
    def load(
        cls,
        place: str | Path,
        *,
        environment: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> "App":
        """The app of the project around `place`: pass `__file__` from a module of the project, or its folder.

        `overrides` replace single settings by dotted key, for tests and tools.
        Raises `SettingsError`, `PromptError`.
        """
        start = Path(place).resolve()
        root = find_root(start if start.is_dir() else start.parent)
        settings = Settings.load(root, environment=environment, overrides=overrides)
        return cls(settings, load_prompts(settings.path(settings.project.prompts_dir)), clock=clock, ids=ids)

    async def map(
        self,
        target: Workflow[[Item], R] | StepFunction[[Item], R],
        items: Sequence[Item],
        *,
        limit: int = 50,
        on_error: OnError = "raise",
    ) -> list[R]:
        """Apply a workflow (one child run an item) or a step to each item; results in the items' order.

        `limit` bounds how many steps run at once. With `on_error="collect"` a failed item gives its
        `StepFailed` instead of a result.
        """
        return await fan_out(target, items, limit=limit, on_error=on_error)

    async def decide(
        self,
        answer: Answer[T],
        *,
        evidence: Iterable[object] | str = (),
        conflict: bool = False,
        edge_case: str | None = None,
    ) -> Decision[T]:
        """What the organisation stands behind: an answer that the workflow's bands, or people, let through.

        In between the bands, and always with a `conflict` in the evidence, an `edge_case`, a degraded answer,
        or one of which nobody says how sure one may be, a person decides; the run waits meanwhile, held by no
        process. `evidence` is shown beside the answer: texts, or objects with `title`, `url`, `text`.
        `edge_case` says in words of the code's own what is unusual; lists show it.
        Check `rejected`, or use `value`, which then raises `Rejected` and ends the run as rejected.

        Raises `StateConflict` outside of a workflow, `OrderError` in a parallel branch.
        """
        return await self._decider.decide(
            answer, evidence=evidence, conflict=conflict, edge_case=edge_case or ""
        )

    @overload
    async def flag(self, name: str, *, default: bool = False, key: str | None = None) -> bool: ...
    @overload
    async def flag(self, name: str, *, default: str, key: str | None = None) -> str: ...
    async def flag(self, name: str, *, default: bool | str = False, key: str | None = None) -> bool | str:
        """The value of a flag: true unless it is `off`; the name of its variant where `default` is one.

        `default` is what it is until somebody sets it (`roadworthy flags set`). Where values share, the same
        `key` has the same one; left out, it is the run's user, else its tenant, else the run. In a workflow
        it is a step: a replay takes the same way, whatever was set meanwhile.

        Raises `InvalidInput` for what cannot name a flag, `OrderError` in a parallel branch with other steps.
        """
        if isinstance(default, str):
            return await read_flag(self.releases, name, key, default)
        return await read_flag(self.releases, name, key, ON if default else OFF) != OFF

    sleep = staticmethod(sleep)
    wait_for_signal = staticmethod(wait_for_signal)

    def open(self) -> None:
        """Make the database ready: the embedded one is brought up to date, a server's must be already.

        Registers the prompts' versions.
        Raises `SchemaError`, `DatabaseError`, `PromptError`, `SettingsError`.
        """
        if self.database.is_sqlite:
            upgrade(self.database)
        else:
            require_current(self.database)
        self.check()
        now_ms, environment = self.clock.now_ms(), self.settings.environment
        versions = self.prompts.all_versions()
        self.database.write_now(lambda tx: prompt_store.register_all(tx, versions, environment, now_ms))
        self.releases.memory.look_now()

    @asynccontextmanager
    async def evaluating(self) -> AsyncGenerator[Evals]:
        """The project's suites, ready to be run by this program. Closes everything at the end."""
        try:
            if self.database.is_sqlite:
                upgrade(self.database)
            else:
                require_current(self.database)
            self.check()
            self.releases.memory.look_now()
            yield self.evals
        finally:
            await self._close(None)

    @asynccontextmanager
    async def running(
        self, *, work: bool = True, patience_seconds: float | None = None
    ) -> AsyncGenerator["App"]:
        """The app, open; with `work`, this process executes runs. Closes everything at the end.

        `patience_seconds` is how long runs under way may go on then (`workers.shutdown_seconds` when None);
        what is left is for other workers.
        """
        warming: asyncio.Task[None] | None = None
        try:
            self.open()
            for warning in self.models.warnings():
                _log.warning(warning)
            if work:
                scheduler = Scheduler(self._parts, self.settings.schedules, self.runs, self._doorbell)
                self._worker = Worker(
                    self._parts,
                    self._workflows,
                    self._doorbell,
                    scheduler=scheduler,
                    upkeep=self._keep_up,
                    models=self.models,
                    lane=self.pipeline.lane,
                )
            if self._worker is not None:
                with acting(SYSTEM):  # whoever started this process is not who its runs act for
                    await self._worker.start()
                if self._asked:
                    warming = asyncio.create_task(self.models.prepare())
            yield self
        finally:
            if warming is not None:
                warming.cancel()
                await asyncio.gather(warming, return_exceptions=True)
            await self._close(patience_seconds)

    async def start(self, workflow: Workflow[P, R], *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Start a run with typed arguments; `app.runs.start` takes JSON, keys and tags."""
        given = as_json(workflow.signature.bind(args, kwargs), f"The input of workflow {workflow.name!r}")
        return cast("Handle[R]", await self.runs.start(workflow, given))

    async def _keep_up(self) -> None:
        """What a worker does every few seconds beside its runs, whatever befalls one of it."""
        done = await asyncio.gather(
            self.pipeline.admissions.expire(),
            self.reviews.escalate(),
            self.rollups.keep_up(),
            self.audit.upkeep(),
            self.access.tidy(),
            return_exceptions=True,
        )
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure

    async def stop_working(self, patience_seconds: float | None = None) -> None:
        """Execute no more runs in this process; those under way may go on as `running` says."""
        try:
            if self._worker is not None:
                await self._worker.stop(patience_seconds=patience_seconds)
        finally:
            self._worker = None

    async def _close(self, patience_seconds: float | None) -> None:
        try:
            await self.stop_working(patience_seconds)
        finally:
            await self._release()
