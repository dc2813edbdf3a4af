"""What type checkers see of prompts, answers and decisions. Read by Pyright, never run."""

from decimal import Decimal
from typing import Literal, assert_type

from pydantic import BaseModel

from roadworthy import Answer, App, Decision, Usage


class Reply(BaseModel):
    """A prompt's answer."""

    message: str


class LongReply(Reply):
    """A special one."""

    footer: str


app = App.load(__file__)
draft = app.prompt("draft-reply", output=Reply)
text = app.prompt("summary")
numbers = app.prompt("numbers", output=list[int])


@app.action(irreversible=True)
async def send(decision: Decision[Reply], *, key: str = "") -> None:
    """An action that takes a decision."""
    del decision, key


async def answers() -> None:
    """An answer has the declared type; without one it is text."""
    answer = await draft(ticket="t-1")
    assert_type(answer, Answer[Reply])
    assert_type(answer.value, Reply)
    assert_type(answer.usage, Usage)
    assert_type(answer.cost_usd, Decimal)
    assert_type(await text(text="…"), Answer[str])
    assert_type(await numbers(), Answer[list[int]])


async def decisions() -> None:
    """A rule's decision has the type of the answer's value, or of the plain value."""
    answer = await draft(ticket="t-1")
    decision = Decision.by_rule(answer, rule="short-enough")
    assert_type(decision, Decision[Reply])
    assert_type(decision.value, Reply)
    assert_type(decision.by, Literal["rule", "person", "people"])
    assert_type(Decision.by_rule(answer.value, rule="fixed"), Decision[Reply])
    assert_type(Decision.by_rule(5, rule="fixed"), Decision[int])
    assert_type(Decision.by_rule([Reply(message="")], rule="fixed"), Decision[list[Reply]])
    await send(decision)
    special: Decision[LongReply] = Decision.by_rule(LongReply(message="", footer=""), rule="fixed")
    await send(special)


@app.workflow
async def decided(ticket: str) -> Reply:
    """`app.decide` keeps the answer's type; whoever looks first sees a no."""
    answer = await draft(ticket=ticket)
    decision = await app.decide(answer, evidence=["a note", {"title": "Terms"}], edge_case="refund above 500")
    assert_type(decision, Decision[Reply])
    assert_type(decision.rejected, bool)
    assert_type(decision.verdict, Literal["approved", "edited", "rejected"])
    assert_type(decision.id, str | None)
    await send(decision)
    return decision.value


async def wrong() -> None:
    """An answer is no decision; an ignore that is not needed is an error itself."""
    answer = await draft(ticket="t-1")
    await send(answer)  # pyright: ignore[reportArgumentType]
    await send(answer.value)  # pyright: ignore[reportArgumentType]
    await send(Decision.by_rule("text", rule="fixed"))  # pyright: ignore[reportArgumentType]
    Decision.by_rule(answer)  # pyright: ignore[reportCallIssue]
    answer.value = Reply(message="")  # pyright: ignore[reportAttributeAccessIssue]
    await app.decide(answer.value)  # pyright: ignore[reportArgumentType]
    Decision(None, 5, "person", "Ann")  # pyright: ignore[reportArgumentType]
    decision = await app.decide(answer)
    decision.value = Reply(message="")  # pyright: ignore[reportAttributeAccessIssue]
