"""One request for a page: who looks, what they may do, what they asked for, what took time."""

import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode

import sqlalchemy as sa
from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from roadworthy.access import Permission, Principal
from roadworthy.app import App
from roadworthy.errors import Unauthenticated
from roadworthy.service.exchange import exchange_of
from roadworthy.service.principal import CSRF_HEADER, Caller, forbidden, session_token
from roadworthy.service.sign_in import fields_of

T = TypeVar("T")
FRAGMENT_HEADER = "x-fragment"
_MOST_FIELDS = 1_200
_THEMES = ("light", "dark")
_THEME_COOKIE = "roadworthy_theme"
_SAID_COOKIE = "roadworthy_said"
_SAID_SECONDS = 30
_LONGEST_SAID = 500


@dataclass(slots=True)
class Visit:
    """A request, as pages see it."""

    app: App
    request: Request
    caller: Caller
    csrf: str
    """What forms send back, so that nobody else's page can send them."""
    form: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The fields of the form that was sent; a name may come more than once."""
    began: float = field(default_factory=time.perf_counter)
    database_seconds: float = 0.0

    @property
    def principal(self) -> Principal:
        """Who looks."""
        return self.caller.principal

    @property
    def fragment(self) -> str:
        """The one block of the page that is wanted; empty for all of it."""
        return self.request.headers.get(FRAGMENT_HEADER, "")

    @property
    def theme(self) -> str:
        """`light` or `dark` when the visitor chose one, else empty: as the browser has it."""
        chosen = self.request.cookies.get(_THEME_COOKIE, "")
        return chosen if chosen in _THEMES else ""

    @property
    def said(self) -> str:
        """What came of the form that was sent before; shown once."""
        return unquote(self.request.cookies.get(_SAID_COOKIE, ""))[:_LONGEST_SAID]

    @property
    def permissions(self) -> frozenset[Permission]:
        """What is allowed at least somewhere."""
        return frozenset(one for one in Permission if self.may_somewhere(one))

    @property
    def roles(self) -> str:
        """The visitor's grants in words."""
        return ", ".join(str(grant) for grant in sorted(self.principal.grants))

    def go(self, address: str, said: str = "") -> Response:
        """Lead to a page after a form was taken; the page says once what came of it."""
        response = RedirectResponse(address, 303)
        if said:
            exchange = exchange_of(self.request.scope)
            response.set_cookie(
                _SAID_COOKIE,
                quote(said[:_LONGEST_SAID]),
                max_age=_SAID_SECONDS,
                httponly=True,
                samesite="lax",
                secure=exchange.https,
            )
        return response

    def may(self, permission: str | Permission, workflow: str = "", tenant: str = "") -> bool:
        """Whether something is allowed where a thing belongs."""
        return self.caller.may(Permission(permission), workflow=workflow, tenant=tenant)

    def may_somewhere(self, permission: str | Permission) -> bool:
        """Whether something is allowed at least somewhere, so that its page has something to show."""
        return bool(self.principal.scope(Permission(permission)).pairs)

    def field(self, name: str) -> str:
        """What the form says under a name, the first time; empty when it says nothing."""
        return self.form.get(name, [""])[0]

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """What a read of the database gives; its time is told with the page."""
        began = time.perf_counter()
        try:
            return await self.app.database.read(work)
        finally:
            self.database_seconds += time.perf_counter() - began

    def forget_said(self, response: Response) -> None:
        """After it was shown."""
        if _SAID_COOKIE in self.request.cookies:
            response.delete_cookie(_SAID_COOKIE)

    def address(self, **changes: str | None) -> str:
        """This page's address with some of its query changed; None takes a parameter out."""
        query_params = self.request.query_params.multi_items()
        kept = [(name, value) for name, value in query_params if name not in changes]
        new = [(name, value) for name, value in changes.items() if value]
        query = urlencode([*kept, *new])
        return f"{self.request.url.path}?{query}" if query else self.request.url.path


def visits(
    app: App, permission: Permission, *, everywhere: bool = False
) -> Callable[[Request], Coroutine[Any, Any, Visit]]:
    """What gives a page its `Visit`, by somebody who has this permission somewhere, or for everything.

    A form's token against forgery is checked here; its fields are `Visit.form`. Raises `Unauthenticated`,
    `Forbidden`.
    """

    async def visit(request: Request) -> Visit:
        exchange = exchange_of(request.scope)
        principal = exchange.principal
        if principal is None:
            raise exchange.refused or Unauthenticated("Sign in to see this page.")
        token = session_token(request.headers, https=exchange.https) if exchange.cookie else None
        csrf = app.access.csrf_token(token) if token else ""
        form: Mapping[str, list[str]] = {}
        if request.method == "POST":
            form = await fields_of(request, most=_MOST_FIELDS)
            if token is not None:
                sent = request.headers.get(CSRF_HEADER) or form.get("csrf", [""])[0]
                app.access.check_csrf(token, sent)
        has = principal.may(permission) if everywhere else bool(principal.scope(permission).pairs)
        if not has:
            raise forbidden(permission)
        return Visit(app, request, Caller(principal, permission), csrf, form)

    return visit


def nothing_here() -> HTTPException:
    """That there is no such thing, or none that the visitor may see."""
    return HTTPException(404)
