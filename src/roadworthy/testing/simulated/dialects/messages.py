"""Anthropic Messages: `POST /v1/messages`."""

from collections.abc import Mapping
from typing import Any

from roadworthy.records import Usage
from roadworthy.testing.simulated.dialects.dialect import Answered, Dialect, Event, pieces
from roadworthy.testing.simulated.faults import Problem
from roadworthy.testing.simulated.received import Asked, content_text, mapping, objects, require
from roadworthy.testing.simulated.reply import as_object

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


def read(body: Mapping[str, Any]) -> Asked:
    """Read a request's body."""
    model: str = require(body, "model", str)
    require(body, "max_tokens", int)
    messages = [
        (str(message.get("role", "user")), content_text(message.get("content")))
        for message in objects(require(body, "messages", list))
    ]
    system = content_text(body.get("system"))
    if system:
        messages.insert(0, ("system", system))
    tool, schema = _demanded_tool(body)
    if tool is None:
        asked = mapping(mapping(body.get("output_config")).get("format")) or mapping(
            body.get("output_format")
        )
        schema = mapping(asked.get("schema")) if asked.get("type") == "json_schema" else None
    return Asked(model, tuple(messages), schema, tool, stream=body.get("stream") is True)


def _demanded_tool(body: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any] | None]:
    """The tool that has to be called, and the schema of its arguments."""
    tools = [tool for tool in objects(body.get("tools")) if "input_schema" in tool]
    choice = mapping(body.get("tool_choice"))
    name = choice.get("name") if choice.get("type") == "tool" else None
    if choice.get("type") == "any" and tools:
        name = tools[0].get("name")
    for tool in tools:
        if name is not None and tool.get("name") == name:
            return str(name), mapping(tool.get("input_schema"))
    return None, None


def whole(answered: Answered) -> Mapping[str, Any]:
    """The whole answer."""
    return {
        **_head(answered),
        "content": _blocks(answered),
        **_stop(answered),
        "usage": _usage(answered.usage),
    }


def events(answered: Answered) -> list[Event]:
    """The answer in events, from `message_start` to `message_stop`."""
    usage = answered.usage
    begun = {**_usage(usage), "output_tokens": min(1, usage.output_tokens)}
    empty: dict[str, Any] = {
        **_head(answered),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": begun,
    }
    script: list[dict[str, Any]] = [{"type": "message_start", "message": empty}, {"type": "ping"}]
    for index, block in enumerate(_blocks(answered)):
        script += _block_events(index, block, answered)
    script.append({"type": "message_delta", "delta": _stop(answered), "usage": _usage(usage)})
    script.append({"type": "message_stop"})
    return [Event(data, data["type"]) for data in script]


def _block_events(index: int, block: dict[str, Any], answered: Answered) -> list[dict[str, Any]]:
    if block["type"] == "tool_use":
        calls = answered.reply.tool_calls
        call = calls[index - (len(_blocks(answered)) - len(calls))]
        start: dict[str, Any] = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(call.text)]
    else:
        start = {**block, "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _head(answered: Answered) -> dict[str, Any]:
    return {"id": answered.id("msg_"), "type": "message", "role": "assistant", "model": answered.model}


def _blocks(answered: Answered) -> list[dict[str, Any]]:
    reply = answered.reply
    text = reply.text if reply.refusal is None else reply.refusal
    blocks: list[dict[str, Any]] = []
    if text or not reply.tool_calls:
        blocks.append({"type": "text", "text": text, "citations": None})
    for number, call in enumerate(reply.tool_calls):
        arguments = as_object(call.text) or {}
        made = {"id": answered.id(f"toolu_{number}"), "name": call.name, "input": arguments}
        blocks.append({"type": "tool_use", **made})
    return blocks


def _stop(answered: Answered) -> dict[str, Any]:
    reply = answered.reply
    reason = _STOP_REASONS[reply.finish]
    if reply.refusal is not None:
        reason = "refusal"
    elif reply.tool_calls and reply.finish == "stop":
        reason = "tool_use"
    details = (
        {"type": "refusal", "category": None, "explanation": reply.refusal} if reason == "refusal" else None
    )
    return {"stop_reason": reason, "stop_sequence": None, "stop_details": details}


def _usage(usage: Usage) -> dict[str, Any]:
    """Usage as Anthropic reports it: input without what came from, or went into, the cache."""
    fresh = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    return {
        "input_tokens": fresh,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }


def _error(problem: Problem, request_id: str) -> tuple[int, Mapping[str, Any]]:
    fields = {"type": problem.anthropic_type, "message": problem.anthropic_message or problem.message}
    body = {"type": "error", "error": fields, "request_id": request_id}
    return problem.anthropic_status or problem.status, body


def _error_event(problem: Problem, request_id: str) -> Event:
    return Event(_error(problem, request_id)[1], "error")


MESSAGES = Dialect("messages", read, whole, events, _error, _error_event, "request-id")
