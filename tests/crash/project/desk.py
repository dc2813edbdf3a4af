"""A workflow of ten steps of every kind, each of which says in the ledger when it has done its work."""

import asyncio
import os

import outside

import roadworthy
from roadworthy import Decision, Retry, TransportError
from roadworthy.models import Request
from roadworthy.workflows.context import current_step

app = roadworthy.App.load(__file__)
judge = app.prompt("judge")

STEPS = (
    "fetch",
    "read",
    "flaky",
    "judge",
    "score",
    "start child",
    "collect child",
    "child_step",
    "send",
    "tidy",
    "close",
)
"""Where a run can be stopped, by name; the other steps of the way repeat these."""


def _step():
    step = current_step.get()
    assert step is not None
    return step


def _done(name: str) -> None:
    step = _step()
    outside.note("ledger.jsonl", run=step.run.run.id, step=name, attempt=step.attempt, pid=os.getpid())


async def _work(name: str) -> None:
    """The body of a step: a place to die before the effect, the effect, and a place to die after it."""
    tags = _step().run.run.tags
    await outside.gate(tags, name, "body")
    _done(name)
    await outside.gate(tags, name, "effect")


@app.step
async def fetch(ticket: str) -> dict[str, str]:
    """The first step."""
    await _work("fetch")
    return {"ticket": ticket, "text": f"text of {ticket}"}


@app.step
def read(text: str) -> int:
    """A synchronous step."""
    tags = _step().run.run.tags
    outside.gate_in_thread(tags, "read", "body")
    _done("read")
    outside.gate_in_thread(tags, "read", "effect")
    return len(text)


@app.step(retry=Retry(attempts=4, on=TransportError, initial_seconds=0.01))
async def flaky(size: int) -> int:
    """A step whose first attempt fails."""
    if _step().attempt == 1:
        raise TransportError("The first attempt always fails.")
    await _work("flaky")
    return size * 2


async def judge_by_rule(request: Request) -> str:
    """The model."""
    await _work("judge")
    return f"judged {(request.inputs or {})['ticket']}"


@app.step
async def score(item: int) -> int:
    """One of three parallel steps."""
    name = "score" if item == 2 else f"score {item}"
    await _work(name)
    return item * item


@app.step
async def child_step(ticket: str) -> str:
    """The step of the child run."""
    await _work("child_step")
    return f"child of {ticket}"


@app.workflow
async def child(ticket: str) -> str:
    """A run below the run."""
    return await child_step(ticket)


@app.action
async def send(text: str, *, key: str = "") -> str:
    """The action."""
    tags = _step().run.run.tags
    await outside.gate(tags, "send", "body")
    answer = outside.send(key, text)
    _done("send")
    await outside.gate(tags, "send", "effect")
    return answer


@app.step
async def tidy(answer: str) -> str:
    """A step after the action."""
    await _work("tidy")
    return answer.upper()


@app.step
async def close(ticket: str) -> str:
    """The last step."""
    await _work("close")
    return f"closed {ticket}"


@app.workflow
async def ten_steps(ticket: str) -> list[str]:
    """Fetch, read, a retry, a model call, three parallel scores, a child run, an action, and two more."""
    fetched = await fetch(ticket)
    size = await flaky(await read(fetched["text"]))
    said = await judge(ticket=ticket)
    scores = await app.map(score, [1, 2, 3])
    below = await child(ticket)
    sent = await send(f"{said.value}/{size}/{scores}/{below}")
    return [sent, await tidy(sent), await close(ticket)]


@app.step
async def stamp(ticket: str) -> int:
    """Which process does this."""
    await _work("stamp")
    return os.getpid()


@app.workflow
async def stamped(ticket: str) -> list[int]:
    """Says which process did its step, once and for all."""
    return [await stamp(ticket), await stamp(ticket)]


@app.step
async def slow(number: int) -> int:
    """A step that takes a while."""
    await asyncio.sleep(0.05)
    _done(f"slow {number}")
    return number


@app.workflow
async def slow_steps(ticket: str) -> int:
    """Five steps that take a while."""
    return sum([await slow(number) for number in range(5)])


@app.action(irreversible=True)
async def act(decision: Decision[str], *, key: str = "") -> str:
    """What a person has to decide on first."""
    tags = _step().run.run.tags
    await outside.gate(tags, "act", "body")
    answer = outside.send(key, decision.value)
    _done("act")
    return answer


@app.workflow
async def decided(ticket: str) -> str:
    """A judgement, a person's decision, an act."""
    said = await judge(ticket=ticket)
    return await act(await app.decide(said, evidence=[ticket]))
