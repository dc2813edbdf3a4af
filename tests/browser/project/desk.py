"""A desk that answers tickets: what the tests of the dashboard look at."""

from collections import Counter

from pydantic import BaseModel

from roadworthy import App, Decision, Retry

app = App.load(__file__)
TERMS = [
    {
        "title": "Terms, 4.2",
        "url": "https://shop.example/terms",
        "text": "Items that arrive damaged are refunded in full within 30 days of delivery.",
    },
    {"title": "Terms, 4.5", "text": "Refunds above 250 EUR need a second agent."},
]


class Kind(BaseModel):
    """What a ticket is about."""

    kind: str


class Reply(BaseModel):
    """An answer to a ticket."""

    text: str
    amount: int
    confidence: float


classify = app.prompt("classify", output=Kind)
triage = app.prompt("triage", output=Kind)
draft_reply = app.prompt("draft-reply", output=Reply)


@app.step
async def look_up(ticket: str) -> str:
    """Find the order."""
    if "lost order" in ticket:
        message = f"There is no order for <b>{ticket}</b>"
        raise LookupError(message)
    return f"order of {ticket}"


_pulled: Counter[str] = Counter()


@app.step(retry=Retry(attempts=3, initial_seconds=0.02))
async def open_shelf(ticket: str) -> str:
    """Open the shelf of an order; one that is stuck gives way in the end."""
    _pulled[ticket] += 1
    if "stuck" in ticket and _pulled[ticket] % 3:
        message = f"The shelf of {ticket} is stuck"
        raise OSError(message)
    return f"shelf of {ticket}"


@app.action(irreversible=True)
async def send(decision: Decision[Reply], *, key: str = "") -> None:
    """Send it."""


@app.workflow
async def answer_ticket(ticket: str) -> str:
    """Classify a ticket, draft an answer, and have it checked."""
    await look_up(ticket)
    await classify(ticket=ticket)
    answer = await draft_reply(ticket=ticket)
    decision = await app.decide(answer, evidence=TERMS)
    await send(decision)
    return decision.value.text


@app.workflow
async def refund(ticket: str) -> str:
    """Two people decide on a refund."""
    answer = await draft_reply(ticket=ticket)
    decision = await app.decide(answer, evidence=TERMS, edge_case="refund above 250")
    await send(decision)
    return decision.value.text


@app.workflow
async def sort_ticket(ticket: str) -> str:
    """Find the order of one ticket, and say what it is about."""
    await look_up(ticket)
    await open_shelf(ticket)
    return (await classify(ticket=ticket)).value.kind


@app.workflow
async def sort_mail(tickets: list[str]) -> list[str]:
    """Sort a morning's mail, each ticket in a run of its own."""
    return [str(one) for one in await app.map(sort_ticket, tickets, on_error="collect")]


@app.workflow
async def triage_ticket(ticket: str) -> str:
    """Say which desk a ticket is for."""
    await app.flag("night-shift")
    return (await triage(ticket=ticket)).value.kind


@app.workflow
async def wait_for_stock(item: str) -> object:
    """Wait until somebody says that an item has come."""
    return await app.wait_for_signal(item)
