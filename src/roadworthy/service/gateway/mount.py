"""The gateway as a part of the service.

Its keys are the service's, and whatever the service's layers refuse at its addresses has OpenAI's shape too.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roadworthy.access import Permission
from roadworthy.service.exchange import exchange_of
from roadworthy.service.gateway.asking import UnderWay
from roadworthy.service.gateway.caller import Caller
from roadworthy.service.gateway.fault import Fault
from roadworthy.service.gateway.router import router
from roadworthy.service.principal import forbidden, needs
from roadworthy.service.problem import MEDIA_TYPE

if TYPE_CHECKING:
    from roadworthy.app import App

PATHS = ("/v1/chat/", "/v1/responses", "/v1/embeddings", "/v1/models")
"""How its addresses begin."""
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_caller_of = needs(Permission.CALLS_MAKE)


def routers(app: "App", under_way: UnderWay) -> Sequence[APIRouter]:
    """The routes, for whoever may make calls."""
    most_bytes = app.settings.service.max_gateway_body_bytes
    return [router(app, authenticate, under_way, most_bytes=most_bytes, failed=_note)]


async def authenticate(request: Request) -> Caller:
    """Who asks. Raises `Unauthenticated`, or `Forbidden` for who may make calls only within a workflow."""
    caller = await _caller_of(request)
    tenants = {tenant for workflow, tenant in caller.scope.pairs if workflow is None}
    if not tenants:
        raise forbidden(Permission.CALLS_MAKE)
    named = tuple(sorted(tenant for tenant in tenants if tenant is not None))
    return Caller(caller.principal.id, None if None in tenants else named)


def _note(request: Request, fault: Fault) -> None:
    exchange_of(request.scope).code = fault.code or fault.type


def shaped(app: ASGIApp) -> ASGIApp:
    """An ASGI application whose problems at the gateway's addresses have OpenAI's shape."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            await app(scope, receive, send)
            return
        await app(scope, receive, _Shaper(send))

    return application


class _Shaper:
    """Rewrites a problem; all else goes through as it is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if MutableHeaders(scope=message).get("content-type", "").startswith(MEDIA_TYPE):
                self._start = message
                return
        elif self._start is not None:
            start, self._start = self._start, None
            body = _shaped(start["status"], message.get("body", b""))
            headers = MutableHeaders(scope=start)
            headers["content-type"], headers["content-length"] = "application/json", str(len(body))
            await self._send(start)
            message = {**message, "body": body}
        await self._send(message)


def _shaped(status: int, body: bytes) -> bytes:
    problem: dict[str, Any] = json.loads(body)
    told = f"{problem.get('detail', '')} {problem.get('hint', '')}".strip()
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    return json.dumps(Fault(status, told, kind, problem.get("code")).body).encode()
