"""An app on a stage, for evaluations of whole workflows: other settings, a database of its own, no actions.

The parts that the app has are set aside, so that what runs on the stage can touch none of them; they are
back when the stage is left. Workers of the project never see these runs: they are in another database.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from roadworthy.calls.sample import sample
from roadworthy.errors import BudgetSpent, RoadworthyError
from roadworthy.evals.settings import BUDGET
from roadworthy.evals.target import Outcome
from roadworthy.evals.targets.prompt import NEEDS_PERSON
from roadworthy.evals.targets.workflow import Run
from roadworthy.models import Models
from roadworthy.records import Json
from roadworthy.review import Item, ItemStatus, Kind, store
from roadworthy.settings import Settings
from roadworthy.workflows import Act, RunStatus, as_json
from roadworthy.workflows import Run as RunRecord

if TYPE_CHECKING:
    from roadworthy.app.app import App

_LOOK_SECONDS = 0.1


@asynccontextmanager
async def rehearsing(app: "App", settings: Settings, models: Models) -> AsyncGenerator[Run]:
    """The app by these settings and with these models on a stage; gives what runs a workflow there."""
    every = (its for one in type(app).__mro__ for its in vars(one).items())
    parts = {name for name, part in every if isinstance(part, cached_property)}
    built = vars(app)
    kept = {name: built.pop(name) for name in parts if name in built}
    before = app.settings, app.rehearse
    with tempfile.TemporaryDirectory(prefix="roadworthy-evals-") as folder:
        database = settings.database.model_copy(update={"url": f"sqlite:///{folder}/stage.db"})
        telemetry = settings.telemetry.model_copy(update={"exporter": "none"})
        stage = _Stage(app)
        app.settings = settings.model_copy(update={"database": database, "telemetry": telemetry})
        app.rehearse = stage.act
        app.models = models
        try:
            async with app.running(patience_seconds=0):
                looking = asyncio.create_task(stage.look())
                try:
                    yield stage.run
                finally:
                    looking.cancel()
                    await asyncio.gather(looking, return_exceptions=True)
        finally:
            app.settings, app.rehearse = before
            built.update(kept)


class _Stage:
    """What happens on the stage."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._acts: dict[str, list[dict[str, Any]]] = {}
        self._waiting: dict[str, asyncio.Future[Item]] = {}

    def act(self, act: Act) -> Any:
        """Take an action's place; what it returns is the plainest value of its declared type."""
        told: dict[str, Json] = {
            "action": act.action,
            "irreversible": act.irreversible,
            "key": act.key,
            "arguments": as_json(dict(act.arguments), f"What action {act.action!r} was given"),
        }
        self._acts.setdefault(act.run_id, []).append(told)
        return sample(act.output_schema())

    async def run(self, workflow: str, inputs: Mapping[str, Any]) -> Outcome:
        """Run a workflow until it has ended, or waits for a person."""
        try:
            handle = await self._app.runs.start(workflow, dict(inputs))
        except RoadworthyError as error:
            return Outcome(error=error.code, message=error.message)
        asked: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        self._waiting[handle.id] = asked
        ending = asyncio.create_task(self._app.runs.outcome(handle.id))
        began = self._app.clock.monotonic()
        try:
            await asyncio.wait({asked, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                run, output = ending.result()
                if run.error_kind == BudgetSpent.code:
                    raise BudgetSpent(run.error_message or "The budget is spent.", budget=BUDGET)
                outcome = _ended(run, output)
            else:
                run = await self._app.runs.get(handle.id)
                outcome = Outcome(error=NEEDS_PERSON, message=asked.result().reason)
        finally:
            self._waiting.pop(handle.id, None)
            if not ending.done():
                ending.cancel()
                await asyncio.shield(self._app.runs.cancel(handle.id))
        return replace(
            outcome,
            cost_usd=run.cost_usd,
            latency_seconds=self._app.clock.monotonic() - began,
            acts=tuple(self._acts.pop(handle.id, ())),
        )

    async def look(self) -> None:
        """See which runs wait for a person."""
        held = (Kind.ANSWER, Kind.DECISION)
        where = store.Filter(status=(ItemStatus.OPEN,), kind=held)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._waiting:
                continue
            for item in await self._app.reviews.find(where, limit=1000):
                waiting = self._waiting.get(item.run_id or "")
                if waiting is not None and not waiting.done():
                    waiting.set_result(item)


def _ended(run: RunRecord, output: Json) -> Outcome:
    """What a run came to. Why it was skipped or rejected is an output, too."""
    if run.status is RunStatus.SUCCEEDED:
        return Outcome(output=output)
    if run.status in (RunStatus.SKIPPED, RunStatus.REJECTED):
        return Outcome(output={run.status.value: run.skip_reason or ""})
    return Outcome(error=run.error_kind or run.status.value, message=run.error_message or "")
