"""What a request may be: addressed to us, of bounded length, sent in bounded time, with a body that is JSON.

The body is read here, before anything else is done for the request, into one bounded buffer; whoever has not
said who they are gets a small one. What is too long is thrown away for a moment before the connection closes,
so that the client is still there to read why.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roadworthy.service import problem
from roadworthy.service.exchange import exchange_of

ANONYMOUS_BYTES = 16_384
"""The largest body of somebody who has not said who they are: a sign-in, a rating."""
_PROBES = frozenset({"/healthz", "/readyz"})
"""Asked for by address, not by name: whatever runs the process looks whether it lives."""
LONGEST_TARGET = 8_192
"""Of path and query, in bytes."""
MOST_HEADER_BYTES = 32_768
_DRAIN_SECONDS = 3.0
_CLOSE = {"connection": "close"}


class Limits:
    """An ASGI application around the routes. Authentication stands around it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Sequence[str],
        max_body_bytes: int,
        read_seconds: float,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._max_body_bytes = max_body_bytes
        self._larger = dict(larger or {})
        """By the beginning of a path: where bodies may be larger."""
        self._read_seconds = read_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through with its body, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, exchange = Headers(scope=scope), exchange_of(scope)
        if self._hosts and scope["path"] not in _PROBES and _host(headers.get("host", "")) not in self._hosts:
            said = "This service is not known by the name in the Host header."
            await problem.plain(421, said, exchange.request_id, code="unknown_host")(scope, receive, send)
            return
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET:
            said = f"The address is longer than {LONGEST_TARGET} bytes."
            await problem.plain(414, said, exchange.request_id)(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
            said = f"The headers are longer than {MOST_HEADER_BYTES} bytes."
            await problem.plain(431, said, exchange.request_id, headers=_CLOSE)(scope, receive, send)
            return
        most = self._most(scope)
        declared = headers.get("content-length", "")
        body = None if declared.isdecimal() and int(declared) > most else await self._read(receive, most)
        match body:
            case bytes():
                await self._app(scope, _replay(body, receive), send)
            case "late":
                said = f"The body did not arrive within {self._read_seconds:g} seconds."
                late = problem.plain(408, said, exchange.request_id, headers=_CLOSE)
                await late(scope, receive, send)
            case "gone":
                exchange.status = 499  # nobody is there to be answered; the access log shows it as nginx does
            case _:
                said = f"The body is larger than {most} bytes."
                await self._refuse_large(scope, receive, send, said)

    def _most(self, scope: Scope) -> int:
        if exchange_of(scope).principal is None:
            return min(ANONYMOUS_BYTES, self._max_body_bytes)
        path: str = scope["path"]
        return next(
            (most for start, most in self._larger.items() if path.startswith(start)), self._max_body_bytes
        )

    async def _read(self, receive: Receive, most: int) -> bytes | str | None:
        """The whole body; None when it is too long, `late` or `gone` when it does not come."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._read_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return "gone"
                    part = message.get("body", b"")
                    size += len(part)
                    if size > most:
                        return None
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            return "late"

    async def _refuse_large(self, scope: Scope, receive: Receive, send: Send, said: str) -> None:
        """Answer, and read on for a moment: a reset would reach the client before the answer does."""
        exchange = exchange_of(scope)

        async def hold_the_end(message: Message) -> None:
            if message["type"] == "http.response.body":
                await send({**message, "more_body": True})
                return
            await send(message)

        refusal = problem.plain(413, said, exchange.request_id, headers=_CLOSE)
        await refusal(scope, receive, hold_the_end)
        if "100-continue" not in Headers(scope=scope).get("expect", "").lower():
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    while True:
                        message = await receive()
                        if message["type"] == "http.disconnect" or not message.get("more_body", False):
                            break
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _host(given: str) -> str:
    """The name in a Host header, without its port."""
    name = given.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once, then whatever the connection says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
