"""`POST /v1/chat/completions`."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from roadworthy.calls import Answer, Conversation, Reply, ReplyOutput
from roadworthy.models import Delta, ToolCall
from roadworthy.records import Usage
from roadworthy.service.gateway.body import read, read_body
from roadworthy.service.gateway.caller import Caller, about
from roadworthy.service.gateway.chat_form import (
    REFUSED,
    ChatRequest,
    messages_of,
    options_of,
    require_checkable,
    settings_of,
)
from roadworthy.service.gateway.desk import Desk, Order, created_of, to_json
from roadworthy.service.gateway.fault import Fault, refuse
from roadworthy.service.gateway.stream import event


async def answer(desk: Desk, request: Request, caller: Caller) -> Response:
    """Answer one request."""
    raw = await read_body(request, desk.most_bytes)
    asked = read(raw, ChatRequest, REFUSED)
    if asked.max_tokens is not None and asked.max_completion_tokens not in (None, asked.max_tokens):
        raise refuse("'max_tokens' and 'max_completion_tokens' contradict each other.", "max_tokens")
    if asked.stream_options is not None and not asked.stream:
        raise refuse("'stream_options' is only for streams.", "stream_options")
    form = asked.response_format
    if form is not None and (form.type == "json_schema") != (form.json_schema is not None):
        raise refuse("'json_schema' goes with the type 'json_schema'.", "response_format")
    named = form.json_schema if form is not None else None
    if named is not None:
        require_checkable(named.schema_, named.strict, "response_format")
    order = Order(
        route=asked.model,
        conversation=Conversation(messages_of(asked), options_of(asked), user=asked.user),
        settings=settings_of(asked),
        output=ReplyOutput(
            named.schema_ if named else None,
            name=named.name if named else "",
            is_json=form is not None and form.type == "json_object",
        ),
        about=about(request, caller),
        user=asked.user or "",
        metadata=asked.metadata or {},
    )
    if asked.stream:
        with_usage = asked.stream_options is not None and asked.stream_options.include_usage
        return await desk.stream(
            order, request, raw, lambda call_id, model: Chunks(call_id, model, with_usage=with_usage)
        )
    return await desk.whole(order, request, raw, lambda said: to_json(completion(said)))


def completion(said: Answer[Reply]) -> dict[str, Any]:
    """The whole answer."""
    reply = said.value
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in reply.tool_calls]
    else:
        message["content"] = reply.text
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    return {
        **_head(said.call_id, said.model or said.rung, "chat.completion"),
        "choices": [choice],
        "usage": usage_of(said.usage),
    }


class Chunks:
    """The answer in chunks."""

    def __init__(self, call_id: str, model: str, *, with_usage: bool) -> None:
        self._head = _head(call_id, model, "chat.completion.chunk")
        self._with_usage = with_usage

    def begin(self) -> bytes:
        """The role."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def pieces(self, deltas: list[Delta]) -> bytes:
        """Text and tool calls."""
        return b"".join(self._chunk(_delta(delta)) for delta in deltas)

    def finish(self, answer: Answer[Reply]) -> bytes:
        """Why the model stopped, the tokens, and the end."""
        last = self._chunk({}, answer.value.finish_reason)
        if self._with_usage:
            last += event({**self._head, "choices": [], "usage": usage_of(answer.usage)})
        return last + b"data: [DONE]\n\n"

    def failed(self, fault: Fault) -> bytes:
        """An error, which OpenAI's clients raise, and no end."""
        return event(fault.body)

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage: dict[str, Any] = {"usage": None} if self._with_usage else {}
        return event({**self._head, "choices": [choice], **usage})


def _delta(delta: Delta) -> dict[str, Any]:
    if delta.tool is None:
        return {"content": delta.text}
    call: dict[str, Any] = {"index": delta.tool}
    if delta.tool_call_id:
        call |= {"id": delta.tool_call_id, "type": "function"}
        call["function"] = {"name": delta.tool_name, "arguments": delta.text}
    else:
        call["function"] = {"arguments": delta.text}
    return {"tool_calls": [call]}


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _head(call_id: str, model: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{call_id.removeprefix('call_')}",
        "object": kind,
        "created": created_of(call_id),
        "model": model,
    }


def usage_of(usage: Usage) -> dict[str, Any]:
    """Tokens, over all attempts."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
    }
