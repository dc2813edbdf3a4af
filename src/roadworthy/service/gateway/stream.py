"""An answer as server-sent events, in whichever dialect.

Status and headers go out with the first piece, so a call that fails before it is an ordinary error. One that
fails later ends the stream with an error event and without the dialect's good end: no client can take a part
for the whole.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from roadworthy.calls import Answer, Reply
from roadworthy.models import Delta
from roadworthy.service.gateway.asking import Asking, ClientGone
from roadworthy.service.gateway.fault import Fault

_SLOWEST_SECONDS = 60.0
"""A client that takes nothing for so long is given up."""


class Events(Protocol):
    """Writes one answer in a dialect."""

    def begin(self) -> bytes:
        """What comes first."""
        ...

    def pieces(self, deltas: list[Delta]) -> bytes:
        """Pieces of the answer."""
        ...

    def finish(self, answer: Answer[Reply]) -> bytes:
        """The good end."""
        ...

    def failed(self, fault: Fault) -> bytes:
        """The end of an answer that broke off."""
        ...


class Stream(Response):
    """The response of a call under way, or of one that has ended."""

    media_type = "text/event-stream"

    def __init__(
        self,
        asking: Asking[Reply],
        events: Events,
        fault_of: Callable[[BaseException], Fault],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(None, 200, {**headers, "cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._asking = asking
        self._events = events
        self._fault_of = fault_of

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it; however that ends, the call ends too."""
        asking = self._asking
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send(send, self._events.begin())
            while deltas := await asking.pieces():
                await self._send(send, self._events.pieces(deltas))
            await self._send(send, await self._end(), more=False)
        except (ClientGone, TimeoutError, OSError):
            return
        finally:
            await asking.end()

    async def _end(self) -> bytes:
        try:
            answer = await self._asking.answer()
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - becomes the last event, and is logged where it is ours
            return self._events.failed(self._fault_of(error))
        rest = b"" if self._asking.mailbox.begun else self._events.pieces(deltas_of(answer.value))
        return rest + self._events.finish(answer)

    @staticmethod
    async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(_SLOWEST_SECONDS):
            await send({"type": "http.response.body", "body": body, "more_body": more})


def deltas_of(reply: Reply) -> list[Delta]:
    """A whole answer as pieces: one for its text, one for each tool call."""
    found = [Delta(reply.text)] if reply.text else []
    return found + [
        Delta(call.arguments, number, call.id, call.name) for number, call in enumerate(reply.tool_calls)
    ]


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    """One event; half characters that a model wrote are replaced."""
    head = f"event: {name}\n" if name else ""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}data: {text}\n\n".encode(errors="replace")
