"""Runs and steps as the API shows them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from roadworthy.records import Json
from roadworthy.service.strict import Line
from roadworthy.workflows import Run, RunStatus, Step

RUN_ID = r"^run_[0-9a-f]{32}$"
_EXAMPLE_ID = "run_019a2b3c4d5e7f608192a3b4c5d6e7f8"
When = Annotated[datetime | None, Query(description="With its zone; UTC where it has none.")]


def milliseconds(moment: datetime | None) -> int | None:
    """A time since 1970."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


class Shown(BaseModel):
    """What models of responses share: the line under a field is its description."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class RunBody(BaseModel):
    """A run to be started."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="forbid",
        json_schema_extra={"examples": [{"input": {"ticket_id": "t-17"}, "tags": ["import"]}]},
    )

    input: dict[str, Any] = {}
    """The workflow's input, by name; `GET /v1/workflows/{name}` has its schema."""
    tags: list[Line] = Field([], max_length=50)
    """Words to filter by."""
    user_id: Line = ""
    """For whom it is."""
    tenant: Line | None = None
    """Whose it is. Left out, the one that the key is for."""
    due_at: datetime | None = None
    """When it may begin; left out, at once. A time without a zone is in UTC."""


class RunOut(Shown):
    """One execution of a workflow."""

    id: str = Field(examples=[_EXAMPLE_ID])
    workflow: str
    status: RunStatus
    environment: str
    tenant: str
    user_id: str
    tags: list[str]
    idempotency_key: str | None
    fingerprint: str
    """A hash of the workflow's code as it was when the run began."""
    parent_run_id: str | None
    replay_of: str | None
    batch_id: str | None
    batch_item: int | None
    schedule: str | None
    lane: str
    lane_until: datetime | None
    worker_id: str | None
    waiting_for: str | None
    created_at: datetime
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    over_budget: bool
    skip_reason: str | None
    error_kind: str | None
    error_message: str | None
    error_step: str | None
    error_position: int | None
    seconds: float | None
    """From start to finish."""
    cost_usd: str
    """What its calls cost, in US dollars, as an exact decimal."""


class AttemptOut(Shown):
    """One try of a step."""

    number: int
    status: str
    worker_id: str
    started_at: datetime
    finished_at: datetime
    error_kind: str | None
    error_message: str | None


class StepOut(Shown):
    """One step of a run."""

    id: str
    position: int
    name: str
    kind: str
    status: str
    attempt: int
    worker_id: str
    started_at: datetime
    finished_at: datetime | None
    over_budget: bool
    error_kind: str | None
    error_message: str | None
    rewound: bool
    """Whether it was set aside, because the step was done again."""
    input: Any = None
    output: Any = None
    attempts: list[AttemptOut]


class RunDetail(RunOut):
    """A run with everything that is on record of it."""

    content: bool
    """Whether inputs and outputs are shown: it takes the permission `runs.content`."""
    input: Any = None
    output: Any = None
    steps: list[StepOut]
    children: list[RunOut]


class RunList(Shown):
    """A page of runs, newest first."""

    runs: list[RunOut]
    next: str | None
    """Give this as `after` for the page that follows; null at the end."""


def run_out(run: Run) -> RunOut:
    """A run."""
    return RunOut.model_validate(run.as_json())


def step_out(step: Step, *, content: bool) -> dict[str, Json]:
    """A step; what went in and out only with `content`."""
    made = step.as_json()
    return made if content else {**made, "input": None, "output": None}
