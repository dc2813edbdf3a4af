"""Signing in with a one-time link, the ways to sign in, and signing out; all lead to the dashboard.

Opening a link changes nothing: mail filters and chat programs open links, too. Its page has a button, and
what that sends uses the link up. No page has a script.
"""

import html
import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from roadworthy.audit import Actor, ActorKind, acting
from roadworthy.errors import InvalidInput, RoadworthyError
from roadworthy.service.exchange import Exchange, exchange_of
from roadworthy.service.principal import COOKIE, CSRF_HEADER, SECURE_COOKIE, session_token

if TYPE_CHECKING:
    from roadworthy.app import App

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/static/style.css"><link rel="icon" href="/static/icon.svg"></head>
<body class="alone"><main class="card"><header><h1>{title}</h1></header>
<div class="body">{body}</div>
</main></body>
</html>
"""
"""With the dashboard's look where the dashboard is served."""
_LINK_BY_HAND = """<form method="post" action="/sign-in">
<input type="hidden" name="next" value="{then}">
<p><label>With a link that an owner gave you:
<input name="token" autocomplete="off" required></label></p><button>Sign in</button></form>"""
_LONGEST_TOKEN = 200
_LONGEST_PATH = 1_000
_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", re.ASCII)
"""A path of this service: nothing that a browser takes for another host, or leaves out, such as a tab."""


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(include_in_schema=False)

    @made.get("/sign-in")
    async def ask(
        token: Annotated[str, Query(max_length=_LONGEST_TOKEN)] = "",
        then: Annotated[str, Query(alias="next")] = "",
    ) -> Response:
        then = own_path(then)
        if not token:
            return page("Sign in", _ways(app, then) + _LINK_BY_HAND.format(then=html.escape(then)))
        return page(
            "Sign in",
            '<form method="post" action="/sign-in">'
            f'<input type="hidden" name="token" value="{html.escape(token)}">'
            f'<input type="hidden" name="next" value="{html.escape(then)}">'
            '<p>This link works once.</p><button class="primary" autofocus>Sign in</button></form>',
        )

    @made.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        exchange = exchange_of(request.scope)
        form = await form_of(request)
        token = form.get("token", "").rpartition("=")[2].strip()
        with acting(Actor(ActorKind.ANONYMOUS, exchange.client, request_id=exchange.request_id)):
            try:
                session = await app.access.sign_in(token, address=exchange.client)
            except RoadworthyError as error:
                exchange.code = error.code
                return page("Not signed in", f"<p>{html.escape(str(error))}</p>", status=401)
        response = RedirectResponse(own_path(form.get("next", "")), 303)
        set_session(response, exchange, session.token)
        return response

    @made.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        https = _https(request)
        token = session_token(request.headers, https=https) or ""
        form = await form_of(request)
        app.access.check_csrf(token, request.headers.get(CSRF_HEADER) or form.get("csrf", ""))
        await app.access.sign_out(token)
        principal = exchange_of(request.scope).principal
        farewell = None if principal is None else await app.access.farewell(principal.id)
        response = RedirectResponse("/", 303) if farewell is None else _signed_out(*farewell)
        response.delete_cookie(SECURE_COOKIE if https else COOKIE, path="/", secure=https, httponly=True)
        return response

    return made


def own_path(given: str) -> str:
    """Where to go after signing in: the path that was asked for if it is one of this service, else `/`."""
    return given if len(given) <= _LONGEST_PATH and _OWN_PATH.fullmatch(given) else "/"


def set_session(response: Response, exchange: Exchange, token: str) -> None:
    """Give a session that has begun to the browser."""
    response.set_cookie(
        SECURE_COOKIE if exchange.https else COOKIE,
        token,
        path="/",
        secure=exchange.https,
        httponly=True,
        samesite="lax",
    )


def page(title: str, body: str, *, status: int = 200) -> Response:
    """A plain page; `body` is HTML, `title` is text."""
    return HTMLResponse(_PAGE.format(title=html.escape(title), body=body), status)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a small form, the first value of each. Raises `InvalidInput`."""
    return {name: values[0] for name, values in (await fields_of(request, most=20)).items()}


async def fields_of(request: Request, *, most: int) -> dict[str, list[str]]:
    """The fields of a form, `most` of them at most. Raises `InvalidInput`."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(body, max_num_fields=most)
    except ValueError:
        raise InvalidInput(f"A form has at most {most} fields.") from None


def _https(request: Request) -> bool:
    return exchange_of(request.scope).https


def _ways(app: "App", then: str) -> str:
    """The providers of OpenID Connect. Links, as a form may lead to this service only (its CSP)."""
    query = f"?{urlencode({'next': then})}" if then != "/" else ""
    return "".join(
        f'<p><a class="button" href="/sign-in/openid/{quote(name)}{html.escape(query)}">'
        f"Sign in with {html.escape(provider.label)}</a></p>\n"
        for name, provider in app.access.providers.items()
    )


def _signed_out(label: str, url: str) -> Response:
    """That the session here has ended, and the way to end the one at the provider, too."""
    return page(
        "Signed out",
        f'<p>You are still signed in at {html.escape(label)}: <a href="{html.escape(url)}">sign out there, '
        'too</a>.</p>\n<p><a href="/">Back</a></p>',
    )
