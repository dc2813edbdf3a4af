"""A provider that is down for ten minutes in real traffic: `replay(requests, pace)` tells how calls fare.

Arrivals and token counts are those of the trace; it has no texts, so every request is another one and the
rung `cache` never has an older answer. Provider A fails from one moment to another, by 503, reset and hang;
provider B behind it is slower and dearer. Time goes by faster: latencies, time-outs, windows, waits are all
divided by the pace, and limits by the minute multiplied. What cannot be divided is what this machine takes.
"""

import asyncio
import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy import App
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.errors import RoadworthyError
from roadworthy.models import Message, Request
from roadworthy.models.prices import price
from roadworthy.monitoring import Figures, Query, costs
from roadworthy.records import to_micro_usd
from roadworthy.testing.simulated import (
    Hang,
    Received,
    Reply,
    ResetConnection,
    SimulatedProvider,
    Unavailable,
)
from roadworthy.workflows import Prompt
from variants.project import project
from variants.traffic import OUTAGE_SECONDS, PHASES, Asked, Pace

DEADLINE_SECONDS = 60.0
MAX_TOKENS = 1_000
"""No answer of the trace is longer."""
FAULTS = (Unavailable(), ResetConnection(), Hang())
FAULT_WEIGHTS = (60, 25, 15)
LATENCY = {"first": (0.5, 60), "second": (0.8, 45)}
"""Seconds until the answer begins, and its tokens a second; each time a fifth more or less."""

SETTINGS = """
[project]
name = "outage"
[models.first]
{first}
[models.second]
{second}
[routes.default]
models = ["first", "second"]
then = ["cache", "rule"]
timeout_seconds = {deadline}
backoff = {{ initial_seconds = {backoff}, max_seconds = {longest} }}
[resilience]
retries_per_minute_floor = {floor}
"""
MODEL = """provider = "simulated"
model = "{name}"
base_url = "{address}"
max_concurrency = 50
max_tokens = {max_tokens}
timeout_seconds = {timeout}
prices = {{ input_usd_per_million = {input}, output_usd_per_million = {output} }}
breaker = {{ window_seconds = {window}, open_seconds = {open}, max_open_seconds = {longest} }}
"""
"""Time-out 30 s, and breaker and waits as they are when nothing is said, each divided by the pace."""
WARM_UP = "#0#"
PROMPT = "---\ninputs:\n  text: {type: str}\n---\n# user\n{{ text }}\n"


@dataclass(frozen=True)
class Fared:
    """How one request fared."""

    phase: str
    rung: str
    """Empty where there was no answer."""
    seconds: float
    """In the trace's time."""
    error: str = ""
    """Why there was none."""

    @property
    def in_time(self) -> bool:
        return bool(self.rung) and self.seconds <= DEADLINE_SECONDS


@dataclass(frozen=True)
class Outcome:
    """How all of them fared."""

    fared: list[Fared]
    figures: Figures
    reasons: dict[str, int]
    """Requests to models, by why they were made."""
    cost: dict[str, int]
    """By phase, in micro-dollars: what was recorded."""
    calm_cost: dict[str, int]
    """By phase: what the same requests cost where the first model answers each at once."""
    second_cost: dict[str, int]
    """By phase: what they cost where the second one does."""
    events: list[tuple[float, str]]
    """Of the breakers: seconds since the outage began, and what happened."""
    lag_seconds: float
    """99% of the requests were made at most so late, in the trace's time: the machine was busy."""


async def replay(requests: list[Asked], pace: Pace) -> Outcome:
    """Make the calls when they came, each in its own time."""
    down = [False]
    first, second = (provider(name, requests, pace, down) for name in ("first", "second"))
    events: list[tuple[float, str]] = []
    with first, second, project(settings(first.base_url, second.base_url, pace), PROMPT) as app:
        reply = app.prompt("reply")

        @reply.fallback
        def later() -> str:
            return "We have your message and will answer by tomorrow."

        async with app.running(work=False):
            await warm_up(app, reply)
            began_ms, began = app.clock.now_ms(), time.monotonic()
            with breaker_events(events, began, pace):
                calls_made = asyncio.create_task(ask(reply, requests, pace, began))
                await asyncio.sleep(pace.calm_seconds / pace.times)
                down[0] = True
                await asyncio.sleep(OUTAGE_SECONDS / pace.times)
                down[0] = False
                fared, lag_seconds = await calls_made
            query = Query(began_ms, app.clock.now_ms() + 1)
            figures = (await app.database.read(lambda tx: costs(tx, query))).total
            reasons, cost = await app.database.read(lambda tx: recorded(tx, began_ms, pace))
            calm_cost, second_cost = (at_once(app, name, requests, pace) for name in ("first", "second"))
    return Outcome(fared, figures, reasons, cost, calm_cost, second_cost, events, lag_seconds)


