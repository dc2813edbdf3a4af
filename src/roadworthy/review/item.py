"""What waits for a person: the record and its states (drawn in `docs/states.md`)."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from roadworthy.records import Json, iso
from roadworthy.review.reviewer import OWNER


class Kind(StrEnum):
    """What a person is asked for."""

    ANSWER = "answer"
    """The answer to a call that no model could answer."""
    DECISION = "decision"
    """Whether an answer stands; the run waits for it."""
    SAMPLE = "sample"
    """Whether an automatic decision was right; the run has gone on."""


class ItemStatus(StrEnum):
    """Where a review item stands."""

    OPEN = "open"
    """Waits for a person."""
    ANSWERED = "answered"
    """A person gave the answer; the run goes on with it."""
    DECLINED = "declined"
    """A person said that there is no answer; the call that waits for it fails."""
    APPROVED = "approved"
    """People decided that the answer stands."""
    EDITED = "edited"
    """People decided that it stands as they changed it."""
    REJECTED = "rejected"
    """People decided that it does not stand."""
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
    """When it should be closed, or goes to the next role."""
    version: int = 1
    """One more with each change that whoever decides has to know of; claims and drafts are none."""
    people: int = 1
    """How many have to agree."""
    roles: tuple[str, ...] = ("reviewer",)
    """Whoever has one of these may decide now; whoever has a later one, or is an owner, may as well."""
    escalate_to: tuple[str, ...] = ()
    """The roles that follow when it is overdue, or when two people disagree."""
    escalate_after_ms: int | None = None
    """How long each of them has."""
    escalated_at: int | None = None
    assigned_to: str | None = None
    """The name of the person who is to do it; others may."""
    claimed_by: str | None = None
    """The id of the person who looks at it until `claimed_until`; others are warned, not kept out."""
    claimed_name: str | None = None
    claimed_until: int | None = None
    decision_id: str | None = None
    """A sample: the decision it is about. A held answer: what came of it, once the run has gone on."""
    answered_by: str | None = None
    """Who answered, decided or declined."""
    answered_at: int | None = None
    """When it was closed, by whomever."""
    note: str = ""
    """What that person wants to be remembered of it."""
    question: Json = None
    """What a `Question` says as JSON, or a `Held` where an answer is there already; None in lists."""
    answer: Json = None
    """The value that was given, or the edited one; None in lists, and while there is none."""

    @property
    def answer_text(self) -> str:
        """The answer as a model would have said it, to be checked against the declared type."""
        return self.answer if isinstance(self.answer, str) else json.dumps(self.answer)

    def may_be_decided_with(self, roles: Collection[str]) -> bool:
        """Whether these roles are enough."""
        return not {OWNER, *self.roles, *self.escalate_to}.isdisjoint(roles)

    def as_json(self, *, content: bool = False) -> dict[str, Json]:
        """For `--json`: times as ISO 8601; what people and models wrote only with `content`."""
        plain = (
            "id", "environment", "workflow", "tenant", "user_id", "prompt_id", "prompt_version", "call_id",
            "run_id", "step_id", "decision_id", "reason", "version", "people", "assigned_to", "answered_by",
        )  # fmt: skip
        times = {
            name: iso(value) if (value := getattr(self, name)) is not None else None
            for name in ("created_at", "due_at", "escalated_at", "claimed_until", "answered_at")
        }
        made: dict[str, Json] = {name: getattr(self, name) for name in plain}
        made |= {**times, "kind": self.kind.value, "status": self.status.value}
        made |= {"roles": list(self.roles), "escalate_to": list(self.escalate_to)}
        made |= {"claimed_by": self.claimed_name}
        if content:
            made |= {"note": self.note, "question": self.question, "answer": self.answer}
        return made


def signal_name(review_id: str) -> str:
    """The signal that a run waits for when it waits for this item."""
    return f"review:{review_id}"
