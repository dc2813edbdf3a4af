"""All batches of a simulated provider: `Batches`, what a test has of them and what the server does with them.

    submitted ──► validating ──► in_progress ──► finalizing ──► completed, failed, expired, cancelled
                       `hold` stops it at one of the three until `finish`

A batch ends when somebody lets it, not when time passes: at once, at `finish`, or `after_seconds` on the
provider's clock. Only then its requests are answered, journaled and billed.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

from roadworthy.records import Clock
from roadworthy.testing.simulated.answers import Answers
from roadworthy.testing.simulated.batches.batch import Batch, End, Entry, Outcome, Stage
from roadworthy.testing.simulated.batches.faults import BatchExpires, BatchFails, BatchFault
from roadworthy.testing.simulated.batches.running import run
from roadworthy.testing.simulated.dialects import Dialect
from roadworthy.testing.simulated.faults import BadRequest, Fault
from roadworthy.testing.simulated.journal import Journal
from roadworthy.testing.simulated.received import NOTHING

Call = Literal["upload", "file", "create", "get", "list", "results", "cancel", "delete"]
"""What can be asked of the API; `file` is what is known of a file, `results` what is in it."""


class Batches:
    """The batches of one simulated provider."""

    def __init__(self, answers: Answers, journal: Journal, clock: Clock) -> None:
        self.hold: Stage | None = None
        """Batches that are submitted from now on stay at this stage until `finish`; None: they go on."""
        self.after_seconds = 0.0
        """Batches that are submitted from now on take so long, on the provider's clock."""
        self.run_before_cancel = 0
        """So many requests of a batch are run, from the first on, before a cancellation takes effect."""
        self.files: dict[str, tuple[str, bytes, int]] = {}
        """OpenAI's files: name, content, and when they were created, by their id."""
        self._answers = answers
        self._journal = journal
        self._clock = clock
        self._batches: list[Batch] = []
        self._calls: list[Call] = []
        self._faults: deque[BatchFault] = deque()
        self._call_faults: dict[Call, deque[Fault]] = {}
        self._created_files = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def submitted(self) -> tuple[Batch, ...]:
        """Every batch that was taken, in order, also those whose answer was lost or that are deleted."""
        return tuple(self._batches)

    @property
    def calls(self) -> tuple[Call, ...]:
        """What was asked of the API, in order."""
        return tuple(self._calls)

    def add(self, *faults: BatchFault) -> None:
        """What happens to the next batches, one each."""
        self._faults.extend(faults)

    def on(self, call: Call, *faults: Fault) -> None:
        """What happens to the next calls of this kind, one each: any error, broken body or connection.

        An error and a reset `before` keep the call from having its effect; all others lose its answer.
        """
        self._call_faults.setdefault(call, deque()).extend(faults)

    def finish(self) -> None:
        """Let every batch go on that is held. They have ended when they are asked for next."""
        for batch in self._batches:
            batch.held = False
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end_all)

    # What follows is for the server, in its event loop.

    def serve_here(self) -> None:
        """From now on batches end in this event loop."""
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()

    def called(self, call: Call) -> Fault | None:
        """Note a call; what is to happen to it."""
        self._calls.append(call)
        faults = self._call_faults.get(call)
        return faults.popleft() if faults else None

    def store(self, name: str, content: bytes) -> str:
        """Keep a file; its id."""
        self._created_files += 1
        file_id = f"file-sim{self._created_files:012d}"
        self.files[file_id] = (name, content, self._clock.now_ms())
        return file_id

    def create(
        self,
        prefix: str,
        dialect: Dialect,
        path: str,
        entries: list[Entry],
        headers: Mapping[str, str],
        *,
        errors: list[dict[str, Any]] | None = None,
        metadata: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        input_file_id: str = "",
    ) -> Batch:
        """Take a batch."""
        now_ms = self._clock.now_ms()
        batch = Batch(
            id=f"{prefix}sim{len(self._batches) + 1:012d}",
            dialect=dialect,
            path=path,
            entries=entries,
            created_ms=now_ms,
            due_ms=now_ms + round(self.after_seconds * 1000),
            stage=self.hold or "validating",
            held=self.hold is not None,
            fault=self._faults.popleft() if self._faults else None,
            headers=headers,
            metadata=metadata,
            params=params or {},
            input_file_id=input_file_id,
            errors=errors or [],
        )
        self._batches.append(batch)
        self._end_all()
        return batch

    async def get(self, id_: str, prefix: str) -> Batch | None:
        """The batch, ended if it is time."""
        for batch in self._batches:
            if batch.id == id_ and id_.startswith(prefix) and not batch.deleted:
                await self._end(batch)
                return batch
        return None

    async def newest_first(self, prefix: str) -> list[Batch]:
        """All batches of one API, ended if it is time."""
        found = [
            batch for batch in reversed(self._batches) if batch.id.startswith(prefix) and not batch.deleted
        ]
        for batch in found:
            await self._end(batch)
        return found

    def cancel(self, batch: Batch) -> None:
        """Have it end without running what has not been run; shows when it is asked for next."""
        batch.stage, batch.held = "cancelling", False
        batch.cancelled_ms = batch.due_ms = self._clock.now_ms()

    def delete(self, batch: Batch) -> None:
        """Forget it, but for the test's eyes."""
        batch.deleted = True

    def _end_all(self) -> None:
        for batch in self._batches:
            if self._is_due(batch):
                task = asyncio.get_running_loop().create_task(self._end(batch))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def _is_due(self, batch: Batch) -> bool:
        return batch.end is None and not batch.held and self._clock.now_ms() >= batch.due_ms

    async def _end(self, batch: Batch) -> None:
        """End the batch if it is time, once."""
        async with self._lock:
            if self._is_due(batch):
                end, ran = self._how_it_ends(batch)
                await run(batch, batch.entries[:ran], self._answers, self._journal, self._clock)
                for entry in batch.entries[ran:]:
                    entry.outcome = _not_run(batch, end)
                batch.end, batch.ended_ms = end, self._clock.now_ms()
            elif batch.stage == "validating" and not batch.held:
                batch.stage = "in_progress"

    def _how_it_ends(self, batch: Batch) -> tuple[End, int]:
        """With which status, and after how many requests."""
        fault = batch.fault
        if isinstance(fault, BatchFails):
            said = {"code": fault.code, "message": fault.message, "param": None, "line": fault.line}
            batch.errors.append(said)
        if batch.errors:
            return "failed", 0
        if batch.cancelled_ms is not None:
            return "cancelled", self.run_before_cancel
        if isinstance(fault, BatchExpires):
            return "expired", fault.ran
        return "completed", len(batch.entries)


def _not_run(batch: Batch, end: End) -> Outcome:
    """What becomes of a request that was not run."""
    if end == "failed":
        fault = BadRequest(str(batch.errors[0]["message"]))
        status, body = batch.dialect.error(fault.problem(NOTHING), "")
        return Outcome("errored", status, body)
    return Outcome("cancelled" if end == "cancelled" else "expired")
