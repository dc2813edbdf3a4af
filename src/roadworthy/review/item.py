"""What waits for a person: the record and its states (drawn in `docs/states.md`)."""

import json
from dataclasses import dataclass
from enum import StrEnum

from roadworthy.records import Json, iso


class Kind(StrEnum):
    """What a person is asked for."""

    ANSWER = "answer"
    """The answer to a call that no model could answer."""


class ItemStatus(StrEnum):
    """Where a review item stands."""

    OPEN = "open"
    """Waits for a person."""
    ANSWERED = "answered"
    """A person gave the answer; the run goes on with it."""
    DECLINED = "declined"
    """A person said that there is no answer; the call that waits for it fails."""
    WITHDRAWN = "withdrawn"
    """Nobody needs the answer any more: its run was stopped, or does the step again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question to a person, and what came of it."""

    id: str
    kind: Kind = Kind.ANSWER
    status: ItemStatus = ItemStatus.OPEN
    environment: str
    workflow: str = ""
    """Empty for a call outside of a workflow."""
    tenant: str = ""
    user_id: str = ""
    prompt_id: str = ""
    prompt_version: str = ""
    """For example `draft-reply@v2`."""
    call_id: str | None = None
    run_id: str | None = None
    """The run that waits for it; None when nothing does."""
    step_id: str | None = None
    reason: str
    """Why a person is asked, in words that quote neither question nor answers: lists show it."""
    created_at: int
    due_at: int | None = None
    answered_by: str | None = None
    """Who answered or declined."""
    answered_at: int | None = None
    """When it was answered, declined or withdrawn."""
    note: str = ""
    """What that person wants to be remembered of it."""
    question: Json = None
    """What a `Question` says as JSON; None in lists."""
    answer: Json = None
    """The value that was given; None in lists, and while there is none."""

    @property
    def answer_text(self) -> str:
        """The answer as a model would have said it, to be checked against the declared type."""
        return self.answer if isinstance(self.answer, str) else json.dumps(self.answer)

    def as_json(self, *, content: bool = False) -> dict[str, Json]:
        """For `--json`: times as ISO 8601; what people and models wrote only with `content`."""
        plain = (
            "id", "environment", "workflow", "tenant", "user_id", "prompt_id", "prompt_version", "call_id",
            "run_id", "step_id", "reason", "answered_by",
        )  # fmt: skip
        times = {
            name: iso(value) if (value := getattr(self, name)) is not None else None
            for name in ("created_at", "due_at", "answered_at")
        }
        made: dict[str, Json] = {name: getattr(self, name) for name in plain}
        made |= {**times, "kind": self.kind.value, "status": self.status.value}
        if content:
            made |= {"note": self.note, "question": self.question, "answer": self.answer}
        return made


def signal_name(review_id: str) -> str:
    """The signal that a run waits for when it waits for this item."""
    return f"review:{review_id}"
