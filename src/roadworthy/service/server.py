"""The HTTP server around the service: uvicorn, bounded in connections and time, ended in order.

The way down: `/readyz` says 503; after `drain_seconds` streams and waits end, saying so; no connection is
taken any more; requests under way finish for `shutdown_seconds`; then the worker lets its runs go. Signals
are the business of whoever starts the server.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Generator
from typing import Any, Self, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from roadworthy.errors import ConfigurationError
from roadworthy.service.limits import MOST_HEADER_BYTES
from roadworthy.service.problem import MEDIA_TYPE
from roadworthy.settings import ServiceSettings

_KEEP_ALIVE_SECONDS = 65
"""Longer than the usual minute of proxies, which would else reuse a connection that closes under them."""
_BACKLOG = 1024


class Server(uvicorn.Server):
    """A server that somebody else starts and stops."""

    def __init__(
        self, app: ASGIApp, settings: ServiceSettings, *, port_setting: str = "--port, or [service] port"
    ) -> None:
        self._settings = settings
        self._port_setting = port_setting
        config = uvicorn.Config(
            cast("Any", app),
            http=_protocol(settings.read_seconds),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=settings.max_connections,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            reset_contextvars=True,
        )
        super().__init__(config)
        self._serving: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where it listens, for example `http://127.0.0.1:8080`."""
        host, port = self.bind().getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def bind(self) -> socket.socket:
        """Take the port. Raises `ConfigurationError` when it is not to be had."""
        if self._socket is None:
            self._socket = _bound(self._settings.host, self._settings.port, self._port_setting)
        return self._socket

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self.serve([self.bind()]), name="roadworthy-server")
        await self._listening.wait()
        return self

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        try:
            await super().startup(sockets)
        finally:
            self._listening.set()

    async def __aexit__(self, *_: object) -> None:
        """Stop listening, let requests finish for a while, then cancel them."""
        self.should_exit = True
        if self._serving is not None:
            await self._serving

    async def ended(self) -> None:
        """Wait until it serves no longer."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the command."""
        yield


def _bound(host: str, port: int, port_setting: str) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        # the protocol is named, or asyncio leaves Nagle's algorithm on, and a response waits 40 ms for an ACK
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(f"{host!r}, to listen at, is no address of this machine.") from error
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        raise ConfigurationError(
            f"The service cannot listen at {host}, port {port}: {error.strerror}.",
            hint=f"Choose another port: {port_setting}.",
        ) from error
    made.listen(_BACKLOG)
    return made


def _protocol(  # noqa: C901 - a class in a function: uvicorn makes the instances
    read_seconds: float,
) -> type[H11Protocol]:
    """Uvicorn's protocol with a deadline for headers, an emergency exit, and problems for plain text."""

    class Protocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.access_log = False  # it would show whole addresses, and the tokens in them

        def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, transport: asyncio.Transport
        ) -> None:
            super().connection_made(transport)
            self._wait_for_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._headers_came()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self._busy and self._deadline is None:
                self._wait_for_headers()
            super().data_received(data)
            if self._busy:
                self._headers_came()

        def handle_events(self) -> None:
            super().handle_events()
            if self._busy:
                self._headers_came()
                # the request's task begins after this; a stream whose client reads nothing needs a way out
                self.scope.setdefault("roadworthy.abort", self.transport.abort)  # type: ignore[typeddict-item]

        def send_400_response(self, msg: str) -> None:
            del msg
            self._refuse(400, "What was sent is not HTTP, or its headers are too long.", "invalid_request")

        @property
        def _busy(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

        def _wait_for_headers(self) -> None:
            self._deadline = self.loop.call_later(read_seconds, self._too_slow)

        def _headers_came(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _too_slow(self) -> None:
            if not self.transport.is_closing() and not self._busy:
                said = f"The headers did not arrive within {read_seconds:g} seconds."
                self._refuse(408, said, "request_timeout")

        def _refuse(self, status: int, detail: str, code: str) -> None:
            """Answer before there is a request, and close."""
            title = {400: "Bad Request", 408: "Request Timeout"}[status]
            body = json.dumps(
                {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
            ).encode()
            headers = [
                ("content-type", MEDIA_TYPE),
                ("content-length", str(len(body))),
                ("connection", "close"),
                ("x-content-type-options", "nosniff"),
            ]
            with contextlib.suppress(h11.LocalProtocolError):  # a response is under way: it is cut short
                for event in (
                    h11.Response(status_code=status, headers=headers, reason=title.encode()),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

    return Protocol
