"""What the simulated model says: `Reply`, and how its tokens are counted.

A reply is one answer before it is put into a wire format. Its content is text, or a JSON value that is
written as JSON; where the client demands a call of a tool, a JSON object becomes the call's arguments.
Tokens are counted the same way everywhere, four characters to a token, so that costs in tests are exact.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from roadworthy.records import Json, Usage

Finish = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that the simulated model asks for."""

    name: str
    """The tool's name, as the client declared it."""
    arguments: Json
    """The arguments; a string is sent as it stands, so that it may be broken JSON."""

    @property
    def text(self) -> str:
        """The arguments as they go over the wire."""
        return as_text(self.arguments)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the simulated model."""

    content: Json = ""
    """Text, or a JSON value that is written as JSON."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls of tools to ask for; the content goes before them."""
    finish: Finish = "stop"
    """Why the model stopped; `tool_calls` is added by the wire format where there are any."""
    refusal: str | None = None
    """The text of a refusal, which takes the place of the content."""
    usage: Usage | None = None
    """Tokens to report; counted from the texts when `None`."""
    model: str | None = None
    """The model's name to report; the requested one when `None`."""
    latency_seconds: float = 0.0
    """How long to wait before the first byte."""
    chunk_seconds: float = 0.0
    """How long to wait between two events of a stream."""

    @property
    def text(self) -> str:
        """The content as text."""
        return as_text(self.content)

    def output_tokens(self) -> int:
        """Tokens of everything that was said."""
        said = self.text if self.refusal is None else self.refusal
        return count_tokens(said) + sum(count_tokens(call.name + call.text) for call in self.tool_calls)


def as_text(value: Json) -> str:
    """A string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_object(text: str) -> dict[str, Any] | None:
    """The JSON object that the text is, or `None`."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def count_tokens(text: str) -> int:
    """Four characters to a token, rounded up: an approximation that is the same on every machine."""
    return (len(text) + 3) // 4
