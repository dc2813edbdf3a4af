"""OpenAI Responses: `POST /v1/responses`."""

from collections.abc import Mapping
from typing import Any, cast

from roadworthy.testing.simulated.dialects import openai_error
from roadworthy.testing.simulated.dialects.dialect import Answered, Dialect, Event, pieces
from roadworthy.testing.simulated.received import Asked, BadBody, content_text, mapping, objects, require


def read(body: Mapping[str, Any]) -> Asked:
    """Read a request's body."""
    model: str = require(body, "model", str)
    given: Any = body.get("input")
    messages: list[tuple[str, str]] = []
    if isinstance(body.get("instructions"), str):
        messages.append(("system", str(body["instructions"])))
    if isinstance(given, str):
        messages.append(("user", given))
    elif isinstance(given, list):
        messages += [_message(item) for item in objects(cast("list[Any]", given))]
    else:
        raise BadBody("Missing or invalid parameter: 'input'.", param="input")
    tool, schema = _demanded_tool(body)
    if tool is None:
        schema = _text_schema(mapping(mapping(body.get("text")).get("format")))
    return Asked(model, tuple(messages), schema, tool, stream=body.get("stream") is True)


def _message(item: Mapping[str, Any]) -> tuple[str, str]:
    role = str(item.get("role", "tool" if item.get("type") == "function_call_output" else "assistant"))
    text = content_text(item.get("content", item.get("output", item.get("arguments"))))
    return ("system" if role == "developer" else role), text


def _text_schema(text_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if text_format.get("type") == "json_schema":
        return mapping(text_format.get("schema"))
    return {"type": "object"} if text_format.get("type") == "json_object" else None


def _demanded_tool(body: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any] | None]:
    """The tool that has to be called, and the schema of its arguments."""
    tools = [tool for tool in objects(body.get("tools")) if tool.get("type") == "function"]
    choice = body.get("tool_choice")
    wanted = mapping(choice)
    name = wanted.get("name") if wanted.get("type") == "function" else None
    if choice == "required" and tools:
        name = tools[0].get("name")
    elif wanted.get("type") == "allowed_tools" and wanted.get("mode") == "required":
        name = next((tool.get("name") for tool in objects(wanted.get("tools"))), None)
    for tool in tools:
        if name is not None and tool.get("name") == name:
            return str(name), mapping(tool.get("parameters"))
    return None, None


def whole(answered: Answered) -> Mapping[str, Any]:
    """The whole answer."""
    return _response(answered, _status(answered), _items(answered))


def events(answered: Answered) -> list[Event]:
    """The answer in events, from `response.created` to `response.completed`."""
    script: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response(answered, "in_progress", [])},
        {"type": "response.in_progress", "response": _response(answered, "in_progress", [])},
    ]
    items = _items(answered)
    for number, item in enumerate(items):
        script += (
            _call_events(number, item) if item["type"] == "function_call" else _text_events(number, item)
        )
    status = _status(answered)
    script.append({"type": f"response.{status}", "response": _response(answered, status, items)})
    return [Event({**data, "sequence_number": number}, data["type"]) for number, data in enumerate(script)]


def _text_events(number: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": number, "content_index": 0}
    part = item["content"][0]
    refusal = part["type"] == "refusal"
    field = "refusal" if refusal else "text"
    kind = "response.refusal" if refusal else "response.output_text"
    logprobs: dict[str, Any] = {} if refusal else {"logprobs": []}
    started: dict[str, Any] = {**item, "status": "in_progress", "content": []}
    return [
        {"type": "response.output_item.added", "output_index": number, "item": started},
        {"type": "response.content_part.added", **place, "part": {**part, field: ""}},
        *({"type": f"{kind}.delta", **place, "delta": piece, **logprobs} for piece in pieces(part[field])),
        {"type": f"{kind}.done", **place, field: part[field], **logprobs},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": number, "item": item},
    ]


def _call_events(number: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": number}
    started = {**item, "status": "in_progress", "arguments": ""}
    kind = "response.function_call_arguments"
    return [
        {"type": "response.output_item.added", "output_index": number, "item": started},
        *({"type": f"{kind}.delta", **place, "delta": piece} for piece in pieces(item["arguments"])),
        {"type": f"{kind}.done", **place, "name": item["name"], "arguments": item["arguments"]},
        {"type": "response.output_item.done", "output_index": number, "item": item},
    ]


def _status(answered: Answered) -> str:
    return "completed" if answered.reply.finish == "stop" else "incomplete"


def _items(answered: Answered) -> list[dict[str, Any]]:
    reply = answered.reply
    items: list[dict[str, Any]] = []
    if reply.refusal is not None or reply.text or not reply.tool_calls:
        part: dict[str, Any] = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        if reply.refusal is not None:
            part = {"type": "refusal", "refusal": reply.refusal}
        head = {"id": answered.id("msg_"), "type": "message", "role": "assistant"}
        items.append({**head, "status": _status(answered), "content": [part]})
    for number, call in enumerate(reply.tool_calls):
        ids = {"id": answered.id(f"fc_{number}"), "call_id": answered.id(f"call_{number}")}
        called = {"name": call.name, "arguments": call.text, "status": _status(answered)}
        items.append({"type": "function_call", **ids, **called})
    return items


def _response(answered: Answered, status: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    body, finish = answered.received.body, answered.reply.finish
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    return {
        "id": answered.id("resp_"),
        "object": "response",
        "created_at": answered.received.time_ms // 1000,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": answered.model,
        "output": items,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "temperature": body.get("temperature"),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "usage": None if status == "in_progress" else _usage(answered),
        "metadata": body.get("metadata") or {},
    }


def _usage(answered: Answered) -> dict[str, Any]:
    usage = answered.usage
    cached = {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens}
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": cached,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total_tokens,
    }


RESPONSES = Dialect(
    "responses",
    read,
    whole,
    events,
    openai_error.error,
    openai_error.responses_error_event,
    openai_error.REQUEST_ID_HEADER,
)
