"""The gateway's routes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from roadworthy.service.gateway import chat, embeddings, responses
from roadworthy.service.gateway.asking import UnderWay
from roadworthy.service.gateway.caller import Authenticate, Caller
from roadworthy.service.gateway.desk import Desk, to_json
from roadworthy.service.gateway.fault import Fault, route_class

if TYPE_CHECKING:
    from roadworthy.app import App

MOST_BYTES = 20_000_000
"""Of a body: a request with images is long."""


def router(
    app: "App",
    authenticate: Authenticate,
    under_way: UnderWay,
    *,
    most_bytes: int = MOST_BYTES,
    failed: Callable[[Request, Fault], None] = lambda _request, _fault: None,
) -> APIRouter:
    """The routes, for an app that is open. They are not in the OpenAPI document: OpenAI's describes them."""
    desk = Desk(app, under_way, most_bytes=most_bytes)
    made = APIRouter(route_class=route_class(app.clock.now_ms, failed), include_in_schema=False)
    asker = Depends(authenticate)

    @made.get("/v1/models", dependencies=[asker])
    async def models() -> Response:
        """The routes that 'model' can name."""
        return _json({"object": "list", "data": [_model(name) for name in sorted(desk.routes)]})

    @made.get("/v1/models/{name:path}", dependencies=[asker])
    async def model(name: str) -> Response:
        """One of them."""
        desk.require_route(name)
        return _json(_model(name))

    @made.post("/v1/chat/completions")
    async def completions(request: Request, caller: Annotated[Caller, asker]) -> Response:
        """A chat completion."""
        return await chat.answer(desk, request, caller)

    @made.post("/v1/responses")
    async def responding(request: Request, caller: Annotated[Caller, asker]) -> Response:
        """A response."""
        return await responses.answer(desk, request, caller)

    @made.post("/v1/embeddings")
    async def embedding(request: Request, caller: Annotated[Caller, asker]) -> Response:
        """Vectors for texts."""
        return await embeddings.answer(desk, request, caller)

    return made


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "roadworthy"}


def _json(value: dict[str, Any]) -> Response:
    return Response(to_json(value), media_type="application/json")
