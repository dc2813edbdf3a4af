"""Uvicorn, set up for the simulated provider: silent, HTTP only, with a hand on every connection."""

import asyncio
import socket
import struct
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_NO_LINGER = struct.pack("ii", 1, 0)
"""Closing a socket with this option sends a reset in place of an orderly end."""


class Connections:
    """The open connections, by the client's address."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Remember a connection."""
        self._transports[_address(transport)] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._transports.pop(_address(transport), None)

    def reset(self, client: tuple[str, int]) -> None:
        """Send a reset to this client."""
        transport = self._transports.get(client)
        if transport is None or transport.is_closing():
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()

    def close(self) -> None:
        """Close all of them."""
        for transport in list(self._transports.values()):
            transport.close()


def _address(transport: asyncio.Transport) -> tuple[str, int]:
    host, port = transport.get_extra_info("peername")[:2]
    return (host, port)


def configured(application: ASGIApp, connections: Connections) -> uvicorn.Server:
    """A server to start and shut down by hand: uvicorn's own loop looks for its end only now and then."""

    class Protocol(H11Protocol):
        def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, transport: asyncio.Transport
        ) -> None:
            super().connection_made(transport)
            connections.opened(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self.transport)
            super().connection_lost(exc)

    config = uvicorn.Config(
        cast("Any", application),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
