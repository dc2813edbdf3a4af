"""`POST /v1/embeddings`."""

import base64
import struct
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from roadworthy.calls import Answer, Conversation, VectorsOutput
from roadworthy.models import Message
from roadworthy.prompts import CallSettings
from roadworthy.service.gateway.body import read, read_body
from roadworthy.service.gateway.caller import Caller, about
from roadworthy.service.gateway.chat_form import Form
from roadworthy.service.gateway.desk import Desk, Order, to_json
from roadworthy.service.gateway.fault import refuse

_MOST_TEXTS = 2_048


class EmbeddingsRequest(Form):
    """The body of `POST /v1/embeddings`."""

    model: str
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1, le=16_384)
    user: str | None = Field(default=None, max_length=200)


async def answer(desk: Desk, request: Request, caller: Caller) -> Response:
    """Answer one request."""
    raw = await read_body(request, desk.most_bytes)
    asked = read(raw, EmbeddingsRequest, {})
    texts = _texts(asked.input)
    messages = tuple(Message("user", text) for text in texts)
    order = Order(
        route=asked.model,
        conversation=Conversation(messages, user=asked.user, vectors=True, dimensions=asked.dimensions),
        settings=CallSettings(route=asked.model),
        output=VectorsOutput(len(texts)),
        about=about(request, caller),
        user=asked.user or "",
    )
    packed = asked.encoding_format == "base64"
    return await desk.whole(order, request, raw, lambda said: to_json(_whole(said, packed=packed)))


def _texts(given: str | list[Any]) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not texts or len(texts) > _MOST_TEXTS:
        raise refuse(f"'input' takes 1 to {_MOST_TEXTS} texts.", "input")
    if not all(isinstance(one, str) for one in texts):
        told = (
            "'input' takes texts: token numbers mean something else to every model. "
            "LangChain sends texts with check_embedding_ctx_length=False."
        )
        raise refuse(told, "input", "unsupported_parameter")
    if not all(texts):
        raise refuse("'input' holds an empty text.", "input")
    return texts


def _whole(said: Answer[list[list[float]]], *, packed: bool) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": at, "embedding": _packed(vector) if packed else vector}
        for at, vector in enumerate(said.value)
    ]
    tokens = said.usage.input_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": said.model or said.rung, "usage": usage}


def _packed(vector: list[float]) -> str:
    """Little-endian floats of 32 bits, as base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
