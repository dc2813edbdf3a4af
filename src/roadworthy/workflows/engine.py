"""The durable engine, DBOS, behind the few verbs that the rest needs. No other module knows it.

The engine keeps the checkpoints: which step of a run finished, with what outcome, in which order. Runs, their
states and everything that people look at are our own tables (`store.py`). A run is one engine workflow of the
same id, whose body is ours. It reaches the engine in three ways: `start` (first time, in this process),
`requeue` (again: after a crash, a wait or a resume; whichever worker polls next continues it) and `rewind`
(again, from a step).

The body leaves a run unfinished by raising a `BaseException`: the engine then records nothing and the run
can be requeued. An `Exception` never reaches it, so it never stores an outcome of its own making, and only
JSON is ever written: outcomes, failures included, are values.
"""

import asyncio
import importlib
import json
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, cast

from sqlalchemy.exc import SQLAlchemyError

from roadworthy.db import Database
from roadworthy.errors import Bug, DatabaseError, OrderChanged, StateConflict
from roadworthy.records import Json

RunBody = Callable[[str], Awaitable[None]]
StepBody = Callable[[], Awaitable[Json]]

_QUEUE = "roadworthy"
_LISTENER_SECONDS = 0.05
"""The engine's listener looks into two empty dictionaries this often; stopping waits for its sleep to end."""
_VERSION = "roadworthy-1"
"""Constant, so that no upgrade orphans pending runs; changed code is noticed by fingerprint instead."""


class Leave(BaseException):
    """Raised by a run's body to stop working on the run without finishing it in the engine."""


class Interrupted(Leave):
    """Leaves the run because the database failed. No workflow can take it for a failed step."""


class _Escape(BaseException):
    """Carries an error past the engine, which would otherwise store it as the step's outcome."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Reservation:
    """A place in the run's order of steps, drawn before the step runs."""

    def __init__(self, reserved: Any) -> None:
        self._reserved = reserved
        self.position: int = reserved.step_id

    async def run(self, name: str, body: StepBody) -> Json:
        """The checkpointed outcome of the step at this place, or that of `body`, checkpointed now.

        Raises `OrderChanged` when another step was recorded here, `Leave` when another worker took the run,
        and `Interrupted` when the database failed.
        """
        from dbos._error import DBOSUnexpectedStepError, DBOSWorkflowConflictIDError

        async def guarded() -> Json:
            try:
                return await body()
            except Exception as error:
                raise _Escape(error) from error

        try:
            return cast("Json", await self._reserved.run_async({"name": name}, guarded))
        except _Escape as escape:
            if isinstance(escape.cause, DatabaseError):
                raise Interrupted(str(escape.cause)) from escape.cause
            raise escape.cause from escape.cause.__cause__
        except DBOSUnexpectedStepError as error:
            recorded = error.inputs[3]
            raise OrderChanged(
                f"Step {self.position} was {recorded!r} when this run first came here; "
                f"now the code asks for {name!r}.",
                hint="Steps must come in the same order on every replay. Fan out with app.map.",
            ) from error
        except DBOSWorkflowConflictIDError as error:
            raise Leave("another worker has finished this step") from error
        except Exception as error:
            # A step's own error comes as an escape; this one is the engine's.
            cause = _of_database(error)
            if cause is None:
                raise
            raise Interrupted(f"The checkpoint of step {name!r} could not be read or stored.") from cause


