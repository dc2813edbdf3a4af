"""Google's Gemini: `POST /v1beta/models/{model}:generateContent`. Its streams have another path."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from roadworthy.records import Usage
from roadworthy.testing.simulated.dialects.dialect import Answered, Dialect, Event
from roadworthy.testing.simulated.faults import Problem
from roadworthy.testing.simulated.received import Asked, content_text, mapping, objects, require
from roadworthy.testing.simulated.reply import as_object

_FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_ROLES = {"model": "assistant"}
STATUSES: Mapping[int, str] = MappingProxyType(
    {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }
)
"""The name of an error by its HTTP status; all others are `INTERNAL`."""
_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
"""By this alone a spent day differs from a busy minute."""


def read(body: Mapping[str, Any]) -> Asked:
    """Read a request's body, and the model from its path."""
    model: str = require(body, "model", str)
    messages = [
        (_ROLES.get(str(content.get("role")), "user"), content_text(content.get("parts")))
        for content in objects(require(body, "contents", list))
    ]
    system = content_text(mapping(body.get("systemInstruction")).get("parts"))
    if system:
        messages.insert(0, ("system", system))
    tool, schema = _demanded_tool(body)
    if tool is None:
        asked = mapping(body.get("generationConfig"))
        schema = mapping(asked.get("responseJsonSchema") or asked.get("responseSchema")) or None
    return Asked(model.removeprefix("models/"), tuple(messages), schema, tool)


def _demanded_tool(body: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any] | None]:
    """The function that has to be called, and the schema of its arguments."""
    calling = mapping(mapping(body.get("toolConfig")).get("functionCallingConfig"))
    declared = [
        one for tool in objects(body.get("tools")) for one in objects(tool.get("functionDeclarations"))
    ]
    if calling.get("mode") != "ANY" or not declared:
        return None, None
    first = declared[0]
    named = ("parametersJsonSchema", "parameters_json_schema", "parameters")
    schema = next((mapping(first[name]) for name in named if name in first), None)
    return str(first.get("name")), schema


def whole(answered: Answered) -> Mapping[str, Any]:
    """The whole answer."""
    reply = answered.reply
    said = reply.text if reply.refusal is None else reply.refusal
    parts: list[dict[str, Any]] = [{"text": said}] if said or not reply.tool_calls else []
    parts += [
        {"functionCall": {"name": call.name, "args": as_object(call.text) or {}}} for call in reply.tool_calls
    ]
    reason = _FINISH_REASONS["content_filter" if reply.refusal is not None else reply.finish]
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": reason, "index": 0}],
        "usageMetadata": _usage(answered.usage),
        "modelVersion": answered.model,
        "responseId": answered.id("resp_"),
    }


def events(answered: Answered) -> list[Event]:
    """The answer in one event."""
    return [Event(whole(answered))]


def _usage(usage: Usage) -> dict[str, Any]:
    """Usage as Gemini reports it: what came from the cache is part of the prompt."""
    cached = {"cachedContentTokenCount": usage.cache_read_tokens} if usage.cache_read_tokens else {}
    return {
        "promptTokenCount": usage.input_tokens,
        **cached,
        "candidatesTokenCount": usage.output_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }


def _error(problem: Problem, request_id: str) -> tuple[int, Mapping[str, Any]]:
    del request_id
    if problem.openai_code == "content_filter":  # a blocked prompt is no HTTP error here
        return 200, {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1},
        }
    status = STATUSES.get(problem.status, "INTERNAL")
    fields: dict[str, Any] = {"code": problem.status, "message": problem.message, "status": status}
    if problem.openai_code == "context_length_exceeded":
        fields["message"] = "The input token count exceeds the maximum number of tokens allowed."
    if problem.openai_code == "insufficient_quota":
        fields["details"] = [_DAY]
    return problem.status, {"error": fields}


def _error_event(problem: Problem, request_id: str) -> Event:
    return Event(_error(problem, request_id)[1])


GENERATE = Dialect("generate", read, whole, events, _error, _error_event, "x-simulated-request-id")
