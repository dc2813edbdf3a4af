"""Review items and verdicts as the API shows them, and what people send."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from roadworthy.records import Json
from roadworthy.review import Choice, Item, ItemStatus, Kind, Stats, Vote
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import Line

REVIEW_ID = r"^review_[0-9a-f]{32}$"
_LONGEST_NOTE = 2_000

Note = Annotated[str, Field(max_length=_LONGEST_NOTE)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class VerdictBody(_Body):
    """What a person says of a held answer."""

    verdict: Choice
    value: Any = None
    """The whole new answer, for `edit`."""
    note: Note = ""
    """Why; needed for `reject`."""


class AnswerBody(_Body):
    """The answer to a call that no model could answer."""

    value: Any
    """What the schema of the question describes, or text."""
    note: Note = ""


class DeclineBody(_Body):
    """Why there is no answer."""

    note: Annotated[str, Field(min_length=1, max_length=_LONGEST_NOTE)]


class ClaimBody(_Body):
    """For how long somebody looks at an item."""

    seconds: Annotated[float, Field(gt=0, le=3_600)] = 120


class AssignBody(_Body):
    """Who is to decide."""

    to: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    """A person's name; null for nobody in particular."""


class DraftBody(_Body):
    """What somebody has written so far, in a form of their own."""

    draft: Any


class VerdictOut(Shown):
    """One person's verdict."""

    by: str
    verdict: Choice
    value: Any
    note: str
    at: datetime


class DraftOut(Shown):
    """One's own draft."""

    draft: Any
    saved_at: datetime


class ReviewOut(Shown):
    """A question to a person, as lists show it."""

    id: str = Field(examples=["review_019a2b3c4d5e7f608192a3b4c5d6e7f8"])
    kind: Kind
    status: ItemStatus
    environment: str
    workflow: str
    tenant: str
    user_id: str
    prompt_id: str
    prompt_version: str
    call_id: str | None
    run_id: str | None
    step_id: str | None
    decision_id: str | None
    reason: str
    version: int
    """To be sent back as `If-Match` with what was decided on it."""
    people: int
    """How many have to agree."""
    roles: list[str]
    escalate_to: list[str]
    assigned_to: str | None
    claimed_by: str | None
    claimed_until: datetime | None
    created_at: datetime
    due_at: datetime | None
    escalated_at: datetime | None
    answered_by: str | None
    answered_at: datetime | None


class ReviewDetail(ReviewOut):
    """An item with everything that the caller may see of it."""

    content: bool
    """Whether question, answer, verdicts and note are shown: it takes the permission `runs.content`."""
    question: Any = None
    """For a held answer its value, schema, evidence and checks; else messages, inputs, schema and replies."""
    answer: Any = None
    note: str = ""
    verdicts: list[VerdictOut] = Field([])
    """Of an open item, others' only once one has given one's own."""
    draft: DraftOut | None = None


class ReviewList(Shown):
    """A page of items."""

    reviews: list[ReviewOut]
    next: str | None


class StatsOut(Shown):
    """How much was decided by whom, and how well, for a workflow and version."""

    workflow: str
    prompt_version: str
    figures: dict[str, Any]


class StatsList(Shown):
    """The sampling's figures."""

    stats: list[StatsOut]


def review_out(item: Item) -> ReviewOut:
    """An item as lists show it."""
    return ReviewOut.model_validate(item.as_json())


def verdict_out(vote: Vote) -> VerdictOut:
    """One person's verdict."""
    return VerdictOut.model_validate(vote.as_json())


def stats_out(one: Stats) -> StatsOut:
    """The figures of one workflow and version."""
    figures: dict[str, Json] = dict(one.as_json())
    workflow, version = str(figures.pop("workflow")), str(figures.pop("prompt_version"))
    return StatsOut(workflow=workflow, prompt_version=version, figures=figures)