class _JsonSerializer:
    """Writes JSON; refuses to read anything else (the engine's own default is pickle)."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, allow_nan=False, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> Any:
        try:
            return json.loads(serialized_data)
        except ValueError as error:
            raise Bug(
                "A checkpoint of the engine is not JSON.", hint="Was it written by other software?"
            ) from error

    def name(self) -> str:
        return "roadworthy_json"


class Engine:
    """The engine of this process. One process has at most one that is launched."""

    launched: ClassVar["Engine | None"] = None
    _registered: ClassVar[Any] = None

    def __init__(self, database: Database, executor_id: str, body: RunBody) -> None:
        self._database = database
        self.executor_id = executor_id
        self._body = body

    def launch(self) -> None:
        """Begin to execute. Call it on the event loop that runs are to use.

        `executor_id` must be new for every process: two with the same id would run the same steps twice.
        """
        if Engine.launched is not None:
            raise StateConflict(
                "This process already executes runs.", hint="Use one running App per process."
            )
        from dbos import DBOS

        _silence()
        url = self._database.url.render_as_string(hide_password=False)
        DBOS(
            config={
                "name": "roadworthy",
                "system_database_url": url,
                "system_database_engine": self._database.engine,
                "application_version": _VERSION,
                "executor_id": self.executor_id,
                "serializer": cast("Any", _JsonSerializer()),
                "use_listen_notify": False,
                "notification_listener_polling_interval_sec": _LISTENER_SECONDS,
                "scheduler_polling_interval_sec": 3600.0,
                "run_migrations": self._database.is_sqlite,
                "max_executor_threads": 8,
                "log_level": "CRITICAL",
            }
        )
        _silence()
        Engine.launched = self
        if Engine._registered is None:
            Engine._registered = DBOS.workflow(name="roadworthy.run", max_recovery_attempts=None)(_enter)
        DBOS.launch()

    async def open_queue(self, polling_seconds: float) -> None:
        """Listen for requeued runs, looking every `polling_seconds`."""
        from dbos import DBOS

        await DBOS.register_queue_async(_QUEUE, polling_interval_sec=polling_seconds)

    async def stop(self) -> None:
        """Stop executing. Runs in flight stay unfinished and can be requeued."""
        from dbos import DBOS

        if Engine.launched is not self:
            return
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as own:
            await loop.run_in_executor(own, DBOS.destroy)
        # The engine had made its own threads the loop's, and they are gone now.
        loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="roadworthy"))
        Engine.launched = None

    async def start(self, run_id: str) -> None:
        """Execute a run for the first time, in this process."""
        from dbos import DBOS, SetWorkflowID

        with SetWorkflowID(run_id):
            await cast("Any", DBOS).start_workflow_async(Engine._registered, run_id)

    async def requeue(self, run_id: str) -> None:
        """Let any worker continue a run that was left. A run the engine never saw is started here."""
        if not await asyncio.to_thread(self._requeue, run_id):
            await self.start(run_id)

    async def rewind(self, run_id: str, position: int) -> None:
        """Forget the checkpoints from `position` on, and let any worker continue from there."""
        from dbos import DBOS

        if await asyncio.to_thread(self._status, run_id) is None:
            await self.start(run_id)
            return
        await DBOS.cancel_workflow_async(run_id)
        await DBOS.rewind_workflow_async(run_id, start_step=max(1, position), queue_name=_QUEUE)

    async def forget(self, run_ids: list[str]) -> None:
        """Delete everything the engine keeps of these runs."""
        from dbos import DBOS

        if run_ids:
            await DBOS.delete_workflows_async(run_ids)

    def reserve(self) -> Reservation:
        """Draw the next place in the order of the current run's steps."""
        from dbos import DBOS

        return Reservation(DBOS.reserve_step())

    async def enter(self, run_id: str) -> None:
        """Called by the engine with a run to execute."""
        await self._body(run_id)

    def _status(self, run_id: str) -> Any:
        return _system_database().get_workflow_status(run_id)

    def _requeue(self, run_id: str) -> bool:
        system = _system_database()
        status = system.get_workflow_status(run_id)
        if status is None:
            return False
        if status["status"] == "PENDING":
            # Private in the engine: its public resume also forgets deadlines. A contract test pins it.
            system.reenqueue_for_recovery(run_id, [status["executor_id"]], _QUEUE)
        elif status["status"] != "ENQUEUED":
            system.resume_workflows([run_id], queue_name=_QUEUE)
        return True


def migrate(database: Database) -> None:
    """Create or upgrade the engine's own tables."""
    from dbos import DBOS

    _silence()
    if not database.is_sqlite:  # on SQLite the launch does it, on our own connections
        DBOS.migrate(database.url.set(drivername="postgresql").render_as_string(hide_password=False))


def _silence() -> None:
    """The engine logs to a handler of its own, on whatever standard error was when it was made."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.CRITICAL)
    logger.handlers.clear()


def _system_database() -> Any:
    """The engine's own store: what it has no public verb for is asked here, and pinned by a contract test."""
    instance = importlib.import_module("dbos._dbos")._get_dbos_instance()  # noqa: SLF001
    return instance._sys_db  # noqa: SLF001


def _of_database(error: BaseException | None) -> SQLAlchemyError | None:
    """The database's error that it is or came from: handling one may have raised another."""
    while error is not None and not isinstance(error, SQLAlchemyError):
        error = error.__cause__ or error.__context__
    return error


async def _enter(run_id: str) -> None:
    engine = Engine.launched
    if engine is None:
        raise Leave("this process has stopped executing runs")
    await engine.enter(run_id)
