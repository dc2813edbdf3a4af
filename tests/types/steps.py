"""What type checkers see of steps, actions and workflows. Read by Pyright, never run."""

from typing import assert_type

from pydantic import BaseModel

from roadworthy import App, Decision, Handle, Retry, TransportError, skip


class Ticket(BaseModel):
    """A step's result."""

    text: str


app = App.load(__file__)


@app.step
async def fetch(ticket_id: str) -> Ticket:
    """A plain async step."""
    return Ticket(text=ticket_id)


@app.step
def count(text: str) -> int:
    """A plain step that is not async."""
    return len(text)


@app.step(retry=Retry(attempts=5, on=TransportError), timeout_seconds=5)
async def fetch_again(ticket_id: str, *, fresh: bool = False) -> Ticket:
    """An async step with options."""
    return Ticket(text=f"{ticket_id}{fresh}")


@app.step(name="counted")
def count_again(text: str) -> int:
    """A step with options that is not async."""
    return len(text)


@app.action(irreversible=True)
async def send(ticket: Ticket, decision: Decision[int], *, key: str = "") -> None:
    """An action that takes a decision."""
    del ticket, decision, key


@app.action
async def note(text: str, *, key: str = "") -> str:
    """A plain action."""
    return text + key


@app.workflow
async def answer(ticket_id: str) -> Ticket:
    """A workflow that calls them all."""
    ticket = await fetch(ticket_id)
    assert_type(ticket, Ticket)
    if not ticket.text:
        return skip("empty")
    assert_type(await count(ticket.text), int)
    assert_type(await fetch_again(ticket_id, fresh=True), Ticket)
    assert_type(await count_again("a"), int)
    assert_type(await note("a", key="k"), str)
    assert_type(await send(ticket, Decision.by_rule(1, rule="fixed"), key="k"), None)
    assert_type(await app.map(fetch, ["t-1", "t-2"]), list[Ticket])
    assert_type(await app.map(count, ["a"]), list[int])
    assert_type(await app.map(answer_with_options, ["t-1"], limit=5), list[int])
    return ticket


@app.workflow(name="answer-all", timeout_seconds=60)
async def answer_with_options(ticket_id: str) -> int:
    """A workflow with options."""
    return len(ticket_id)


async def start() -> None:
    """Starting runs keeps the types of arguments and result."""
    handle = await app.start(answer, "t-1")
    assert_type(handle, Handle[Ticket])
    assert_type(await handle.result(), Ticket | None)  # None where the workflow skipped
    assert_type(await answer_with_options("t-1"), int)


async def wrong() -> None:
    """Each of these is refused; an ignore that is not needed is an error itself."""
    await fetch(5)  # pyright: ignore[reportArgumentType]
    await fetch()  # pyright: ignore[reportCallIssue]
    await fetch_again("t-1", stale=True)  # pyright: ignore[reportCallIssue]
    await send(Ticket(text=""), 1)  # pyright: ignore[reportArgumentType]
    await app.start(answer, 5)  # pyright: ignore[reportArgumentType]
    await app.map(fetch, [1, 2])  # pyright: ignore[reportArgumentType]
