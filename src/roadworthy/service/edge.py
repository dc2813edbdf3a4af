"""The outermost layer: an id for each request, headers on each response, a line in the log, and no traceback.

Nothing of a query string is logged: one-time links carry their token there.
"""

import ipaddress
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roadworthy.records import Ids
from roadworthy.service import problem
from roadworthy.service.exchange import Exchange, put

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_UNKNOWN = ("", 0)
_SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""What a response does not say for itself. A page's style sheet and scripts come from here, or not at all."""
_HSTS = "max-age=31536000"
_log = logging.getLogger("roadworthy.service")

Observe = Callable[[Scope, Exchange, float], None]
"""Told of each request that was answered, and how many seconds it took until its response ended."""


class Edge:
    """An ASGI application around the service."""

    def __init__(
        self, app: ASGIApp, *, ids: Ids, trusted_proxies: Sequence[str], observe: Iterable[Observe] = ()
    ) -> None:
        self._app = app
        self._ids = ids
        self._trusted = [ipaddress.ip_network(one, strict=False) for one in trusted_proxies]
        self._observe = tuple(observe)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = self._exchange(scope)
        put(scope, exchange)
        began = time.perf_counter()

        is_whole = False

        async def finish(message: Message) -> None:
            nonlocal is_whole
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                self._complete(MutableHeaders(scope=message), exchange)
            elif message["type"] == "http.response.body":
                is_whole = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, finish)
        except Exception:
            _log.exception("request %s failed", exchange.request_id)
            if not exchange.status:
                await problem.unexpected(exchange)(scope, receive, finish)
            elif not is_whole:
                raise  # half a response cannot become another one; the server closes the connection
        finally:
            seconds = time.perf_counter() - began
            for observe in self._observe:
                observe(scope, exchange, seconds)

    def _complete(self, headers: MutableHeaders, exchange: Exchange) -> None:
        headers["x-request-id"] = exchange.request_id
        for name, value in _SECURITY.items():
            headers.setdefault(name, value)
        if exchange.https:
            headers.setdefault("strict-transport-security", _HSTS)

    def _exchange(self, scope: Scope) -> Exchange:
        headers = Headers(scope=scope)
        peer: tuple[str, int] = tuple(scope.get("client") or _UNKNOWN)  # type: ignore[assignment]
        client, https = peer[0], scope.get("scheme") == "https"
        if self._trusts(client):
            https = headers.get("x-forwarded-proto", scope.get("scheme", "")).strip().lower() == "https"
            client = self._first_untrusted(headers.get("x-forwarded-for", ""), client)
        given = headers.get("x-request-id", "")
        return Exchange(
            request_id=given if _REQUEST_ID.fullmatch(given) else self._ids.new("req"),
            peer=peer,
            client=client,
            https=https,
        )

    def _first_untrusted(self, forwarded: str, nearest: str) -> str:
        """From the right, the first address that is no trusted proxy's: what is left of it may be forged."""
        found = nearest
        for one in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
            try:
                found = str(ipaddress.ip_address(one))
            except ValueError:
                return found
            if not self._trusts(found):
                return found
        return found

    def _trusts(self, address: str) -> bool:
        if not self._trusted:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)
