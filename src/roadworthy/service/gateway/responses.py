"""`POST /v1/responses`."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from roadworthy.calls import Answer, Conversation, Reply, ReplyOutput
from roadworthy.models import Delta
from roadworthy.records import Usage
from roadworthy.service.gateway.body import read, read_body
from roadworthy.service.gateway.caller import Caller, about
from roadworthy.service.gateway.chat_form import require_checkable
from roadworthy.service.gateway.desk import Desk, Order, created_of, to_json
from roadworthy.service.gateway.fault import Fault, refuse
from roadworthy.service.gateway.responses_form import (
    REFUSED,
    ResponsesRequest,
    messages_of,
    options_of,
    settings_of,
)
from roadworthy.service.gateway.stream import event


async def answer(desk: Desk, request: Request, caller: Caller) -> Response:
    """Answer one request."""
    raw = await read_body(request, desk.most_bytes)
    asked = read(raw, ResponsesRequest, REFUSED)
    form = asked.form
    if (form.type == "json_schema") != (form.schema_ is not None):
        raise refuse("'schema' goes with the type 'json_schema'.", "text.format")
    if form.schema_ is not None:
        require_checkable(form.schema_, form.strict, "text.format")
    order = Order(
        route=asked.model,
        conversation=Conversation(messages_of(asked), options_of(asked), user=asked.user),
        settings=settings_of(asked),
        output=ReplyOutput(form.schema_, name=form.name, is_json=form.type == "json_object"),
        about=about(request, caller),
        user=asked.user or "",
        metadata=asked.metadata or {},
    )
    if asked.stream:
        return await desk.stream(order, request, raw, lambda call_id, model: Events(asked, call_id, model))
    return await desk.whole(order, request, raw, lambda said: to_json(_whole(asked, said)))


def _whole(asked: ResponsesRequest, said: Answer[Reply]) -> dict[str, Any]:
    reply, number = said.value, said.call_id.removeprefix("call_")
    items: list[dict[str, Any]] = []
    status = _status(reply)
    if reply.text or not reply.tool_calls:
        items.append(_message(f"msg_{number}", reply.text, status))
    items += [
        _call(f"fc_{number}_{at}", call.id, call.name, call.arguments, status)
        for at, call in enumerate(reply.tool_calls)
    ]
    return _response(asked, said.call_id, said.model or said.rung, status, items, said.usage)


class Events:
    """The answer in events, from `response.created` to `response.completed`."""

    def __init__(self, asked: ResponsesRequest, call_id: str, model: str) -> None:
        self._asked = asked
        self._call_id, self._model = call_id, model
        self._number = 0
        self._items: list[dict[str, Any]] = []
        self._tools: dict[int, int] = {}
        self._text: int | None = None

    def begin(self) -> bytes:
        """That it has begun."""
        response = _response(self._asked, self._call_id, self._model, "in_progress", [], None)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def pieces(self, deltas: list[Delta]) -> bytes:
        """Text and tool calls."""
        return b"".join(
            self._text_piece(delta) if delta.tool is None else self._tool_piece(delta, delta.tool)
            for delta in deltas
        )

    def finish(self, answer: Answer[Reply]) -> bytes:
        """The end of each item, and of the whole."""
        reply, status = answer.value, _status(answer.value)
        opened = b"" if self._items else self._open_text()
        if self._text is not None:
            item = self._items[self._text]
            self._items[self._text] = _message(item["id"], reply.text, status)
        for tool, at in self._tools.items():
            done = {"arguments": reply.tool_calls[tool].arguments, "status": status}
            self._items[at] = {**self._items[at], **done}
        ends = b"".join(self._close(at, item) for at, item in enumerate(self._items))
        response = _response(
            self._asked, self._call_id, answer.model or self._model, status, self._items, answer.usage
        )
        return opened + ends + self._event(f"response.{status}", response=response)

    def failed(self, fault: Fault) -> bytes:
        """An error, which OpenAI's clients raise, and no end."""
        error = fault.body["error"]
        return self._event("error", **error, error=error)

    def _event(self, kind: str, **data: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        return event({**data, "type": kind, "sequence_number": number}, kind)

    def _open(self, item: dict[str, Any]) -> bytes:
        self._items.append(item)
        started: dict[str, Any] = {**item, "content": []} if "content" in item else item
        return self._event("response.output_item.added", output_index=len(self._items) - 1, item=started)

    def _open_text(self) -> bytes:
        self._text = len(self._items)
        item = _message(f"msg_{self._call_id.removeprefix('call_')}", "", "in_progress")
        opened = self._open(item)
        return opened + self._event(
            "response.content_part.added", **self._place(self._text), part=item["content"][0]
        )

    def _text_piece(self, delta: Delta) -> bytes:
        opened = self._open_text() if self._text is None else b""
        place = self._place(self._text or 0)
        return opened + self._event("response.output_text.delta", **place, delta=delta.text, logprobs=[])

    def _tool_piece(self, delta: Delta, tool: int) -> bytes:
        opened = b""
        if tool not in self._tools:
            self._tools[tool] = len(self._items)
            name = f"fc_{self._call_id.removeprefix('call_')}_{tool}"
            opened = self._open(_call(name, delta.tool_call_id, delta.tool_name, "", "in_progress"))
        at = self._tools[tool]
        place = {"item_id": self._items[at]["id"], "output_index": at}
        return opened + self._event("response.function_call_arguments.delta", **place, delta=delta.text)

    def _place(self, at: int) -> dict[str, Any]:
        return {"item_id": self._items[at]["id"], "output_index": at, "content_index": 0}

    def _close(self, at: int, item: dict[str, Any]) -> bytes:
        if item["type"] == "message":
            part, place = item["content"][0], self._place(at)
            ends = self._event("response.output_text.done", **place, text=part["text"], logprobs=[])
            ends += self._event("response.content_part.done", **place, part=part)
        else:
            ends = self._event(
                "response.function_call_arguments.done",
                item_id=item["id"],
                output_index=at,
                name=item["name"],
                arguments=item["arguments"],
            )
        return ends + self._event("response.output_item.done", output_index=at, item=item)


def _status(reply: Reply) -> str:
    return "incomplete" if reply.finish_reason == "length" else "completed"


def _message(item_id: str, text: str, status: str) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": [part]}


def _call(item_id: str, call_id: str, name: str, arguments: str, status: str) -> dict[str, Any]:
    called = {"call_id": call_id, "name": name, "arguments": arguments}
    return {"id": item_id, "type": "function_call", "status": status, **called}


def _response(
    asked: ResponsesRequest,
    call_id: str,
    model: str,
    status: str,
    items: list[dict[str, Any]],
    usage: Usage | None,
) -> dict[str, Any]:
    said = asked.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "id": f"resp_{call_id.removeprefix('call_')}",
        "object": "response",
        "created_at": created_of(call_id),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "model": model,
        "output": items,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": asked.reasoning.effort if asked.reasoning else None, "summary": None},
        "store": False,
        "temperature": asked.temperature,
        "text": said.get("text", {"format": {"type": "text"}}),
        "tool_choice": said.get("tool_choice", "auto"),
        "tools": said.get("tools", []),
        "top_p": asked.top_p,
        "truncation": "disabled",
        "usage": _usage(usage) if usage is not None else None,
        "user": asked.user,
        "metadata": asked.metadata or {},
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total_tokens,
    }
