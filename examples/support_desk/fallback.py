"""The last rung of the route: the handbook's own answer, as a model that is a Python function.

It answers when the small model fails within the call: it cannot be loaded, runs over its time, or breaks
off in the middle of its JSON. `support_desk.py` takes the same rule as a step when a draft fails its checks.
"""

from pathlib import Path

from desk import Reply, Ticket
from handbook import read_handbook
from rules import answer_from_handbook

from roadworthy.models import Request

HANDBOOK = Path(__file__).parent / "handbook.md"


def draft_by_rule(request: Request) -> Reply:
    """The rule's reply to the ticket among the prompt's inputs."""
    ticket = Ticket.model_validate((request.inputs or {})["ticket"], from_attributes=True)
    return answer_from_handbook(ticket, read_handbook(HANDBOOK))
