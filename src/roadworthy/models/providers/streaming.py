"""An answer that comes in pieces: `follow` hands each on and gives the whole at the end.

A stream that ends without the provider's finish reason was cut, whatever the library makes of it: that is an
error, also after pieces were handed on. Thinking is not handed on; it is counted and billed all the same.
"""

import json
from collections.abc import Callable
from typing import Any

from pydantic_ai import messages as library
from pydantic_ai.direct import model_request_stream
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as LibrarySettings

from roadworthy.models.conversation import Delta
from roadworthy.models.providers.turns import arguments
from roadworthy.records import Json


async def follow(
    model: Model[Any],
    messages: list[library.ModelMessage],
    settings: LibrarySettings,
    parameters: ModelRequestParameters,
    emit: Callable[[Delta], None],
) -> library.ModelResponse:
    """The whole answer, after its pieces."""
    tools: dict[int, int] = {}
    async with model_request_stream(
        model,
        messages,
        model_settings=settings,
        model_request_parameters=parameters,
        instrument=False,
    ) as stream:
        async for event in stream:
            delta = _delta(event, tools)
            if delta is not None:
                emit(delta)
        return stream.get()


def _delta(event: Any, tools: dict[int, int]) -> Delta | None:
    """The piece in an event; `tools` numbers the tool calls by the library's index of parts."""
    if isinstance(event, library.PartStartEvent):
        part = event.part
        if isinstance(part, library.TextPart):
            return Delta(part.content) if part.content else None
        if isinstance(part, library.ToolCallPart):
            number = tools.setdefault(event.index, len(tools))
            given = arguments(part.args) if part.args else ""
            return Delta(given, number, part.tool_call_id, part.tool_name)
    elif isinstance(event, library.PartDeltaEvent):
        delta = event.delta
        if isinstance(delta, library.TextPartDelta):
            return Delta(delta.content_delta) if delta.content_delta else None
        if isinstance(delta, library.ToolCallPartDelta) and delta.args_delta and event.index in tools:
            given = delta.args_delta
            return Delta(given if isinstance(given, str) else json.dumps(given), tools[event.index])
    return None


def as_received(answer: library.ModelResponse, usage: Json) -> Json:
    """What is kept of a stream for the record: the whole answer in place of its pieces."""
    calls: list[Any] = [
        {"name": part.tool_name, "arguments": arguments(part.args)}
        for part in answer.parts
        if isinstance(part, library.ToolCallPart)
    ]
    text = "".join(part.content for part in answer.parts if isinstance(part, library.TextPart))
    details = answer.provider_details or {}
    return {
        "streamed": True,
        "text": text,
        "tool_calls": calls,
        "finish_reason": str(details.get("finish_reason", "")),
        "usage": usage,
    }
