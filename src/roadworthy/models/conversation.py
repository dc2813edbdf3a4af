"""What a conversation holds beside text: images, tools and their calls, and how it is to be continued.

A prompt of the project needs none of it; a client that speaks for itself (the gateway's) may use all of it.
What a model cannot honour is refused by its provider before anything is sent, never left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a user's message."""

    url: str
    """`https://…`, or `data:image/…;base64,…`."""
    detail: Literal["auto", "low", "high"] = "auto"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model wants to have called."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it: not checked."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    text: str
    """All of its text."""
    parts: tuple[str | Image, ...] = ()
    """Text and images in their order, where there are images."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What the assistant wanted to have called."""
    tool_call_id: str = ""
    """Of a tool's message: which call it answers."""

    @property
    def images(self) -> tuple[Image, ...]:
        """The images among its parts."""
        return tuple(part for part in self.parts if isinstance(part, Image))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may want to have called; whoever asks calls it."""

    name: str
    parameters: Mapping[str, Any]
    """The JSON schema of its arguments."""
    description: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """How a conversation is to be continued, beyond what a prompt says."""

    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    """`auto`, `none`, `required`, or `=` and a tool's name; empty leaves it to the provider."""
    parallel_tool_calls: bool | None = None
    json_object: bool = False
    """The answer is to be any JSON object."""
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    """`none`, `minimal`, `low`, `medium`, `high` or `xhigh`."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer, as it comes."""

    text: str = ""
    tool: int | None = None
    """Which of the answer's tool calls it belongs to, counted from 0; None: it is text."""
    tool_call_id: str = ""
    tool_name: str = ""
    """Both are in the first piece of a tool call; `text` then holds its arguments."""
