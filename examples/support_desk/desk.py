"""The desk's own nouns: a ticket, a passage of the handbook, a reply, and what became of a ticket.

They cross step boundaries and are stored with the run, so they are Pydantic models.
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_REPLY = 240
"""Characters; bounded so that a small model comes to an end."""


class Ticket(BaseModel):
    """What a customer wrote. Everything in it is untrusted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    customer: str
    subject: str = ""
    text: str = ""


class Passage(BaseModel):
    """A piece of the handbook that may answer a ticket."""

    model_config = ConfigDict(frozen=True)

    title: str
    """The heading of its section."""
    text: str
    """The paragraphs that were picked, fit to be sent to a customer."""
    score: float = 0
    """How well the section fits the ticket's words; comparable within one ticket only."""


class Reply(BaseModel):
    """A drafted answer. Nothing is sent because a model said so; see `checks.py`."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["answer", "refuse", "hand_over"]
    """`hand_over` means that a person answers; its message is for that person."""
    message: str = Field(min_length=1, max_length=LONGEST_REPLY)


class Result(BaseModel):
    """What became of a ticket, and why."""

    model_config = ConfigDict(frozen=True)

    ticket_id: str
    outcome: Literal["answer", "refuse", "hand_over"]
    rung: Literal["model", "rule", "needs a person"]
    """Who answered."""
    why: str
    """The rule that decided, or what a check found wrong with the model's draft."""
    message: str
    """What was sent to the customer, or for `hand_over` the note to the colleague."""


def read_tickets(path: Path) -> dict[str, Ticket]:
    """All tickets of a JSONL file by their id."""
    with path.open(encoding="utf-8") as lines:
        tickets = [Ticket.model_validate(json.loads(line)) for line in lines if line.strip()]
    return {ticket.id: ticket for ticket in tickets}
