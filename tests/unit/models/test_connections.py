"""Connections to a provider: used again, last one first, and never more than are needed."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx2
import pytest

from roadworthy.models.providers.connections import Connections, transport

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """A server on this machine that notes which of its connections each request came over."""

    def __init__(self) -> None:
        self.came_over: list[int] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.left = 0
        self.reply = asyncio.Event()
        self.reply.set()
        self.changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes over one connection, once `reply` is set."""
        number = len(self.writers)
        self.writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                async with self.changed:
                    self.came_over.append(number)
                    self.changed.notify_all()
                await self.reply.wait()
                writer.write(REPLY)
        except (asyncio.IncompleteReadError, ConnectionError):
            async with self.changed:
                self.left += 1
                self.changed.notify_all()
        finally:
            writer.close()

    async def requests(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.came_over) >= count)

    async def closed(self, count: int) -> None:
        """Wait until the client has left so many connections."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.left >= count)


class Time:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    """A server, and its address."""
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    yield made, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    listening.close()


@pytest.fixture
def time() -> Time:
    """What the client takes for the time."""
    return Time()


@pytest.fixture
async def client(time: Time) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with such connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx2.AsyncClient(transport=Connections(context, time), timeout=5.0) as made:
        yield made


async def test_one_after_another_share_a_connection(
    server: tuple[Server, str], client: httpx2.AsyncClient
) -> None:
    """A request that follows another one goes over its connection."""
    for _ in range(3):
        assert (await client.get(server[1])).text == "ok"
    assert server[0].came_over == [0, 0, 0]


async def test_those_at_the_same_time_have_one_each_and_the_last_is_used_again(
    server: tuple[Server, str], client: httpx2.AsyncClient
) -> None:
    """Three at once need three connections; what comes after needs no fourth."""
    server[0].reply.clear()
    asking = [asyncio.create_task(client.get(server[1])) for _ in range(3)]
    await server[0].requests(3)
    server[0].reply.set()
    await asyncio.gather(*asking)
    assert sorted(server[0].came_over) == [0, 1, 2]
    for _ in range(2):
        await client.get(server[1])
    assert len(server[0].writers) == 3
    assert server[0].came_over[3] == server[0].came_over[4]


async def test_a_connection_that_the_server_left_is_replaced(
    server: tuple[Server, str], client: httpx2.AsyncClient
) -> None:
    """A request does not fail because the server closed the connection while it was free."""
    await client.get(server[1])
    server[0].writers[0].close()
    await server[0].writers[0].wait_closed()
    assert (await client.get(server[1])).text == "ok"
    assert server[0].came_over == [0, 1]


async def test_connections_that_nobody_needs_are_closed(
    server: tuple[Server, str], client: httpx2.AsyncClient, time: Time
) -> None:
    """After a rush only those stay open that are still used."""
    server[0].reply.clear()
    asking = [asyncio.create_task(client.get(server[1])) for _ in range(3)]
    await server[0].requests(3)
    server[0].reply.set()
    await asyncio.gather(*asking)
    time.now = 6.0
    await client.get(server[1])
    await server[0].closed(2)


async def test_a_cancelled_request_leaves_no_connection_with_half_an_answer(
    server: tuple[Server, str], client: httpx2.AsyncClient
) -> None:
    """What was under way on it must not be taken for the next request's answer."""
    server[0].reply.clear()
    asking = asyncio.create_task(client.get(server[1]))
    await server[0].requests(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    server[0].reply.set()
    assert (await client.get(server[1])).text == "ok"
    assert server[0].came_over == [0, 1]


async def test_closing_the_client_closes_what_is_free(server: tuple[Server, str], time: Time) -> None:
    """No connection outlives its client."""
    async with httpx2.AsyncClient(
        transport=Connections(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), time)
    ) as one:
        await one.get(server[1])
    await server[0].closed(1)


def test_a_proxy_of_the_environment_is_left_to_httpx2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has a proxy for some addresses gets the client that knows which."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert transport(trust_env=True) is not None
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert transport(trust_env=True) is None
    assert transport(trust_env=False) is not None
