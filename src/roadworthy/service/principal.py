"""Who asks: a key in the Authorization header, or a session's cookie; and what a route needs.

`Authentication` finds the principal once, before a body is read. A route says by `needs(...)` which
permission it takes; the same word stands in the OpenAPI document as `x-permission`: tests check each by it.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from roadworthy.access import Access, Permission, Principal
from roadworthy.access import Scope as Allowed
from roadworthy.audit import Actor, ActorKind, acting
from roadworthy.errors import Forbidden, NotFound, RoadworthyError, Unauthenticated
from roadworthy.service.exchange import Exchange, exchange_of

COOKIE, SECURE_COOKIE = "roadworthy_session", "__Host-roadworthy_session"
CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_SECRET = 512


class Authentication:
    """Finds out who asks. It refuses nobody: routes do, and some are for everybody."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def around(self, app: ASGIApp) -> ASGIApp:
        """An ASGI application that notes who asks, for the routes and for the audit log."""

        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            exchange = exchange_of(scope)
            try:
                exchange.principal = await self.find(scope, exchange)
            except RoadworthyError as error:
                exchange.refused = error
            with acting(actor_of(exchange)):
                await app(scope, receive, send)

        return authenticated

    async def find(self, scope: Scope, exchange: Exchange) -> Principal | None:
        """The principal of a request; None when it gives no credentials. Raises `Unauthenticated`."""
        headers = Headers(scope=scope)
        given = headers.get("authorization")
        if given is not None:
            kind, _, secret = given.partition(" ")
            if kind.lower() != "bearer" or not 0 < len(secret.strip()) <= _MOST_SECRET:
                raise Unauthenticated("The Authorization header holds no bearer key.")
            return await self._access.key(secret.strip())
        token = session_token(headers, https=exchange.https)
        if token is None:
            return None
        principal = await self._access.session(token)
        exchange.cookie = True
        return principal


def actor_of(exchange: Exchange) -> Actor:
    """Whoever asks, as the audit log names them."""
    principal = exchange.principal
    if principal is None:
        return Actor(ActorKind.ANONYMOUS, exchange.client, request_id=exchange.request_id)
    return Actor(ActorKind(principal.kind.value), principal.id, principal.name, exchange.request_id)


def session_token(headers: Headers, *, https: bool) -> str | None:
    """The session's token in the cookies; None when there is none."""
    cookies = cookie_parser(headers.get("cookie", ""))
    token = cookies.get(SECURE_COOKIE if https else COOKIE, "")
    return token if 0 < len(token) <= _MOST_SECRET else None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what for."""

    principal: Principal
    permission: Permission

    @property
    def scope(self) -> Allowed:
        """What lists may show."""
        return self.principal.scope(self.permission)

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants that the grants name, and '' for what belongs to none."""
        return tuple(dict.fromkeys(["", *(grant.tenant for grant in self.principal.grants if grant.tenant)]))

    def may(self, permission: Permission, *, workflow: str = "", tenant: str = "") -> bool:
        """Whether something is allowed where a thing belongs."""
        return self.principal.may(permission, workflow=workflow, tenant=tenant)

    def require(self, *, workflow: str, tenant: str, seen_by: Permission, missing: NotFound) -> None:
        """Raise `missing`, as if the thing did not exist, or `Forbidden` when it may be seen and no more."""
        if self.may(self.permission, workflow=workflow, tenant=tenant):
            return
        if self.may(seen_by, workflow=workflow, tenant=tenant):
            raise forbidden(self.permission)
        raise missing


def forbidden(permission: Permission) -> Forbidden:
    """That this is not allowed, and what it takes."""
    return Forbidden(
        f"This takes the permission {permission.value!r}.", details={"permission": permission.value}
    )


def needs(
    permission: Permission, *, everywhere: bool = False
) -> Callable[[Request], Coroutine[Any, Any, Caller]]:
    """What gives a route its `Caller`, who has this permission somewhere, or for everything.

    Whether they have it for the thing that is asked for, the route says.
    """

    async def caller(request: Request) -> Caller:
        exchange = exchange_of(request.scope)
        principal = exchange.principal
        if principal is None:
            raise exchange.refused or Unauthenticated(
                "This needs a key or a session.", hint="Send the header: Authorization: Bearer rw_..."
            )
        if exchange.cookie and request.method not in _SAFE:
            token = session_token(request.headers, https=exchange.https) or ""
            request.app.state.access.check_csrf(token, request.headers.get(CSRF_HEADER, ""))
        has = principal.may(permission) if everywhere else bool(principal.scope(permission).pairs)
        if not has:
            raise forbidden(permission)
        return Caller(principal, permission)

    return caller


Reader = Annotated[Caller, Depends(needs(Permission.RUNS_READ))]
Starter = Annotated[Caller, Depends(needs(Permission.RUNS_START))]
Manager = Annotated[Caller, Depends(needs(Permission.RUNS_MANAGE))]

Extra: TypeAlias = dict[str, Any]

_PROBLEMS = {
    400: "What was sent is not valid HTTP or JSON.",
    401: "No key or session, or one that does not hold.",
    403: "The key or session does not allow this.",
    404: "No such thing, or none that the key or session may see.",
    408: "The body did not arrive in time.",
    409: "It excludes something that was done before, or is not in a state that allows it.",
    413: "The body is too large.",
    414: "The address is too long.",
    421: "The service is not known by this name.",
    422: "The input does not fit.",
    431: "The headers are too long.",
    429: "Too many at a time; try again after `Retry-After`.",
    500: "An error here; the operator finds it under the request's id.",
    502: "The models answered, but not in the form that was asked for.",
    503: "Not available at the moment; try again after `Retry-After`.",
    504: "The time of the route is over.",
}
_OF_ANY = (400, 401, 403, 414, 421, 422, 429, 431, 500, 503)
_OF_BODIES = (408, 413)
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def route(
    permission: Permission | None,
    *more: int,
    body: bool = False,
    replies: Mapping[int, dict[str, Any]] | None = None,
    errors: Mapping[str, Any] = _PROBLEM,
) -> Extra:
    """What the OpenAPI document says of a route: the permission, who may ask, its `errors` and `replies`."""
    statuses = sorted({*_OF_ANY, *more, *(_OF_BODIES if body else ())})
    if permission is None:
        statuses = [status for status in statuses if status not in (401, 403) or status in more]
    said: Extra = {
        "responses": {
            **{one: {"description": _PROBLEMS[one], "content": errors} for one in statuses},
            **(replies or {}),
        },
    }
    if permission is not None:
        said["openapi_extra"] = {
            "x-permission": permission.value,
            "security": [{"key": []}, {"session": []}],
        }
    return said
