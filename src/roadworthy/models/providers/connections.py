"""The connections to one provider: `Connections`, a transport for httpx2 that reuses the one used last.

httpx2's own pool looks through all of its connections, with a system call for each idle one, whenever a
request begins or ends: with fifty at once that took a quarter of a call's CPU (measured 2026-11). Here each
connection is a pool of one, and those that are free are a stack. How many there are at a time is up to
whoever asks: a model's `max_concurrency`.
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies

import httpx2

if TYPE_CHECKING:
    import ssl

_IDLE_SECONDS: Final = 5.0
"""httpx2's default: servers and load balancers close idle connections later than that."""


def transport(*, trust_env: bool) -> "Connections | None":
    """The transport for a client; None where the environment names a proxy, which httpx2 has to choose."""
    if trust_env and any(getproxies().get(scheme) for scheme in ("http", "https", "all")):
        return None
    return Connections(httpx2.create_ssl_context(trust_env=trust_env))


class Connections(httpx2.AsyncBaseTransport):
    """One connection for each request under way, and those that wait for the next."""

    def __init__(self, context: "ssl.SSLContext", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._monotonic = monotonic
        self._open: set[httpx2.AsyncHTTPTransport] = set()
        self._free: deque[tuple[httpx2.AsyncHTTPTransport, float]] = deque()
        """Each with since when; the one that is free for longest stands first."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it over a connection that is free, or a new one."""
        connection = self._free.pop()[0] if self._free else self._new()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._release(connection)  # what broke is closed already; it connects anew
            raise
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101  # an asynchronous transport's is
        response.stream = _Body(stream, self, connection)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        connections, self._open = self._open, set()
        self._free.clear()
        for connection in connections:
            await connection.aclose()

    async def done(self, connection: httpx2.AsyncHTTPTransport) -> None:
        """Let the next request have this connection, and close those that nobody needed for a while."""
        self._release(connection)
        while self._free and self._monotonic() - self._free[0][1] > _IDLE_SECONDS:
            idle, _ = self._free.popleft()
            self._open.discard(idle)
            await idle.aclose()

    def _new(self) -> httpx2.AsyncHTTPTransport:
        limits = httpx2.Limits(max_connections=1, keepalive_expiry=_IDLE_SECONDS)
        connection = httpx2.AsyncHTTPTransport(verify=self._context, limits=limits)
        self._open.add(connection)
        return connection

    def _release(self, connection: httpx2.AsyncHTTPTransport) -> None:
        if connection in self._open:  # else all was closed meanwhile
            self._free.append((connection, self._monotonic()))


class _Body(httpx2.AsyncByteStream):
    """A response's body; whoever closes it gives the connection back."""

    def __init__(
        self, stream: httpx2.AsyncByteStream, connections: Connections, connection: httpx2.AsyncHTTPTransport
    ) -> None:
        self._stream = stream
        self._connections = connections
        self._connection: httpx2.AsyncHTTPTransport | None = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await self._stream.aclose()
        finally:
            await self._connections.done(connection)
