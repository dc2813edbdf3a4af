"""A conversation in the library's words: messages, tools, and how the answer is wanted.

Turns of the conversation: system, user and tool parts go together, until the assistant's next words.
"""

import base64
import binascii
import json
from typing import Any

from pydantic_ai import messages as library
from pydantic_ai.tools import ToolDefinition

from roadworthy.models.conversation import Image, Message, Options, ToolCall
from roadworthy.models.providers.prefix import Marks

_OPENAI = ("chat", "responses")


class BadImage(ValueError):
    """A `data:` URL that holds no image."""


def turns(messages: tuple[Message, ...], marks: Marks) -> list[library.ModelMessage]:
    """The messages. Raises `BadImage`."""
    found: list[library.ModelMessage] = []
    parts: list[library.ModelRequestPart] = []
    called: dict[str, str] = {}
    for at, message in enumerate(messages):
        if message.role == "assistant":
            if parts:
                found.append(library.ModelRequest(parts=parts))
                parts = []
            called |= {call.id: call.name for call in message.tool_calls}
            found.append(library.ModelResponse(parts=_said(message)))
        elif message.role == "system":
            parts.append(library.SystemPromptPart(message.text))
        elif message.role == "tool":
            name = called.get(message.tool_call_id, "unknown")
            parts.append(library.ToolReturnPart(name, message.text, tool_call_id=message.tool_call_id))
        elif at == marks.after:
            parts.append(library.UserPromptPart([*_content(message), library.CachePoint()]))
        elif message.parts:
            parts.append(library.UserPromptPart(_content(message)))
        else:
            parts.append(library.UserPromptPart(message.text))
    if parts:
        found.append(library.ModelRequest(parts=parts))
    return found


def _said(message: Message) -> list[library.ModelResponsePart]:
    parts: list[library.ModelResponsePart] = []
    if message.text or not message.tool_calls:
        parts.append(library.TextPart(message.text))
    parts += [
        library.ToolCallPart(call.name, call.arguments, tool_call_id=call.id) for call in message.tool_calls
    ]
    return parts


def _content(message: Message) -> list[library.UserContent]:
    return [part if isinstance(part, str) else _image(part) for part in message.parts or (message.text,)]


def _image(image: Image) -> library.UserContent:
    detail = {"detail": image.detail} if image.detail != "auto" else None
    if not image.url.startswith("data:"):
        return library.ImageUrl(image.url, vendor_metadata=detail)
    head, _, body = image.url.removeprefix("data:").partition(",")
    kind, _, coding = head.replace("image/jpg", "image/jpeg").partition(";")
    try:
        if coding != "base64":
            raise BadImage
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadImage from None
    return library.BinaryContent(data, media_type=kind, vendor_metadata=detail)


def tool_definitions(options: Options) -> list[ToolDefinition]:
    """The tools that the model may want to have called."""
    return [
        ToolDefinition(
            name=tool.name,
            description=tool.description or None,
            parameters_json_schema=dict(tool.parameters),
            strict=tool.strict,
        )
        for tool in options.tools
    ]


def option_settings(dialect: str, options: Options) -> dict[str, Any]:
    """The options as settings of the library; None where nothing is said."""
    choice: Any = options.tool_choice or None
    if choice is not None and choice.startswith("="):
        choice = [choice[1:]]
    effort: Any = options.reasoning_effort
    key = "openai_reasoning_effort" if dialect in _OPENAI else "thinking"
    return {
        "tool_choice": choice if options.tools else None,
        "parallel_tool_calls": options.parallel_tool_calls if options.tools else None,
        "top_p": options.top_p,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        key: False if effort == "none" and key == "thinking" else effort,
    }


def tool_calls(answer: library.ModelResponse) -> tuple[ToolCall, ...]:
    """The tools that the model wants to have called."""
    return tuple(
        ToolCall(part.tool_call_id, part.tool_name, arguments(part.args))
        for part in answer.parts
        if isinstance(part, library.ToolCallPart)
    )


def arguments(args: Any) -> str:
    """A tool call's arguments as the model wrote them; empty ones become an object."""
    if isinstance(args, dict):
        return json.dumps(args, ensure_ascii=False, separators=(",", ":"))
    return str(args or "{}")
