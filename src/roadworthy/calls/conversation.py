"""Calls of clients that bring their own messages: what such a call asks, and what its answer is.

    Conversation    messages and options in the place of a prompt's version and inputs
    Reply           text, tool calls and why the model stopped; `ReplyOutput` reads it from a response
    Vectors         one for each message; `VectorsOutput` reads them
    ad_hoc_version  the version that such a call is recorded under: the hash of its instructions and tools

All else is the way of every call (`pipeline.py`). A length that the client set may cut a reply: unlike a
prompt's answer, that is what was asked for. An answer that is to be JSON is checked for being JSON, and for
fitting the client's schema, whatever its model makes of that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol, cast

from roadworthy.calls.fit import faults
from roadworthy.calls.output import Output
from roadworthy.errors import InvalidAnswer
from roadworthy.models import Delta, Message, Options, Request, Response, Target, ToolCall
from roadworthy.prompts import CallSettings, Version, content_hash
from roadworthy.records import Json

_LABEL_DIGITS = 12


class Sink(Protocol):
    """Takes an answer's pieces as they come."""

    @property
    def begun(self) -> bool:
        """Whether it took any; from then on no other model can be asked."""
        ...

    def asked(self, target: Target) -> None:
        """Note which model is asked now."""
        ...

    def put(self, delta: Delta) -> None:
        """Take a piece."""
        ...


@dataclass(frozen=True, eq=False)
class Conversation:
    """What is asked."""

    messages: tuple[Message, ...]
    options: Options = field(default_factory=Options)
    user: str | None = None
    """The end user, for the provider's abuse detection."""
    sink: Sink | None = None
    """Where pieces of the answer go; None: it is wanted whole."""
    vectors: bool = False
    """Whether the messages are texts to embed."""
    dimensions: int | None = None

    @cached_property
    def digest(self) -> str:
        """Of all that decides the answer and that neither texts nor call settings say."""
        options = self.options
        said: list[Any] = [
            [(tool.name, tool.description, tool.strict, tool.parameters) for tool in options.tools],
            [
                options.tool_choice,
                options.parallel_tool_calls,
                options.json_object,
                options.top_p,
                options.presence_penalty,
                options.frequency_penalty,
                options.reasoning_effort,
            ],
            [
                [message.tool_call_id, [(call.id, call.name, call.arguments) for call in message.tool_calls]]
                + [part if isinstance(part, str) else [part.url, part.detail] for part in message.parts]
                for message in self.messages
            ],
            [self.vectors, self.dimensions],
        ]
        return sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said to a conversation."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    """`stop`, `length` or `tool_calls`."""


class ReplyOutput(Output[Reply]):
    """A reply, which is JSON where the client gave a schema or asked for any object."""

    def __init__(
        self, schema: Mapping[str, Any] | None = None, *, name: str = "", is_json: bool = False
    ) -> None:
        super().__init__(Reply)
        self._schema = dict(schema) if schema is not None else None
        self._name = name or "answer"
        self._is_json = is_json or schema is not None

    @property
    def schema(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The client's schema."""
        return self._schema

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the client calls it."""
        return self._name

    def read(self, response: Response) -> Reply:
        """The reply in a response. Raises `InvalidAnswer` when it says nothing, or not in its form."""
        finish = "tool_calls" if response.tool_calls else response.finish_reason
        if finish == "unknown" or (finish == "tool_calls" and not response.tool_calls):
            finish = "stop"  # where the form of the answer is asked for as a tool, its call is the answer
        text = response.text
        try:
            text.encode()
        except UnicodeEncodeError:
            fault = "the answer has characters that are not Unicode"
            raise InvalidAnswer(f"{fault.capitalize()}.", details={"faults": [fault]}) from None
        if self._is_json and finish == "stop":
            text = self.require_json(text)
            found = faults(json.loads(text), self._schema) if self._schema is not None else []
            if found:
                raise self._invalid(found)
        elif not text and not response.tool_calls and finish != "length":
            raise InvalidAnswer("The answer is empty.", details={"faults": ["the answer is empty"]})
        return Reply(text, response.tool_calls, finish)

    def dump(self, value: Reply) -> Json:
        """The reply as JSON."""
        calls: list[Json] = [[call.id, call.name, call.arguments] for call in value.tool_calls]
        return {"text": value.text, "tool_calls": calls, "finish_reason": value.finish_reason}

    def load(self, stored: Json) -> Reply:
        """The reply that `dump` gave."""
        said = cast("dict[str, Any]", stored)
        calls = tuple(ToolCall(*call) for call in said["tool_calls"])
        return Reply(said["text"], calls, said["finish_reason"])


class VectorsOutput(Output[list[list[float]]]):
    """One vector for each text."""

    def __init__(self, count: int) -> None:
        super().__init__(list[list[float]])
        self._count = count

    @property
    def schema(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """None: no model writes it."""
        return None

    def read(self, response: Response) -> list[list[float]]:
        """The vectors in a response. Raises `InvalidAnswer` when there are not as many as texts."""
        vectors: list[list[float]] = json.loads(response.text)
        lengths = {len(vector) for vector in vectors}
        if len(vectors) != self._count or len(lengths) != 1 or 0 in lengths:
            raise InvalidAnswer(
                f"There are {len(vectors)} vectors for {self._count} texts, or they differ in length."
            )
        return vectors


def continued(request: Request, conversation: Conversation, target: Target) -> Request:
    """The request with what a conversation wants beyond a prompt."""
    if conversation.sink is not None:
        conversation.sink.asked(target)
    return replace(
        request,
        options=conversation.options,
        user=conversation.user,
        vectors=conversation.vectors,
        dimensions=conversation.dimensions,
        emit=conversation.sink.put if conversation.sink is not None else None,
    )


def ad_hoc_version(prompt_id: str, conversation: Conversation, settings: CallSettings) -> Version:
    """The version under which a conversation is recorded: what its instructions and tools are.

    Conversations with the same instructions are one version, so that costs by version still say something.
    """
    instructions = "\n\n".join(one.text for one in conversation.messages if one.role == "system")
    tools = "".join(
        f"\n\n{tool.name}: {tool.description}\n{json.dumps(tool.parameters, sort_keys=True)}"
        for tool in conversation.options.tools
    )
    text = instructions + tools
    digest = content_hash(text)
    return Version(prompt_id, digest[:_LABEL_DIGITS], digest, text, (), {}, settings)
