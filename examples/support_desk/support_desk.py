"""Answer customers' tickets from the handbook of a small shop.

The way of a ticket: rules first (`rules.py`), then the handbook's passages, then a small model drafts a
reply, then checks in plain code (`checks.py`). A draft that fails them is thrown away, and the handbook's own
short answer goes out where one section clearly fits; otherwise a person answers. Nothing is sent on a model's
word alone.
"""

import os
from pathlib import Path
from typing import Any, Literal

import checks
import rules
from desk import Passage, Reply, Result, Ticket, read_tickets
from handbook import pick, read_handbook
from outbox import deliver

from roadworthy import Answer, App, Decision, Retry, skip
from roadworthy.errors import NotFound, StepFailed, TransportError
from roadworthy.evals import Outcome

HERE = Path(__file__).parent
OUTBOX = Path(os.environ.get("SUPPORT_DESK_OUTBOX", HERE / "outbox.jsonl"))

app = App.load(__file__)
draft_reply = app.prompt("draft-reply", output=Reply)


@app.step(retry=Retry(attempts=5, on=TransportError), timeout_seconds=5)
def fetch_ticket(ticket_id: str) -> Ticket:
    """Read a ticket; a real desk would ask its ticket system."""
    try:
        tickets = read_tickets(HERE / "tickets.jsonl")
    except OSError as error:
        raise TransportError("The tickets cannot be read from tickets.jsonl.") from error
    if ticket_id not in tickets:
        raise NotFound(f"There is no ticket {ticket_id!r}.", hint="Look into tickets.jsonl for the ids.")
    return tickets[ticket_id]


@app.step
def pick_passages(ticket: Ticket) -> list[Passage]:
    """Find what the handbook says about a ticket."""
    return pick(read_handbook(HERE / "handbook.md"), ticket)


@app.step
def answer_from_handbook(ticket: Ticket) -> Reply:
    """The handbook's own short answer, for when the model's draft was of no use."""
    return rules.answer_from_handbook(ticket, read_handbook(HERE / "handbook.md"))


@app.action(irreversible=True)
def send_reply(ticket: Ticket, decision: Decision[Reply], *, key: str = "") -> None:
    """Send a reply that somebody stands behind to the customer, once."""
    deliver(OUTBOX, key=key, customer=ticket.customer, message=decision.value.message)


@app.workflow
async def answer_ticket(ticket_id: str) -> Result:
    """Answer one ticket, or hand it to a person, or skip it, and say why."""
    ticket = await fetch_ticket(ticket_id)
    verdict = rules.triage(ticket)
    if verdict is not None:
        if verdict.outcome == "skip":
            return skip(verdict.rule)
        reply = Reply(outcome=verdict.outcome, message=verdict.message)
        return await conclude(ticket, by_rule(reply, verdict.rule), "rule", verdict.rule)

    passages = await pick_passages(ticket)
    if not passages:
        reply = Reply(outcome="hand_over", message="The handbook has nothing about it.")
        return await conclude(ticket, by_rule(reply, "not_in_handbook"), "rule", "not_in_handbook")

    try:
        answer = await draft_reply(ticket=ticket, passages=passages)
    except StepFailed as failure:
        decision, why = None, f"no draft: {failure.kind}"
    else:
        decision, why = judge(answer, ticket, passages)
        if decision is not None:
            return await conclude(ticket, decision, "rule" if answer.rung == "rule" else "model", why)
    reply = await answer_from_handbook(ticket)
    return await conclude(ticket, by_rule(reply, "handbook_answer"), "rule", why)


def judge(
    answer: Answer[Reply], ticket: Ticket, passages: list[Passage]
) -> tuple[Decision[Reply] | None, str]:
    """What code makes of a model's answer, and why; None when the draft is of no use."""
    found = checks.faults(answer.value, ticket, passages)
    if found:
        return None, f"the draft {found[0]}"
    if answer.rung == "rule":
        return by_rule(answer, "handbook_answer"), "the small model gave no draft"
    if answer.value.outcome == "hand_over":
        reply = Reply(outcome="hand_over", message=f"The model had no answer; see call {answer.call_id}.")
        return by_rule(reply, "model_hands_over"), "the model handed it over"
    return by_rule(answer, "draft_checks"), f"quotes {passages[0].title!r}"


def by_rule(value: Answer[Reply] | Reply, rule: str) -> Decision[Reply]:
    """The decision that a rule of this desk stands behind."""
    return Decision[Reply].by_rule(value, rule=rule)


async def conclude(
    ticket: Ticket, decision: Decision[Reply], rung: Literal["model", "rule"], why: str
) -> Result:
    """Send what may be sent, and say what became of the ticket."""
    reply = decision.value
    if reply.outcome != "hand_over":
        await send_reply(ticket, decision)
    return Result(
        ticket_id=ticket.id,
        outcome=reply.outcome,
        rung="needs a person" if reply.outcome == "hand_over" else rung,
        why=why,
        message=reply.message,
    )


@app.evaluator
def sends_only_quotes(outcome: Outcome) -> str:
    """What goes out on a model's draft passes the checks once more, now that it is what would be sent."""
    sections = read_handbook(HERE / "handbook.md")
    found: list[str] = []
    for act in outcome.acts:
        decision, ticket = act["arguments"]["decision"], Ticket(**act["arguments"]["ticket"])
        if decision["name"] == "draft_checks":
            found += checks.faults(Reply(**decision["value"]), ticket, pick(sections, ticket))
    return "; ".join(found)


@app.evaluator
def is_a_quote(output: dict[str, Any], inputs: dict[str, Any]) -> str:
    """A draft could be sent: it passes the checks that stand before every sending."""
    passages = [Passage(**one) for one in inputs["passages"]]
    return "; ".join(checks.faults(Reply(**output), Ticket(**inputs["ticket"]), passages))
