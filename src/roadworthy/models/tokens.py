"""How many tokens a request has: at most, for budgets, and likely, for limits of context.

Nobody but the provider counts exactly. Budgets rest on the first figure, so it is never too low.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

from roadworthy.models.conversation import Message
from roadworthy.models.provider import DEFAULT_MAX_TOKENS, Request
from roadworthy.records import Usage
from roadworthy.settings import ModelSettings

_PER_MESSAGE = 32
"""For roles and separators; measured formats need 3 to 8."""
_PER_REQUEST = 32
_PER_SCHEMA = 1_024
"""For what providers add to a request with a schema: at Anthropic 159 to 530 tokens of instructions, by the
table "Tool use system prompt token count" in its documentation of prices (2026-11)."""
_SCHEMA_FACTOR = 2
"""Adapting a schema to a provider adds to it: `additionalProperties`, `required`, descriptions of limits."""

_PER_IMAGE = 50_000
"""The dearest way that an image is counted: 48,169 tokens for the largest one at gpt-4o-mini (2,833 and eight
tiles of 5,667; OpenAI's guide "Images and vision", 2026-11). Others count less than 5,000."""
_LIKELY_PER_IMAGE = 1_000

_ASCII_PER_TOKEN = 4
_OTHERS_PER_TOKEN = 1.5
_LIKELY_PER_MESSAGE = 4


class Limited(Protocol):
    """A model, as far as its limits go. `Target` is one."""

    @property
    def settings(self) -> ModelSettings:
        """The model's settings."""
        ...


def estimate_usage(target: Limited, request: Request) -> Usage:
    """The most tokens that a request may need: one for each byte of its text, and all the output it allows.

    Tokenizers of today's models fall back to single bytes, so none makes more tokens of a text than it has
    bytes.
    """
    tokens = sum(_message_tokens(message) for message in request.messages)
    tokens += _PER_REQUEST + _PER_MESSAGE * len(request.messages)
    if request.output_schema is not None:
        tokens += _PER_SCHEMA + _SCHEMA_FACTOR * _schema_bytes(request.output_schema)
    if request.vectors:
        return Usage(input_tokens=tokens)
    for tool in request.options.tools if request.options else ():
        size = _schema_bytes(tool.parameters) + _bytes(tool.name) + _bytes(tool.description)
        tokens += _PER_SCHEMA + _SCHEMA_FACTOR * size
    return Usage(
        input_tokens=tokens,
        output_tokens=request.max_tokens or target.settings.max_tokens or DEFAULT_MAX_TOKENS,
    )


def likely_tokens(messages: Iterable[Message]) -> int:
    """About how many tokens these messages have: four ASCII characters to one, or one and a half others."""
    tokens = 0.0
    for message in messages:
        text = message.text
        plain = len(text) if text.isascii() else len(text.encode("ascii", errors="ignore"))
        others = len(text) - plain
        tokens += plain / _ASCII_PER_TOKEN + others / _OTHERS_PER_TOKEN + _LIKELY_PER_MESSAGE
        tokens += _LIKELY_PER_IMAGE * len(message.images)
        tokens += sum(len(call.arguments) for call in message.tool_calls) / _ASCII_PER_TOKEN
    return round(tokens)


def _message_tokens(message: Message) -> int:
    tokens = len(message.text.encode(errors="surrogatepass"))
    if message.parts:
        tokens += _PER_IMAGE * len(message.images)
    for call in message.tool_calls:
        tokens += _PER_MESSAGE + _bytes(call.name) + _bytes(call.arguments)
    return tokens


def _schema_bytes(schema: Mapping[str, Any]) -> int:
    """The size of a schema with definitions written out wherever they are used, as some providers get it."""
    size = _bytes(schema)
    defined = cast("Mapping[str, Any]", schema.get("$defs", {}))
    if defined:
        sizes: dict[str, int] = {}
        size += sum(_used_bytes(value, defined, sizes) for key, value in schema.items() if key != "$defs")
    return size


def _used_bytes(node: Any, defined: Mapping[str, Any], sizes: dict[str, int]) -> int:
    """The size of all definitions that are used below this node."""
    if isinstance(node, list):
        return sum(_used_bytes(item, defined, sizes) for item in cast("list[Any]", node))
    if not isinstance(node, Mapping):
        return 0
    inner = cast("Mapping[str, Any]", node)
    used = sum(_used_bytes(value, defined, sizes) for value in inner.values())
    name = str(inner.get("$ref", "")).rpartition("/")[2]
    if name in defined:
        if name not in sizes:
            sizes[name] = 0  # one that contains itself cannot be written out further
            sizes[name] = _bytes(defined[name]) + _used_bytes(defined[name], defined, sizes)
        used += sizes[name]
    return used


def _bytes(value: Any) -> int:
    return len(str(value).encode(errors="surrogatepass"))
