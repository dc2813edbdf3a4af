"""OpenAI Chat Completions: `POST /v1/chat/completions`, also as Azure and compatible servers speak it."""

from collections.abc import Mapping
from typing import Any

from roadworthy.records import Usage
from roadworthy.testing.simulated.dialects import openai_error
from roadworthy.testing.simulated.dialects.dialect import Answered, Dialect, Event, pieces
from roadworthy.testing.simulated.received import Asked, content_text, mapping, objects, require

_ROLES = {"developer": "system", "function": "tool"}


def read(body: Mapping[str, Any]) -> Asked:
    """Read a request's body."""
    model: str = require(body, "model", str)
    messages = tuple(
        (_ROLES.get(role := str(message.get("role", "user")), role), content_text(message.get("content")))
        for message in objects(require(body, "messages", list))
    )
    tool, schema = _demanded_tool(body)
    if tool is None:
        schema = _response_schema(mapping(body.get("response_format")))
    return Asked(model, messages, schema, tool, stream=body.get("stream") is True)


def _response_schema(response_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if response_format.get("type") == "json_schema":
        return mapping(mapping(response_format.get("json_schema")).get("schema"))
    return {"type": "object"} if response_format.get("type") == "json_object" else None


def _demanded_tool(body: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any] | None]:
    """The tool that has to be called, and the schema of its arguments."""
    tools = [mapping(tool.get("function")) for tool in objects(body.get("tools"))]
    choice = body.get("tool_choice")
    name = mapping(mapping(choice).get("function")).get("name")
    allowed = mapping(mapping(choice).get("allowed_tools"))
    if choice == "required" and tools:
        name = tools[0].get("name")
    elif allowed.get("mode") == "required" and objects(allowed.get("tools")):
        name = mapping(objects(allowed["tools"])[0].get("function")).get("name")
    for tool in tools:
        if name is not None and tool.get("name") == name:
            return str(name), mapping(tool.get("parameters"))
    return None, None


def whole(answered: Answered) -> Mapping[str, Any]:
    """The whole answer."""
    reply = answered.reply
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal}
    if not reply.tool_calls:
        message["content"] = None if reply.refusal is not None else reply.text
    else:
        message["tool_calls"] = _tool_calls(answered)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answered)}
    head = _head(answered, "chat.completion")
    return {**head, "choices": [choice], "usage": usage_fields(answered.usage)}


def events(answered: Answered) -> list[Event]:
    """The answer in chunks, with usage where it was asked for."""
    reply = answered.reply
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if reply.refusal is not None:
        deltas += [{"refusal": piece} for piece in pieces(reply.refusal)]
    else:
        deltas += [{"content": piece} for piece in pieces(reply.text)]
    for number, call in enumerate(_tool_calls(answered)):
        start = {**call, "index": number, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [start]})
        deltas += [
            {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}
            for piece in pieces(call["function"]["arguments"])
        ]
    head = _head(answered, "chat.completion.chunk")
    with_usage = mapping(answered.received.body.get("stream_options")).get("include_usage") is True
    nothing: dict[str, Any] = {"usage": None} if with_usage else {}

    def chunk(delta: dict[str, Any], finish: str | None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Event({**head, "choices": [choice], **nothing})

    found = [*(chunk(delta, None) for delta in deltas), chunk({}, _finish(answered))]
    if with_usage:
        found.append(Event({**head, "choices": [], "usage": usage_fields(answered.usage)}))
    return [*found, Event("[DONE]")]


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Usage as chat completions report it."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _head(answered: Answered, kind: str) -> dict[str, Any]:
    return {
        "id": answered.id("chatcmpl-"),
        "object": kind,
        "created": answered.received.time_ms // 1000,
        "model": answered.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _tool_calls(answered: Answered) -> list[dict[str, Any]]:
    return [
        {
            "id": answered.id(f"call_{number}"),
            "type": "function",
            "function": {"name": call.name, "arguments": call.text},
        }
        for number, call in enumerate(answered.reply.tool_calls)
    ]


def _finish(answered: Answered) -> str:
    reply = answered.reply
    forced = mapping(answered.received.body.get("tool_choice")).get("type") == "function"
    return "tool_calls" if reply.tool_calls and reply.finish == "stop" and not forced else reply.finish


CHAT = Dialect(
    "chat", read, whole, events, openai_error.error, openai_error.error_event, openai_error.REQUEST_ID_HEADER
)
