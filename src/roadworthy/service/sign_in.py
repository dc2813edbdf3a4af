"""Signing in with a one-time link, signing out, and a plain page until there is more to see.

Opening a link changes nothing: mail filters and chat programs open links, too. Its page has a button, and
what that sends uses the link up. No page has a script.
"""

import html
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from roadworthy.audit import Actor, ActorKind, acting
from roadworthy.errors import InvalidInput, RoadworthyError
from roadworthy.service.exchange import exchange_of
from roadworthy.service.principal import COOKIE, CSRF_HEADER, SECURE_COOKIE, session_token

if TYPE_CHECKING:
    from roadworthy.app import App

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body><main><h1>{title}</h1>
{body}
</main></body>
</html>
"""
_LONGEST_TOKEN = 200


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(include_in_schema=False)

    @made.get("/")
    async def start(request: Request) -> Response:
        principal = exchange_of(request.scope).principal
        name = app.settings.project.name
        if principal is None:
            return page(name, "<p>Sign in with a link: <code>roadworthy access link</code> makes one.</p>")
        token = app.access.csrf_token(session_token(request.headers, https=_https(request)) or "")
        return page(
            name,
            f"<p>Signed in as {html.escape(principal.name)}.</p>\n"
            '<p>The API is described at <a href="/openapi.json">/openapi.json</a>.</p>\n'
            '<form method="post" action="/sign-out">'
            f'<input type="hidden" name="csrf" value="{html.escape(token)}">'
            "<button>Sign out</button></form>",
        )

    @made.get("/sign-in")
    async def ask(token: Annotated[str, Query(max_length=_LONGEST_TOKEN)] = "") -> Response:
        return page(
            "Sign in",
            '<form method="post" action="/sign-in">'
            f'<input type="hidden" name="token" value="{html.escape(token)}">'
            "<p>This link works once.</p><button autofocus>Sign in</button></form>",
        )

    @made.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        exchange = exchange_of(request.scope)
        token = (await form_of(request)).get("token", "")
        with acting(Actor(ActorKind.ANONYMOUS, exchange.client, request_id=exchange.request_id)):
            try:
                session = await app.access.sign_in(token, address=exchange.client)
            except RoadworthyError as error:
                exchange.code = error.code
                return page("Not signed in", f"<p>{html.escape(str(error))}</p>", status=401)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            SECURE_COOKIE if exchange.https else COOKIE,
            session.token,
            path="/",
            secure=exchange.https,
            httponly=True,
            samesite="lax",
        )
        return response

    @made.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        https = _https(request)
        token = session_token(request.headers, https=https) or ""
        form = await form_of(request)
        app.access.check_csrf(token, request.headers.get(CSRF_HEADER) or form.get("csrf", ""))
        await app.access.sign_out(token)
        response = RedirectResponse("/", 303)
        response.delete_cookie(SECURE_COOKIE if https else COOKIE, path="/", secure=https, httponly=True)
        return response

    return made


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
