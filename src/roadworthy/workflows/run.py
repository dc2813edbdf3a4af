"""Runs, their steps and attempts: the records and their states (drawn in `docs/states.md`)."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from roadworthy.records import Json, from_micro_usd, iso


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    """Ready; the next free worker takes it."""
    RUNNING = "running"
    """A worker executes it; the worker's heartbeat says whether it still lives."""
    WAITING = "waiting"
    """For a signal or a time; held by no process."""
    PARKED = "parked"
    """The workflow's code changed since the run began; a person says how to go on. Nothing was replayed."""
    SUCCEEDED = "succeeded"
    """Returned a value."""
    SKIPPED = "skipped"
    """Returned `skip(reason)`: a rule decided that there is nothing to do."""
    REJECTED = "rejected"
    """A decision was no, and the workflow let it end the run; the reason is on record."""
    DEAD = "dead"
    """Could not finish; the cause and the step are on record. Can be resumed from there."""
    CANCELLED = "cancelled"
    """Stopped by request."""


FINISHED = frozenset(
    {RunStatus.SUCCEEDED, RunStatus.SKIPPED, RunStatus.REJECTED, RunStatus.CANCELLED, RunStatus.DEAD}
)
"""States in which nothing happens any more unless somebody acts."""

RESUMABLE = frozenset({RunStatus.DEAD, RunStatus.CANCELLED, RunStatus.PARKED})


class StepStatus(StrEnum):
    """Where a step stands."""

    RUNNING = "running"
    """An attempt is under way, or its worker died in it."""
    SUCCEEDED = "succeeded"
    """Finished; never run again."""
    FAILED = "failed"
    """Gave up; the workflow got a `StepFailed`."""
    STOPPED = "stopped"
    """Its run ended while it was under way; done again if the run is resumed."""


class AttemptStatus(StrEnum):
    """How one attempt of a step ended. One that is under way is on its step's row."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    """Its worker died or left before it ended."""


class StepKind(StrEnum):
    """What a step does."""

    STEP = "step"
    ACTION = "action"
    """Acts on the outside, under a key."""
    CALL = "call"
    """Asks a model."""
    CHILD = "child"
    """Starts runs of other workflows, or collects them."""
    DECISION = "decision"
    """Decides on an answer, or takes what people decided."""
    WAIT = "wait"
    """Notes when to wake, or takes a signal."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as values: it reads the same live and after a restart."""

    kind: str
    message: str
    attempts: int = 1
    step: str = ""
    position: int | None = None

    def as_json(self) -> dict[str, Json]:
        """For storage."""
        return {
            "kind": self.kind,
            "message": self.message,
            "attempts": self.attempts,
            "step": self.step,
            "position": self.position,
        }

    @classmethod
    def from_json(cls, value: Any) -> "Failure":
        """The reverse of `as_json`."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a workflow, as lists show it."""

    id: str
    workflow: str
    status: RunStatus
    environment: str
    tenant: str
    user_id: str
    tags: tuple[str, ...]
    idempotency_key: str | None
    fingerprint: str
    traceparent: str
    parent_run_id: str | None
    replay_of: str | None
    batch_id: str | None
    batch_item: int | None
    schedule: str | None
    lane: str
    """How its calls are asked: `live`, or `provider-batch` as long as `lane_until` is not over."""
    lane_until: int | None
    worker_id: str | None
    claim: int
    waiting_for: str | None
    created_at: int
    due_at: int | None
    started_at: int | None
    finished_at: int | None
    deadline_at: int | None
    over_budget: bool
    skip_reason: str | None
    """Why it was skipped, or rejected."""
    error_kind: str | None
    error_message: str | None
    error_step: str | None
    error_position: int | None
    cost_micro_usd: int

    @property
    def cost_usd(self) -> Decimal:
        """What its calls cost, exactly."""
        return from_micro_usd(self.cost_micro_usd)

    @property
    def seconds(self) -> float | None:
        """From start to finish; None before it has finished."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at) / 1000

    def as_json(self) -> dict[str, Json]:
        """For `--json` and logs: times as ISO 8601, cost as a decimal string in dollars."""
        times = {
            name: iso(value) if (value := getattr(self, name)) is not None else None
            for name in ("created_at", "lane_until", "due_at", "started_at", "finished_at", "deadline_at")
        }
        plain = (
            "id", "environment", "workflow", "tenant", "user_id", "idempotency_key", "fingerprint",
            "parent_run_id", "replay_of", "batch_id", "batch_item", "schedule", "lane", "worker_id",
            "waiting_for", "over_budget", "skip_reason", "error_kind", "error_message", "error_step",
            "error_position",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain},
            **times,
            "status": self.status.value,
            "tags": list(self.tags),
            "seconds": self.seconds,
            "cost_usd": str(self.cost_usd),
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a step."""

    number: int
    status: AttemptStatus
    worker_id: str
    started_at: int
    finished_at: int
    error_kind: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run, with what went in and what came out."""

    id: str
    run_id: str
    position: int
    rewound: int
    name: str
    key: str
    kind: StepKind
    status: StepStatus
    attempt: int
    """The number of the last attempt, from 1."""
    worker_id: str
    """Who made that attempt."""
    started_at: int
    finished_at: int | None
    over_budget: bool
    error_kind: str | None
    error_message: str | None
    input: Json = None
    output: Json = None
    attempts: tuple[Attempt, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        return {
            "id": self.id,
            "position": self.position,
            "name": self.name,
            "kind": self.kind.value,
            "status": self.status.value,
            "attempt": self.attempt,
            "worker_id": self.worker_id,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at) if self.finished_at is not None else None,
            "over_budget": self.over_budget,
            "error_kind": self.error_kind,
            "error_message": self.error_message,
            "rewound": bool(self.rewound),
            "input": self.input,
            "output": self.output,
            "attempts": [
                {
                    "number": attempt.number,
                    "status": attempt.status.value,
                    "worker_id": attempt.worker_id,
                    "started_at": iso(attempt.started_at),
                    "finished_at": iso(attempt.finished_at),
                    "error_kind": attempt.error_kind,
                    "error_message": attempt.error_message,
                }
                for attempt in self.attempts
            ],
        }
