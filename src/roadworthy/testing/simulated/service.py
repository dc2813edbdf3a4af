"""The simulated provider as an ASGI application: routes, and the way of one request.

Read the body, remember the request, choose its answer, wait as long as it takes, bill it, deliver it.
Starlette does the routing; answers are sent as plain ASGI messages so that they can be broken at any byte.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from roadworthy.records import Clock, Usage
from roadworthy.testing.simulated.answers import Answers, echo
from roadworthy.testing.simulated.batches import Batches
from roadworthy.testing.simulated.batches.anthropic import routes as anthropic_routes
from roadworthy.testing.simulated.batches.google import routes as google_routes
from roadworthy.testing.simulated.batches.openai import routes as openai_routes
from roadworthy.testing.simulated.delivery import Delivery
from roadworthy.testing.simulated.dialects import (
    CHAT,
    EMBEDDINGS,
    GENERATE,
    MESSAGES,
    RESPONSES,
    Answered,
    Dialect,
)
from roadworthy.testing.simulated.faults import (
    BadRequest,
    BodyFault,
    ErrorFault,
    Fault,
    ResetConnection,
    Slow,
    TransportFault,
)
from roadworthy.testing.simulated.journal import Journal
from roadworthy.testing.simulated.latency import Latency
from roadworthy.testing.simulated.received import Asked, BadBody, Received, without_keys
from roadworthy.testing.simulated.reply import Reply

Reset = Callable[[tuple[str, int]], None]
"""Resets the connection that comes from this address."""

_PATHS: Mapping[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/openai/v1/chat/completions": CHAT,
    "/openai/deployments/{model}/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/openai/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/v1beta/models/{model}:generateContent": GENERATE,
    "/v1/embeddings": EMBEDDINGS,
    "/openai/v1/embeddings": EMBEDDINGS,
    "/openai/deployments/{model}/embeddings": EMBEDDINGS,
}


class Service:
    """Answers requests in every dialect; lives in one event loop."""

    def __init__(
        self,
        answers: Answers,
        journal: Journal,
        batches: Batches,
        *,
        clock: Clock,
        latency: Latency | None,
        reset: Reset,
    ) -> None:
        self.answers = answers
        self.journal = journal
        self._batches = batches
        self._clock = clock
        self._latency = latency
        self._reset = reset
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End every wait; to be called in the event loop."""
        self._stopping.set()

    def application(self) -> ASGIApp:
        """The application to serve."""
        batches = [
            *openai_routes(self._batches, self.connection),
            *anthropic_routes(self._batches, self.connection),
            *google_routes(self._batches, self.connection),
        ]
        live = [Route(path, _Endpoint(self, dialect)) for path, dialect in _PATHS.items()]
        return Starlette(routes=[*live, *batches])

    async def handle(self, dialect: Dialect, request: Request, line: "Connection") -> None:
        """The way of one request."""
        received, fault = await self._receive(dialect, request)
        delivery = Delivery(dialect, received, line)
        if fault is not None:
            await delivery.error(fault)
            return
        answer: Reply | Fault = self.answers.choose(received)
        if self._latency is not None:
            await line.pause(self._latency.seconds(received.number))
        while isinstance(answer, Slow):
            await line.pause(answer.seconds)
            answer = answer.then if isinstance(answer.then, Reply | Fault) else Reply()
        if isinstance(answer, Reply):
            await line.pause(answer.latency_seconds)
        await self._deliver(delivery, answer, received)

    async def _receive(self, dialect: Dialect, request: Request) -> tuple[Received, ErrorFault | None]:
        body: dict[str, Any] = {}
        asked, fault = Asked("", ()), None
        try:
            body = _object(await request.body())
            asked = dialect.read({**request.path_params, **body})
        except BadBody as error:
            fault = BadRequest(str(error), error.param)
        received = Received(
            number=self.journal.next_number(),
            api=dialect.api,
            path=request.url.path,
            model=asked.model,
            messages=asked.messages,
            schema=asked.schema,
            tool=asked.tool,
            stream=asked.stream,
            headers=without_keys(request.headers.items()),
            body=body,
            time_ms=self._clock.now_ms(),
        )
        self.journal.arrived(received)
        return received, fault

    async def _deliver(self, delivery: Delivery, answer: Reply | Fault, received: Received) -> None:
        reply = answer if isinstance(answer, Reply) else echo(received)
        answered = Answered(received, reply, Usage())
        if _is_billed(answer):
            answered = Answered(received, reply, self.journal.usage(reply, received))
            await self.journal.bill(received, answered.usage)
        if isinstance(answer, ErrorFault):
            await delivery.error(answer)
        elif isinstance(answer, BodyFault):
            await delivery.wrong_body(answer, answered)
        elif isinstance(answer, TransportFault):
            await delivery.broken_line(answer, answered)
        else:
            await delivery.reply(answered)

    def connection(self, scope: Scope, receive: Receive, send: Send) -> "Connection":
        """The line of one request."""
        return Connection(scope, receive, send, stopping=self._stopping, reset=self._reset)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body: Any = json.loads(raw)
    except ValueError:
        raise BadBody("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise BadBody("The body has to be a JSON object.")
    return cast("dict[str, Any]", body)


def _is_billed(answer: Reply | Fault) -> bool:
    if isinstance(answer, ResetConnection):
        return answer.when == "during"
    return isinstance(answer, Reply) or answer.billed


class Connection:
    """One request's connection; see `delivery.Line`."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, stopping: asyncio.Event, reset: Reset
    ) -> None:
        self._client: tuple[str, int] = scope["client"]
        self._receive = receive
        self._send = send
        self._stopping = stopping
        self._reset = reset

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, body: bytes, *, more: bool) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def pause(self, seconds: float | None) -> None:
        """Wait; shorter when the server stops or the client goes away."""
        if seconds is not None and seconds <= 0:
            return
        ends = [asyncio.ensure_future(self._stopping.wait()), asyncio.ensure_future(self._disconnected())]
        try:
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    def reset(self) -> None:
        """Break the connection."""
        self._reset(self._client)

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _Endpoint:
    """One route; a class, because Starlette takes those as plain ASGI applications."""

    def __init__(self, service: Service, dialect: Dialect) -> None:
        self._service = service
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = self._service.connection(scope, receive, send)
        handle: Awaitable[None] = self._service.handle(self._dialect, Request(scope, receive), line)
        await handle
