"""A month of a million calls on a scaled sample: `run(month, count)` gives the bill, and a second opinion.

The calls go through the whole pipeline to the simulated provider, which counts tokens as it is told: so many
of them come from its prefix cache. A rule of the route sends the routed share to the small model. What can
wait is a batch of runs in the lane `provider-batch`; all else is asked at once. The bill is what the cost
report says afterwards; the provider's own journal at public prices must come to the same.
"""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from genai_prices import Usage as TableUsage
from genai_prices import calc_price

from roadworthy import App
from roadworthy.monitoring import Query, costs
from roadworthy.records import Usage
from roadworthy.testing.simulated import Received, Reply, SimulatedProvider
from roadworthy.workflows import Prompt
from variants.assumed import PAIR, Listed, Month, Ticket, sample
from variants.project import project

AT_ONCE = 16
TICKET = "My parcel was to come on Monday, it is Thursday now, and nobody answers the telephone. " * 23
ANSWER = "Your parcel is on its way and will be with you tomorrow. We are sorry that it took so long. " * 11
SYSTEM = "You answer tickets of customers from the policy handbook: be brief, be kind, promise nothing.   "

SETTINGS = """
[project]
name = "month"
[models.flagship]
{flagship}
[models.small]
{small}
[routes.default]
models = ["flagship"]
rules = [{{ when = {{ task = "easy" }}, models = ["small", "flagship"] }}]
[provider_batch]
submit_after_seconds = 0.5
poll_seconds = 0.2
"""
MODEL = """provider = "simulated"
model = "{name}"
base_url = "{address}"
max_concurrency = {at_once}
timeout_seconds = 60
prices.input_usd_per_million = {rates.fresh}
prices.output_usd_per_million = {rates.output}
prices.cache_read_usd_per_million = {rates.read}
prices.batch_factor = {factor}
"""


@dataclass(frozen=True)
class Bill:
    """What a sample came to, in micro-dollars."""

    month: Month
    calls: int
    recorded: int
    """By our records."""
    journal: int
    """By the provider's journal and the public prices."""
    prefix_saved: int
    batch_saved: int

    def usd(self, count: int) -> float:
        """Dollars for so many calls."""
        return self.recorded / 1e6 * count / self.calls


async def run(month: Month, count: int) -> Bill:
    """Make the calls and add up. Raises `SystemExit` where a call failed or did not go its way."""
    tickets = sample(month, count)

    def answer(received: Received) -> Reply:
        return Reply(ANSWER, usage=tickets[number_of(received)].usage)

    system = (SYSTEM * (month.prefix * 4 // len(SYSTEM) + 1))[: month.prefix * 4]
    prompt = f"---\ninputs:\n  ticket: {{type: str}}\n---\n# system\n{system}\n# user\n{{{{ ticket }}}}\n"
    with SimulatedProvider(rules=[answer]) as provider, project(settings(provider.base_url), prompt) as app:
        reply = app.prompt("reply")

        @app.workflow
        async def whenever(number: int, *, easy: bool) -> str:
            return (await about(reply, number, easy=easy)).value

        async with app.running(work=month.batched > 0):
            began_ms = app.clock.now_ms()
            waiting = asyncio.create_task(through_the_batch(app, tickets))
            await ask(reply, tickets)
            await waiting
            query = Query(began_ms, app.clock.now_ms() + 1)
            total = (await app.database.read(lambda tx: costs(tx, query))).total
        journal = sum(table_price(one, tickets[number_of(one)].usage) for one in provider.requests)
        in_batches = provider.billed_in_batches
    if total.answered != count or total.unknown_prices or total.assumed:
        raise SystemExit(f"{count} calls were made, but the records say: {total}")
    if in_batches != sum(ticket.waits for ticket in tickets):
        raise SystemExit(f"{in_batches} calls came in a batch, not those that could wait.")
    saved = total.saved_by_prefix_micro_usd, total.saved_by_batch_micro_usd
    return Bill(month, count, total.cost_micro_usd, journal, *saved)


async def ask(reply: Prompt[str], tickets: Sequence[Ticket]) -> None:
    """Ask what cannot wait, so many at once."""
    numbers = (number for number, ticket in enumerate(tickets) if not ticket.waits)

    async def line() -> None:
        for number in numbers:
            await about(reply, number, easy=tickets[number].easy)

    await asyncio.gather(*(line() for _ in range(AT_ONCE)))


async def through_the_batch(app: App, tickets: Sequence[Ticket]) -> None:
    """Load what can wait as a batch of runs, and wait until they have ended."""
    lines = [
        json.dumps({"number": number, "easy": ticket.easy})
        for number, ticket in enumerate(tickets)
        if ticket.waits
    ]
    if not lines:
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tickets.jsonl"
        file.write_text("\n".join(lines))
        batch_id = await app.batches.load("whenever", file, lane="provider-batch")
    while not (await app.batches.get(batch_id)).finished:
        await asyncio.sleep(0.2)


async def about(reply: Prompt[str], number: int, *, easy: bool):
    return await reply.using(task="easy" if easy else "hard")(ticket=f"#{number}# {TICKET}")


def number_of(received: Received) -> int:
    """Which ticket a request is about: the text says so."""
    return int(received.text.partition("#")[2].partition("#")[0])


def table_price(received: Received, counted: Usage) -> int:
    """What the public price list says that a request costs, in micro-dollars; nothing of ours is asked."""
    usage = TableUsage(
        input_tokens=counted.input_tokens,
        cache_read_tokens=counted.cache_read_tokens,
        output_tokens=counted.output_tokens,
    )
    found = calc_price(
        usage,
        received.model,
        provider_id="openai",
        genai_request_timestamp=datetime.fromtimestamp(received.time_ms / 1000, UTC),
        price_context={"processing": "batch"} if received.batch else None,
    )
    return math.ceil(found.total_price * 1_000_000)


def settings(address: str) -> str:
    """The project's settings. A server on loopback is not on the price list: its prices stand in them."""
    models: list[str] = []
    for name in PAIR:
        live, batch = (Listed("openai", name).rates(lane) for lane in ("live", "batch"))
        factor = batch.fresh / live.fresh
        if (batch.read, batch.output) != (live.read * factor, live.output * factor):
            raise SystemExit(f"The batch prices of {name} are no longer one share of its live prices.")
        models.append(MODEL.format(name=name, address=address, at_once=AT_ONCE, rates=live, factor=factor))
    return SETTINGS.format(flagship=models[0], small=models[1])
