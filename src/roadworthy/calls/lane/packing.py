"""How a request waits for its batch, and an answer for its run."""

from typing import Any, cast

from roadworthy.db import pack, unpack
from roadworthy.models import Message, Request, Response
from roadworthy.records import Json, Usage


def dump_request(request: Request) -> Json:
    """What is asked."""
    return {
        "messages": [[one.role, one.text] for one in request.messages],
        "output_schema": cast("Json", request.output_schema),
        "output_name": request.output_name,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "stop": list(request.stop),
    }


def load_request(packed: bytes | None) -> Request:
    """What was asked; its time to answer is not kept."""
    told: dict[str, Any] = cast("Any", unpack(packed)) if packed is not None else {}
    messages = tuple(Message(role, text) for role, text in told.pop("messages", ()))
    stop = tuple(told.pop("stop", ()))
    return Request(messages, timeout_seconds=0, stop=stop, **told)


def dump_response(response: Response) -> Json:
    """What the checks look at; the rest is with the attempt."""
    return {
        "text": response.text,
        "model": response.model,
        "finish_reason": response.finish_reason,
        "provider_request_id": response.provider_request_id,
    }


def load_response(packed: bytes | None) -> Response:
    """What the checks look at; usage, and what was sent and received, are with the attempt."""
    told: dict[str, Any] = cast("Any", unpack(packed or pack({})))
    return Response(**told, usage=Usage(), sent=None, received=None)
