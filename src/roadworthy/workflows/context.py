"""The run that the current code works for, and the rules for where a step may begin.

A step's place in the run is drawn when it begins, so two branches that each take several steps would swap
places after a crash. The run's own task may take steps one after another; any other task may take one.
"""

import asyncio
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from roadworthy.audit import Audit
from roadworthy.calls import Recording
from roadworthy.db import Database
from roadworthy.errors import DatabaseError, OrderError, StateConflict
from roadworthy.records import Clock, Ids
from roadworthy.settings import Settings
from roadworthy.telemetry import Telemetry
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.engine import Engine, Interrupted
from roadworthy.workflows.run import Run
from roadworthy.workflows.store.claims import Claim

T = TypeVar("T")

Effect = Callable[[sa.Connection], None]


@dataclass(frozen=True, slots=True)
class Act:
    """An action that a run is about to carry out."""

    action: str
    irreversible: bool
    key: str
    arguments: Mapping[str, Any]
    """What it is given, by name, without the key."""
    run_id: str
    output_schema: Callable[[], dict[str, Any]]
    """The JSON schema of what it returns."""


Rehearse = Callable[[Act], Any]
"""Takes an action's place: called in a thread instead of it, returns its result as JSON data."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the workflows feature is handed by the app."""

    settings: Settings
    database: Database
    clock: Clock
    ids: Ids
    telemetry: Telemetry
    audit: Audit
    rehearse: Rehearse | None = None
    """What runs do in place of every action; None: they act."""


@dataclass(slots=True)
class RunContext:
    """One execution of a run by this worker."""

    run: Run
    claim: Claim
    parts: Parts
    engine: Engine
    main_task: "asyncio.Task[Any]"
    depth: int
    rewound_from: int | None
    doorbell: Doorbell
    branches: "weakref.WeakSet[asyncio.Task[Any]]" = field(
        default_factory=weakref.WeakSet["asyncio.Task[Any]"]
    )
    in_flight: "set[asyncio.Task[Any]]" = field(default_factory=set["asyncio.Task[Any]"])
    flags: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """What flags the run's own task has read, by name and key."""
    idle: bool = False
    """True while the run only waits for its children, so that it takes no worker's place."""

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Read for the workflow itself; a database that fails interrupts the run and fails no step."""
        try:
            return await self.parts.database.read(work)
        except DatabaseError as error:
            raise Interrupted(str(error)) from error

    def check_order(self, step: str) -> None:
        """Raise `OrderError` when a step begun here could change places with another on replay."""
        task = asyncio.current_task()
        if task is self.main_task or task is None:
            return
        if task in self.branches:
            raise OrderError(
                f"Step {step!r} is the second of a parallel branch; a crash could swap its result.",
                hint="Make the branch a workflow of its own and fan out with app.map.",
            )
        self.branches.add(task)


@dataclass(slots=True)
class StepContext:
    """The step attempt that the current code works for."""

    run: RunContext
    step_id: str
    name: str
    position: int
    attempt: int
    effects: list[Effect] = field(default_factory=list[Effect])
    """Writes to be made in the transaction that stores the step's outcome."""
    recordings: list[Recording] = field(default_factory=list[Recording])
    """Calls that are stored in it, or by themselves when it is refused."""


current_run: ContextVar[RunContext | None] = ContextVar("roadworthy_run", default=None)
current_step: ContextVar[StepContext | None] = ContextVar("roadworthy_step", default=None)


def run_context(what: str) -> RunContext:
    """The current run; raises `StateConflict` outside of one, or inside a step."""
    context = current_run.get()
    if context is None:
        raise StateConflict(f"{what} works inside a workflow only.")
    if current_step.get() is not None:
        raise StateConflict(f"{what} cannot be used inside a step.", hint="Call it from the workflow itself.")
    return context