def provider(name: str, requests: list[Asked], pace: Pace, down: list[bool]) -> SimulatedProvider:
    """One of the two, which answers as long as the trace's answer takes."""
    begins, tokens_a_second = LATENCY[name]

    def reply(received: Received) -> Reply | Unavailable | ResetConnection | Hang:
        chance = random.Random(f"{name}:{received.number}")
        if name == "first" and down[0]:
            return chance.choices(FAULTS, FAULT_WEIGHTS)[0]
        usage = requests[int(received.text.partition("#")[2].partition("#")[0])].usage
        seconds = (begins + usage.output_tokens / tokens_a_second) * chance.uniform(0.8, 1.2)
        return Reply("x" * usage.output_tokens * 4, usage=usage, latency_seconds=seconds / pace.times)

    return SimulatedProvider(rules=[reply])


async def warm_up(app: App, reply: Prompt[str]) -> None:
    """Have everything loaded that is loaded once: at this pace it would take minutes."""
    for name in app.settings.models:
        await app.models.target(name).request(Request((Message("user", WARM_UP),), timeout_seconds=30))
    for _ in range(5):
        await reply(text=WARM_UP)


async def ask(
    reply: Prompt[str], requests: list[Asked], pace: Pace, began: float
) -> tuple[list[Fared], float]:
    """How each request fared, and how late the 99th percentile was made."""
    lags: list[float] = []

    async def one(number: int, asked: Asked) -> Fared:
        due = began + asked.at_seconds / pace.times
        await asyncio.sleep(due - time.monotonic())
        started = time.monotonic()
        lags.append((started - due) * pace.times)
        text = f"#{number}# " + "x" * asked.usage.input_tokens * 4
        rung = error = ""
        try:
            rung = (await reply(text=text)).rung
        except RoadworthyError as refused:
            error = f"{type(refused).__name__}: {refused}"
        return Fared(pace.phase(asked.at_seconds), rung, (time.monotonic() - started) * pace.times, error)

    fared = await asyncio.gather(*(one(number, asked) for number, asked in enumerate(requests)))
    return fared, sorted(lags)[int(len(lags) * 0.99)]


def recorded(tx: sa.Connection, began_ms: int, pace: Pace) -> tuple[dict[str, int], dict[str, int]]:
    """Requests by their reason, and cost by phase, from our records."""
    reasons: dict[str, int] = {}
    cost = dict.fromkeys(PHASES, 0)
    query = (
        sa.select(call_attempts.c.reason, call_attempts.c.cost_micro_usd, calls.c.started_at)
        .join(calls, calls.c.id == call_attempts.c.call_id)
        .where(calls.c.started_at >= began_ms)
    )
    for reason, micro_usd, started_at in tx.execute(query).all():
        reasons[reason] = reasons.get(reason, 0) + 1
        cost[pace.phase((started_at - began_ms) / 1000 * pace.times)] += micro_usd
    return reasons, cost


def at_once(app: App, name: str, requests: list[Asked], pace: Pace) -> dict[str, int]:
    """What the requests cost by phase, in micro-dollars, where this model answers each at once."""
    cost = dict.fromkeys(PHASES, 0)
    target, now_ms = app.models.target(name), app.clock.now_ms()
    for one in requests:
        cost[pace.phase(one.at_seconds)] += to_micro_usd(price(target, one.usage, now_ms).cost_usd)
    return cost


@contextmanager
def breaker_events(events: list[tuple[float, str]], began: float, pace: Pace) -> Iterator[None]:
    """Note what the breakers report meanwhile."""

    class Noted(logging.Handler):
        """Takes the events that the breakers emit."""

        def emit(self, record: logging.LogRecord) -> None:
            if not record.getMessage().startswith("breaker."):
                return
            told = record.__dict__["roadworthy"]
            text = f"{told['model']} {record.getMessage().partition('.')[2]}"
            if "open_seconds" in told:
                text += f" for {told['open_seconds'] * pace.times:.0f} s"
            events.append(((time.monotonic() - began) * pace.times - pace.calm_seconds, text))

    logger, noted = logging.getLogger("roadworthy.events"), Noted()
    level = logger.level
    logger.addHandler(noted)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(noted)
        logger.setLevel(level)


def settings(first: str, second: str, pace: Pace) -> str:
    """The project's settings: everything that is a time is divided by the pace."""
    times = {
        "timeout": 30 / pace.times,
        "window": 30 / pace.times,
        "open": 10 / pace.times,
        "longest": 120 / pace.times,
        "max_tokens": MAX_TOKENS,
    }
    return SETTINGS.format(
        first=MODEL.format(name="gpt-5-2025-08-07", address=first, input=1.25, output=10, **times),
        second=MODEL.format(name="claude-sonnet-4-5-20250929", address=second, input=3, output=15, **times),
        deadline=DEADLINE_SECONDS / pace.times,
        backoff=0.5 / pace.times,
        longest=30 / pace.times,
        floor=10 * pace.times // pace.one_in,
    )
