"""The app: loads a project, builds its parts and connects them. The only place where anything is wired.

app = App.load(__file__)          settings, prompts, models, database are found from the project's folder
@app.step / @app.action / @app.workflow / app.prompt(...)
async with app.running():         a worker in this process
    handle = await app.start(answer_ticket, ticket_id="t-17")
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

import sqlalchemy as sa

from roadworthy.access import Access, Principal
from roadworthy.access.office import Note
from roadworthy.audit import SYSTEM, Actor, ActorKind, Audit, Keyring, Outcome, acting, current_actor
from roadworthy.audit import Action as AuditAction
from roadworthy.calls import Answer, Decision, Output, Pipeline
from roadworthy.db import Database, require_current, upgrade
from roadworthy.errors import ConfigurationError, Fault, NotFound, SettingsError, did_you_mean
from roadworthy.models import AnswerCache, Gates, LearnedRouter, Models
from roadworthy.monitoring import RollUps
from roadworthy.prompts import Prompts, Version, load_prompts
from roadworthy.prompts import store as prompt_store
from roadworthy.records import Clock, Ids, Json, RandomIds, SystemClock
from roadworthy.review import Reviews, signal_name
from roadworthy.review import store as review_store
from roadworthy.review.feedback import Feedbacks
from roadworthy.settings import RouteSettings, Settings, find_root
from roadworthy.telemetry import Scrubber, Telemetry
from roadworthy.workflows import (
    Action,
    Batches,
    Decider,
    Doorbell,
    Handle,
    OnError,
    Parts,
    Prompt,
    Rehearse,
    Retry,
    Runs,
    Scheduler,
    StepFunction,
    Surroundings,
    Worker,
    Workflow,
    action_of,
    as_json,
    call_child,
    current_run,
    fan_out,
    sleep,
    step_of,
    wait,
    wait_for_signal,
)

_log = logging.getLogger("roadworthy")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Item = TypeVar("Item")

AnyFunction = Callable[P, Coroutine[Any, Any, R]] | Callable[P, R]


class App:
    """A project, ready to be used. Make it with `App.load`."""

    def __init__(
        self, settings: Settings, prompts: Prompts, *, clock: Clock | None = None, ids: Ids | None = None
    ) -> None:
        self.settings = settings
        self.prompts = prompts
        self.clock = clock or SystemClock()
        self._ids = ids or RandomIds(self.clock)
        self._doorbell = Doorbell()
        self._workflows: dict[str, Workflow[..., Any]] = {}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._asked: dict[str, list[Prompt[Any]]] = {}
        self._worker: Worker | None = None
        self.rehearse: Rehearse | None = None
        """What runs do in place of every action, for drills; None: they act. Set it before the app runs."""

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

    # What a project declares

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
            route=lambda workflow: self._route(prompt_id, workflow),
            task=lambda: self._task(prompt_id),
            reviews=lambda: self.reviews,
            write=self._write,
            scrub=self._scrub,
        )
        made: Prompt[T] = Prompt(prompt_id, Output(output), surroundings)
        self._asked.setdefault(prompt_id, []).append(made)
        return made

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

    sleep = staticmethod(sleep)
    wait_for_signal = staticmethod(wait_for_signal)

    # The parts

    @cached_property
    def telemetry(self) -> Telemetry:
        """Spans, events, logs; knows every secret, so that none gets into them."""
        scrubber = Scrubber()
        for model in self.settings.models.values():
            if (secret := self.settings.secret(model)) is not None:
                scrubber.register(secret.get_secret_value())
        password = self.database.url.password
        if password:
            scrubber.register(str(password))
        return Telemetry(self.settings.telemetry, environment=self.settings.environment, scrubber=scrubber)

    @cached_property
    def database(self) -> Database:
        """The one database, as the settings name it."""
        chosen = self.settings.database
        return Database(
            chosen.url,
            durability=chosen.durability,
            pool_size=chosen.pool_size,
            busy_timeout_seconds=chosen.busy_timeout_seconds,
            connect_timeout_seconds=chosen.connect_timeout_seconds,
        )

    @cached_property
    def models(self) -> Models:
        """The models of the settings."""
        return Models(self.settings, self._functions)

    @cached_property
    def pipeline(self) -> Pipeline:
        """What makes the calls."""
        return Pipeline(
            settings=self.settings,
            models=self.models,
            gates=self.gates,
            cache=self.answers,
            database=self.database,
            telemetry=self.telemetry,
            clock=self.clock,
            ids=self._ids,
            load_router=self._load_router,
        )

    @cached_property
    def gates(self) -> Gates:
        """Which models may be asked just now: breakers, paces, open requests."""
        return Gates(
            clock=self.clock,
            telemetry=self.telemetry,
            database=self.database,
            environment=self.settings.environment,
            process=self._ids.new("process"),
        )

    @cached_property
    def answers(self) -> AnswerCache:
        """Answers that are given again."""
        return AnswerCache(self.database, self.clock)

    @cached_property
    def runs(self) -> Runs:
        """Start, find, cancel, resume and replay runs."""
        return Runs(self._parts, self._workflows, self._doorbell)

    @cached_property
    def batches(self) -> Batches:
        """Runs over the lines of a file."""
        return Batches(self._parts, self.runs, self._doorbell)

    @cached_property
    def reviews(self) -> Reviews:
        """What waits for a person, and the answers that people give."""

        def ring(run_id: str) -> None:
            self._doorbell.ring(f"signal:{run_id}")
            self._doorbell.work.set()

        return Reviews(
            self.database,
            self.clock,
            self._ids,
            self.settings.environment,
            wake=_wake_after_review,
            ring=ring,
            telemetry=self.telemetry,
            audit=self.audit,
            workflows=self.settings.workflows,
        )

    @cached_property
    def rollups(self) -> RollUps:
        """What the calls of each hour come to, for reports."""
        return RollUps(self.database, self.clock)

    @cached_property
    def audit(self) -> Audit:
        """Who did what."""
        return Audit(
            self.database,
            self.clock,
            self._ids,
            self.settings.environment,
            keyring=self._keyring,
            scrub=self._scrub,
            seal_after_seconds=self.settings.audit.seal_after_seconds,
        )

    @cached_property
    def access(self) -> Access:
        """Who somebody is, and what they may do."""
        return Access(self.database, self.clock, self._ids, self.settings.access, self._note)

    @cached_property
    def feedback(self) -> Feedbacks:
        """What end users say of outputs; `await app.feedback.link(answer.call_id)` lets them."""
        return Feedbacks(
            self.database,
            self.clock,
            self._ids,
            self.settings.environment,
            audit=self.audit,
            address=self.address,
        )

    @property
    def address(self) -> str:
        """Where people reach the service, without a slash at its end."""
        service = self.settings.service
        return (service.public_url or f"http://{service.host}:{service.port}").rstrip("/")

    @cached_property
    def _decider(self) -> Decider:
        return Decider(lambda: self.reviews, self._output_of)

    @cached_property
    def _parts(self) -> Parts:
        return Parts(
            self.settings,
            self.database,
            self.clock,
            self._ids,
            self.telemetry,
            self.audit,
            rehearse=self.rehearse,
        )

    @property
    def workflows(self) -> Mapping[str, Workflow[..., Any]]:
        """The workflows declared so far, by name."""
        return self._workflows

    @property
    def doorbell(self) -> Doorbell:
        """Wakes what waits in this process."""
        return self._doorbell

    @property
    def ids(self) -> Ids:
        """Where ids come from."""
        return self._ids

    @property
    def worker_id(self) -> str | None:
        """The worker in this process; None when there is none."""
        return None if self._worker is None else self._worker.id

    def version(self, prompt_id: str) -> Version:
        """The version of a prompt that serves here: the one the settings name, else the newest label."""
        chosen = self.settings.prompts.get(prompt_id)
        return self.prompts.get(prompt_id).version(chosen.version if chosen else None)

    def routes_of(self, workflow: str) -> tuple[str, ...]:
        """The routes by which this workflow's calls go, for every prompt that the project asks.

        Raises `ConfigurationError` when no route serves one of them.
        """
        return tuple(dict.fromkeys(self._route(prompt_id, workflow) for prompt_id in self._asked))

    async def _write(self, work: Callable[[sa.Connection], Any]) -> Any:
        return await self.database.write(work)

    def _scrub(self, text: str) -> str:
        return self.telemetry.scrubber.scrub(text)

    def _keyring(self) -> Keyring:
        current, old = self.settings.audit_keys()
        for key in (*old, *([current] if current is not None else [])):
            self.telemetry.scrubber.register(key.get_secret_value())
        return Keyring.of(current, old)

    def _note(
        self,
        action: str,
        subject: str = "",
        *,
        by: Principal | None,
        refused: bool = False,
        detail: Mapping[str, Json] | None = None,
    ) -> Note:
        """An audit entry of what access does, to be stored with it."""
        kind, name, title = ActorKind.ANONYMOUS, "", ""
        if by is not None:
            kind, name, title = ActorKind(by.kind.value), by.id, by.name
        actor = Actor(kind, name, title, current_actor().request_id)
        outcome = Outcome.REFUSED if refused else Outcome.DONE
        entry = self.audit.entry(AuditAction(action), subject, actor=actor, outcome=outcome, detail=detail)
        return partial(self.audit.append, entry=entry)

    def _output_of(self, answer: Answer[Any]) -> tuple[Output[Any], tuple[str, ...]]:
        """The declared type of an answer, and the names of the checks that it has passed."""
        asked = self._asked.get(answer.prompt_version.rpartition("@")[0], [])
        fitting = [one for one in asked if _is_of(one.output, answer.value)]
        if not fitting:
            return Output(cast("type[Any]", type(answer.value))), ()
        return fitting[0].output, () if answer.rung in ("rule", "review") else fitting[0].checks

    def _task(self, prompt_id: str) -> str:
        chosen = self.settings.prompts.get(prompt_id)
        return (chosen.task if chosen else None) or prompt_id

    def _load_router(self, name: str, route: RouteSettings) -> tuple[LearnedRouter, bool]:
        """The trained router of a route, and whether the models behind its names are still those it knows.

        Raises `ConfigurationError` when it does not fit the route.
        """
        assert route.router is not None  # noqa: S101 - the settings were checked
        router = LearnedRouter.load(self.settings.path(route.router))
        router.require(name, route.models)
        changed = router.changed({model: self.models.target(model).model for model in route.models})
        if changed:
            _log.warning(
                "the router of route %r was trained for another model behind %s: everything goes to %r "
                "until it is trained again (roadworthy routes train %s)",
                name,
                ", ".join(map(repr, changed)),
                router.strong,
                name,
            )
        return router, not changed

    # Using it

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

    def check(self) -> None:
        """Check the settings against the code: names of workflows and prompts. Raises `SettingsError`."""
        faults: list[Fault] = []
        if self._workflows:
            named = [(f"workflows.{name}", name) for name in self.settings.workflows]
            named += [
                (f"schedules.{name}.workflow", one.workflow) for name, one in self.settings.schedules.items()
            ]
            for key, name in named:
                if name not in self._workflows:
                    hint = did_you_mean(name, self._workflows)
                    faults.append(Fault(f"[{key}]: there is no workflow {name!r}. {hint}".rstrip(), key=key))
        for prompt_id, chosen in self.settings.prompts.items():
            try:
                self.prompts.get(prompt_id).version(chosen.version)
            except NotFound as error:
                faults.append(Fault(f"[prompts.{prompt_id}]: {error}", key=f"prompts.{prompt_id}"))
        if faults:
            raise SettingsError(faults)

    @asynccontextmanager
    async def running(
        self, *, work: bool = True, patience_seconds: float | None = None
    ) -> AsyncGenerator["App"]:
        """The app, open; with `work`, this process executes runs. Closes everything at the end.

        `patience_seconds` is how long runs under way may go on then (`workers.shutdown_seconds` when None);
        what is left is for other workers.
        """
        self.open()
        for warning in self.models.warnings():
            _log.warning(warning)
        warming: asyncio.Task[None] | None = None
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
        try:
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

    async def _close(self, patience_seconds: float | None) -> None:
        try:
            if self._worker is not None:
                await self._worker.stop(patience_seconds=patience_seconds)
        finally:
            self._worker = None
            if "access" in self.__dict__:
                await self.access.settle()
            if "pipeline" in self.__dict__:
                await self.pipeline.close()
            if "gates" in self.__dict__:
                await self.gates.close()
            if "models" in self.__dict__:
                await self.models.close()
            self.telemetry.close()
            self.database.close()
            for name in (
                "database",
                "models",
                "gates",
                "answers",
                "pipeline",
                "runs",
                "batches",
                "reviews",
                "rollups",
                "access",
                "audit",
                "_decider",
                "feedback",
                "_parts",
                "telemetry",
            ):
                self.__dict__.pop(name, None)
            self._doorbell = Doorbell()  # the next use may be on another event loop

    def _route(self, prompt_id: str, workflow: str | None) -> str:
        asked = self.version(prompt_id).settings.route
        route = self.settings.route_for(prompt_id, workflow) or asked
        if route is None:
            raise ConfigurationError(
                f"No route serves prompt {prompt_id!r}.",
                hint=f"Add [routes.default] with models = [...], or [prompts.{prompt_id}] with route = ...",
            )
        if route not in self.settings.routes:
            raise ConfigurationError(
                f"Prompt {prompt_id!r} asks for route {route!r}, which the settings do not have.",
                hint=did_you_mean(route, self.settings.routes),
            )
        return route

    async def _call_workflow(self, workflow: Workflow[..., Any], arguments: dict[str, Any]) -> Any:
        if current_run.get() is not None:
            return await call_child(workflow, arguments)
        handle = await self.runs.start(
            workflow, as_json(arguments, f"The input of workflow {workflow.name!r}")
        )
        return await handle.result()


def _is_of(output: Output[Any], value: object) -> bool:
    """Whether a value is one of this type, and not only something that can be made into one."""
    try:
        return type(output.load(output.dump(value))) is type(value)
    except (ValueError, TypeError):
        return False


def _wake_after_review(tx: sa.Connection, run_id: str, review_id: str, now_ms: int) -> None:
    """Send the signal that the run waits for, once for each review."""
    status = review_store.get(tx, review_id).status.value
    wait.send(
        tx,
        signal_id=f"sig_{review_id.partition('_')[2]}",
        run_id=run_id,
        name=signal_name(review_id),
        payload={"review_id": review_id, "status": status},
        now_ms=now_ms,
    )


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
