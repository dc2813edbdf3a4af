"""Which beginnings of requests a provider is told to keep in its prefix cache, where it wants to be told.

Writing into that cache costs a quarter more than reading plainly, and pays off only when the same beginning
comes again soon. So a beginning is marked from the second time on: instructions that hold something of
each call are never paid for in vain. Two are looked at: the instructions, and the examples up to the last
but one user's message. Too short ones are left alone; the provider would ignore them.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy.models.provider import Message
from roadworthy.models.tokens import likely_tokens

_LEAST_TOKENS = 512
"""The smallest beginning that any of the providers keeps (Anthropic's newest models, 2026-11)."""
_KEPT_SECONDS = 300.0
"""How long Anthropic and Bedrock keep a beginning after its last use."""
_MOST_NOTED = 512


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a request is marked."""

    instructions: bool = False
    """At the end of the instructions."""
    after: int | None = None
    """Behind the message of this index."""


NO_MARKS = Marks()


class Prefixes:
    """The beginnings of a model's latest requests, as far as they are worth keeping.

    `examples` says whether a message may be marked, too. Bedrock's may not: the library would name a time to
    keep it, which not all of its models take.
    """

    def __init__(self, *, examples: bool) -> None:
        self._examples = examples
        self._used: OrderedDict[int, float] = OrderedDict()

    def marks(self, messages: Sequence[Message], now: float) -> Marks:
        """What of this request came before, less than five minutes ago. `now` is in seconds."""
        leading = next((at for at, one in enumerate(messages) if one.role != "system"), len(messages))
        instructions = leading > 0 and self._comes_again(messages[:leading], now)
        users = [at for at, one in enumerate(messages) if one.role == "user"] if self._examples else []
        after = users[-2] if len(users) > 1 and messages[users[-2]].text.strip() else None
        if after is not None and not self._comes_again(messages[: after + 1], now):
            after = None
        return Marks(instructions, after)

    def _comes_again(self, beginning: Sequence[Message], now: float) -> bool:
        if likely_tokens(beginning) < _LEAST_TOKENS:
            return False
        # Not the texts themselves: they may be long, and a wrong guess costs a quarter of one request.
        name = hash(tuple(beginning))
        before = self._used.pop(name, None)
        self._used[name] = now
        if len(self._used) > _MOST_NOTED:
            self._used.popitem(last=False)
        return before is not None and now - before < _KEPT_SECONDS
