"""How an answer leaves: as a body, as a stream, broken on purpose, or not at all.

Works on ASGI messages, so that a body can be cut anywhere. `Line` is the connection as the server sees it;
only it can reset.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from roadworthy.testing.simulated.dialects import Answered, Dialect, Event
from roadworthy.testing.simulated.faults import (
    BodyFault,
    CutStream,
    EmptyBody,
    ErrorFault,
    ErrorInSuccess,
    Hang,
    HtmlPage,
    MalformedJson,
    Problem,
    ResetConnection,
    ServerError,
    TransportFault,
)
from roadworthy.testing.simulated.received import Received

_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"
HTML_PAGE = (
    "<!doctype html><html><head><title>Gateway</title></head><body><h1>Please sign in</h1></body></html>"
)


class Line(Protocol):
    """The connection of one request."""

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers."""
        ...

    async def send(self, body: bytes, *, more: bool) -> None:
        """Send a part of the body."""
        ...

    async def pause(self, seconds: float | None) -> None:
        """Wait; shorter when the server stops or the client goes away."""
        ...

    def reset(self) -> None:
        """Break the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sends one answer in one dialect."""

    dialect: Dialect
    received: Received
    line: Line

    @property
    def request_id(self) -> str:
        """The provider's id of the request."""
        return f"req_sim{self.received.number:012d}"

    async def reply(self, answered: Answered) -> None:
        """A good answer."""
        if not self.received.stream:
            await self._body(200, _JSON, _json(self.dialect.whole(answered)))
            return
        await self._open_stream()
        for event in self.dialect.events(answered):
            await self.line.send(event.encode(), more=True)
            if answered.reply.chunk_seconds:
                await self.line.pause(answered.reply.chunk_seconds)
        await self.line.send(b"", more=False)

    async def error(self, fault: ErrorFault) -> None:
        """The provider's own error."""
        await self.problem(fault.problem(self.received))

    async def problem(self, problem: Problem) -> None:
        """An error in the dialect's words."""
        status, body = self.dialect.error(problem, self.request_id)
        await self._body(status, _JSON, _json(body), problem.headers)

    async def wrong_body(self, fault: BodyFault, answered: Answered) -> None:
        """Bytes that are not what the protocol says."""
        streamed = self.received.stream
        if isinstance(fault, HtmlPage):
            await self._body(fault.status, "text/html; charset=utf-8", HTML_PAGE.encode())
        elif isinstance(fault, EmptyBody):
            await self._body(200, _EVENTS if streamed else _JSON, b"")
        elif isinstance(fault, MalformedJson):
            broken = Event('{"id": "simulated", "choices": [{', self._first_name(answered)).encode()
            whole = _json(self.dialect.whole(answered))
            await self._body(200, _EVENTS if streamed else _JSON, broken if streamed else whole[:-40])
        elif isinstance(fault, ErrorInSuccess) and streamed:
            await self._open_stream()
            for event in self.dialect.events(answered)[:3]:
                await self.line.send(event.encode(), more=True)
            problem = ServerError().problem(self.received)
            await self.line.send(self.dialect.error_event(problem, self.request_id).encode(), more=False)
        else:
            problem = ServerError().problem(self.received)
            await self._body(200, _JSON, _json(self.dialect.error(problem, self.request_id)[1]))

    async def broken_line(self, fault: TransportFault, answered: Answered) -> None:
        """A connection that hangs, is reset, or ends too early."""
        if isinstance(fault, Hang):
            await self.line.pause(fault.seconds)
            self.line.reset()
        elif isinstance(fault, CutStream):
            await self._cut(answered, fault.after_events, reset=fault.reset)
        elif isinstance(fault, ResetConnection) and fault.when == "during":
            await self._cut(answered, 2, reset=True)
        else:
            self.line.reset()

    async def _cut(self, answered: Answered, after_events: int, *, reset: bool) -> None:
        if not self.received.stream:
            body = _json(self.dialect.whole(answered))
            await self.line.start(200, self._headers(_JSON, {"content-length": str(len(body))}))
            await self.line.send(body[: len(body) // 2], more=True)
            await self.line.pause(BEFORE_RESET_SECONDS)
            self.line.reset()
            return
        await self._open_stream()
        events = self.dialect.events(answered)
        for event in events[: min(after_events, len(events) - 2)]:
            await self.line.send(event.encode(), more=True)
        if reset:
            await self.line.pause(BEFORE_RESET_SECONDS)
            self.line.reset()
        else:
            await self.line.send(b"", more=False)

    def _first_name(self, answered: Answered) -> str:
        return self.dialect.events(answered)[0].name

    async def _open_stream(self) -> None:
        await self.line.start(200, self._headers(_EVENTS, {"cache-control": "no-cache"}))

    async def _body(
        self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        extra = {"content-length": str(len(body)), **(headers or {})}
        await self.line.start(status, self._headers(kind, extra))
        await self.line.send(body, more=False)

    def _headers(self, kind: str, extra: Mapping[str, str]) -> dict[str, str]:
        return {"content-type": kind, self.dialect.request_id_header: self.request_id, **extra}


BEFORE_RESET_SECONDS = 0.05
"""Lets what was sent arrive: a reset drops bytes that the other side has not read."""


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
