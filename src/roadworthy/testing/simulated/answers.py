"""Which answer a request gets: script, then recording, then rules, then a default made from the request.

A script is a list. Its entries are used up from the front: a plain entry by any request, a `When` only by
those that match it. Rules are functions that may decline with `None`. All of it runs in the one thread of
the server's event loop; other threads only append.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from roadworthy.calls.sample import sample
from roadworthy.testing.simulated.faults import AnswerFault, Fault, Slow
from roadworthy.testing.simulated.received import Received
from roadworthy.testing.simulated.reply import Reply, ToolCall, as_object

Answer: TypeAlias = Reply | Fault | dict[str, Any] | list[Any] | str | int | float | bool | None
"""A reply, a fault, or the content of a reply: text, or a value that is sent as JSON."""
Rule: TypeAlias = Callable[[Received], Answer]
"""Answers a request, or declines it with `None`."""
Matcher: TypeAlias = Callable[[Received], bool]


@dataclass(frozen=True, slots=True)
class When:
    """An entry of a script for some requests only."""

    matches: Matcher
    """Which requests it is for."""
    answer: Answer
    """What they get."""
    times: int | None = 1
    """How many of them; `None` for all."""


def model_is(name: str) -> Matcher:
    """Requests for this model."""
    return lambda received: received.model == name


def text_contains(part: str) -> Matcher:
    """Requests that have this text in any message."""
    return lambda received: any(part in text for _, text in received.messages)


def sometimes(fault: Fault, *, share: float, seed: int = 0) -> Rule:
    """A rule that gives `fault` to a share of the requests, always the same ones for a seed."""

    def rule(received: Received) -> Answer:
        chance = random.Random(f"{seed}:{received.number}").random()  # noqa: S311 - repeatable on purpose
        return fault if chance < share else None

    return rule


def echo(received: Received) -> Reply:
    """The default: valid JSON where a schema is given, else the user's own text."""
    if received.schema is None:
        return Reply(f"echo: {received.text}")
    value = sample(received.schema)
    if received.tool is None:
        return Reply(value)
    return Reply(tool_calls=(ToolCall(received.tool, value),))


@dataclass(slots=True)
class _Entry:
    when: When
    left: int | None


class Answers:
    """Chooses answers, in order of the sources."""

    def __init__(
        self, script: Iterable[Answer | When], recording: Rule | None, rules: Iterable[Rule]
    ) -> None:
        self._script: list[_Entry] = []
        self._recording = recording
        self.rules = list(rules)
        self.extend(script)

    def extend(self, script: Iterable[Answer | When]) -> None:
        """Add entries at the end of the script."""
        for entry in script:
            when = entry if isinstance(entry, When) else When(lambda _: True, entry)
            self._script.append(_Entry(when, when.times))

    def clear(self) -> None:
        """Forget the script and the rules."""
        self._script = []
        self.rules = []

    @property
    def waiting(self) -> int:
        """How many entries of the script are not used up."""
        return sum(1 for entry in self._script if entry.left is None or entry.left > 0)

    def choose(self, received: Received) -> Reply | Fault:
        """The reply or fault for this request; faults that change an answer are applied already."""
        return self._settled(self._scripted(received), received)

    def _settled(self, answer: Answer, received: Received) -> Reply | Fault:
        if answer is None:
            return self._due(received)
        if isinstance(answer, AnswerFault):
            base = self._due(received)
            return answer.change(base, received) if isinstance(base, Reply) else base
        if isinstance(answer, Slow):
            return Slow(answer.seconds, self._settled(answer.then, received))
        if isinstance(answer, Fault):
            return answer
        return _as_demanded(answer if isinstance(answer, Reply) else Reply(answer), received)

    def _scripted(self, received: Received) -> Answer:
        for entry in self._script:
            if entry.left != 0 and entry.when.matches(received):
                if entry.left is not None:
                    entry.left -= 1
                return entry.when.answer
        return None

    def _due(self, received: Received) -> Reply | Fault:
        """What the request gets without a script."""
        sources = self.rules if self._recording is None else [self._recording, *self.rules]
        for rule in sources:
            answer = rule(received)
            if isinstance(answer, AnswerFault):
                return answer.change(echo(received), received)
            if answer is not None:
                return self._settled(answer, received)
        return echo(received)


def _as_demanded(reply: Reply, received: Received) -> Reply:
    """A JSON object becomes the call of the tool that has to be called."""
    if received.tool is None or reply.tool_calls or reply.refusal is not None:
        return reply
    content = reply.content
    value = cast("dict[str, Any]", content) if isinstance(content, Mapping) else as_object(reply.text)
    if value is None:
        return reply
    return Reply(
        tool_calls=(ToolCall(received.tool, value),),
        finish=reply.finish,
        usage=reply.usage,
        model=reply.model,
        latency_seconds=reply.latency_seconds,
        chunk_seconds=reply.chunk_seconds,
    )
