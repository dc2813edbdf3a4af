"""Signing in at a provider of OpenID Connect: the way there, and the way back.

The way there is a plain link: a form may lead to this service only (Content-Security-Policy). The cookie that
ties both ways together is gone after the way back, whatever came of it.
"""

import html
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import RedirectResponse

from roadworthy.access import Arrival
from roadworthy.access.openid_sign_in import ATTEMPT_SECONDS
from roadworthy.audit import Actor, ActorKind, acting
from roadworthy.errors import AccessError, NotFound, RoadworthyError, StateConflict, TransportError
from roadworthy.service.exchange import Exchange, exchange_of
from roadworthy.service.problem import status_of
from roadworthy.service.sign_in import own_path, page, set_session

if TYPE_CHECKING:
    from roadworthy.app import App

COOKIE, SECURE_COOKIE = "roadworthy_openid", "__Host-roadworthy_openid"
_LONGEST_CODE = 4_096
_TOLD = (AccessError, NotFound, StateConflict, TransportError)
"""What whoever signs in is told on a page; the rest is the operator's business."""
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""As in the settings."""
Text = Annotated[str, Query(max_length=_LONGEST_CODE)]


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(include_in_schema=False)

    @made.get("/sign-in/openid/{name}")
    async def depart(
        request: Request, name: Name, then: Annotated[str, Query(alias="next")] = ""
    ) -> Response:
        exchange = exchange_of(request.scope)
        with acting(_anonymous(exchange)):
            try:
                departure = await app.access.depart(name, own_path(then), address=exchange.client)
            except _TOLD as error:
                return _refused(exchange, error)
        response = RedirectResponse(departure.url, 303)
        response.set_cookie(
            _cookie(exchange),
            departure.cookie,
            max_age=ATTEMPT_SECONDS,
            path="/",
            secure=exchange.https,
            httponly=True,
            samesite="lax",
        )
        return response

    @made.get("/sign-in/openid/{name}/callback")
    async def arrive(
        request: Request, name: Name, state: Text = "", code: Text = "", iss: Text | None = None
    ) -> Response:
        exchange = exchange_of(request.scope)
        arrival = Arrival(request.cookies.get(_cookie(exchange), ""), state, code, iss)
        with acting(_anonymous(exchange)):
            try:
                session, then = await app.access.arrive(name, arrival, address=exchange.client)
            except _TOLD as error:
                response = _refused(exchange, error)
            else:
                response = RedirectResponse(then, 303)
                set_session(response, exchange, session.token)
        response.delete_cookie(
            _cookie(exchange), path="/", secure=exchange.https, httponly=True, samesite="lax"
        )
        return response

    return made


def _cookie(exchange: Exchange) -> str:
    return SECURE_COOKIE if exchange.https else COOKIE


def _anonymous(exchange: Exchange) -> Actor:
    """Nobody is anybody while they sign in, whoever they were before."""
    return Actor(ActorKind.ANONYMOUS, exchange.client, request_id=exchange.request_id)


def _refused(exchange: Exchange, error: RoadworthyError) -> Response:
    exchange.code = error.code
    body = f'<p>{html.escape(str(error))}</p>\n<p><a href="/sign-in">Back to signing in</a></p>'
    return page("Not signed in", body, status=status_of(error))
