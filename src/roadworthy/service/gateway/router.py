"""The gateway's routes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from roadworthy.service.gateway import chat, document, embeddings, responses
from roadworthy.service.gateway.asking import UnderWay
from roadworthy.service.gateway.caller import Authenticate, Caller
from roadworthy.service.gateway.chat_form import ChatRequest
from roadworthy.service.gateway.desk import Desk, to_json
from roadworthy.service.gateway.document import said
from roadworthy.service.gateway.embeddings import EmbeddingsRequest
from roadworthy.service.gateway.fault import Fault, route_class
from roadworthy.service.gateway.responses_form import ResponsesRequest

if TYPE_CHECKING:
    from roadworthy.app import App


def router(
    app: "App",
    authenticate: Authenticate,
    under_way: UnderWay,
    *,
    most_bytes: int,
    failed: Callable[[Request, Fault], None] = lambda _request, _fault: None,
) -> APIRouter:
    """The routes, for an app that is open."""
    desk = Desk(app, under_way, most_bytes=most_bytes)
    made = APIRouter(route_class=route_class(app.clock.now_ms, failed), tags=["gateway"])
    asker = Depends(authenticate)

    @made.get("/v1/models", summary="List the routes", dependencies=[asker], **said(document.ModelList))
    async def models() -> Response:
        """The routes that `model` can name."""
        return _json({"object": "list", "data": [_model(name) for name in sorted(desk.routes)]})

    named = said(document.Model)
    named["openapi_extra"]["parameters"] = [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    ]

    @made.get(
        "/v1/models/{name:path}",  # noqa: FAST003 - every text may be one, so that there is no 422 to document
        summary="Show a route",
        dependencies=[asker],
        **named,
    )
    async def model(request: Request) -> Response:
        """One of them."""
        name = request.path_params["name"]
        desk.require_route(name)
        return _json(_model(name))

    @made.post(
        "/v1/chat/completions",
        summary="Make a chat completion",
        **said(document.ChatCompletion, ChatRequest, streams=True),
    )
    async def completions(request: Request, caller: Annotated[Caller, asker]) -> Response:
        """`model` names a route."""
        return await chat.answer(desk, request, caller)

    @made.post(
        "/v1/responses",
        summary="Make a response",
        **said(document.ResponseObject, ResponsesRequest, streams=True),
    )
    async def responding(request: Request, caller: Annotated[Caller, asker]) -> Response:
        """`model` names a route."""
        return await responses.answer(desk, request, caller)

    @made.post(
        "/v1/embeddings",
        summary="Make vectors for texts",
        **said(document.Vectors, EmbeddingsRequest),
    )
    async def embedding(request: Request, caller: Annotated[Caller, asker]) -> Response:
        """`model` names a route."""
        return await embeddings.answer(desk, request, caller)

    return made


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "roadworthy"}


def _json(value: dict[str, Any]) -> Response:
    return Response(to_json(value), media_type="application/json")
