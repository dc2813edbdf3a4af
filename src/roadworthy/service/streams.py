"""Connections that stay open: how many there may be, who waits for a run, and server-sent events.

A stream says only that something changed, never what it says now. It ends when the client leaves or reads too
slowly, when the credentials no longer hold, and when the service shuts down, which it says.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from roadworthy.errors import Throttled, TryLater
from roadworthy.service.changes import Change, Changes, Listener
from roadworthy.settings import ServiceSettings
from roadworthy.workflows import FINISHED, Doorbell, Run, RunStatus

_RETRY_SECONDS = 5.0
_RECHECK_SECONDS = 1.0
_SEND_SECONDS = 10.0
_MOST_MISSED = 500
_LEFT = "left"


class Streams:
    """The open streams of one process."""

    def __init__(self, settings: ServiceSettings, changes: Changes, doorbell: Doorbell) -> None:
        self.changes = changes
        self.heartbeat_seconds = settings.heartbeat_seconds
        self._doorbell = doorbell
        self._most = settings.max_streams
        self._most_each = settings.max_streams_each
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    @contextmanager
    def place(self, principal_id: str) -> Generator[None]:
        """Take a place. Raises `Throttled` when the principal has too many, `TryLater` when all have."""
        if self._open[principal_id] >= self._most_each:
            raise Throttled(
                f"{self._most_each} streams and waits are open already, as many as one caller may have.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        if self.count >= self._most:
            raise TryLater("Every place for a stream is taken.", retry_after_seconds=_RETRY_SECONDS)
        self._open[principal_id] += 1
        try:
            yield
        finally:
            self._open[principal_id] -= 1
            self._open += Counter()  # forgets whoever has none

    async def wait_for_end(
        self, principal_id: str, look: Callable[[], Awaitable[Run]], run_id: str, seconds: float
    ) -> Run:
        """The run when it has ended or is parked, or as it is after so many seconds."""
        with self.place(principal_id), self.changes.listening(lambda _: False) as listener:
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        with self._doorbell.listening([run_id]) as ring:  # before the look, to miss nothing
                            run = await look()
                            if run.status in FINISHED or run.status is RunStatus.PARKED or listener.closed:
                                return run
                            while not listener.closed and not await ring(_RECHECK_SECONDS):
                                continue
            except TimeoutError:
                return await look()


class EventStream(Response):
    """Changes as server-sent events, until the client, the credentials or the service end it."""

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: Streams,
        principal_id: str,
        *,
        wants: Callable[[Change], bool],
        still_allowed: Callable[[], Awaitable[bool]],
        run_id: str = "",
        after_ms: int | None = None,
        ended: bool = False,
    ) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._principal_id = principal_id
        self._wants = wants
        self._still_allowed = still_allowed
        self._run_id = run_id
        self._after_ms = after_ms
        self._ended = ended
        """Whether the one run has ended already, so that nothing will follow."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end."""
        changes = self._streams.changes
        with (
            self._streams.place(self._principal_id),
            changes.listening(self._wants, run_id=self._run_id) as listener,
        ):
            missed = await self._missed(changes)
            await self._send(
                send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            )
            leaving = asyncio.create_task(_notice_leaving(receive, listener), name="roadworthy-stream")
            try:
                await self._write(send, missed)
                await self._follow(send, listener)
            except TimeoutError:
                scope["roadworthy.abort"]()
            finally:
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)

    async def _follow(self, send: Send, listener: Listener) -> None:
        while not self._ended:
            found = await listener.next(self._streams.heartbeat_seconds)
            await self._write(send, "".join(_event(one) for one in found) or ": still here\n\n")
            self._ended = bool(self._run_id) and any(one.status in FINISHED for one in found)
            if not found and not listener.closed and not await self._still_allowed():
                listener.close("no longer allowed")
            if listener.closed:
                break
        why = listener.closed or "the run has ended"
        if why != _LEFT:
            await self._write(send, f"event: closing\ndata: {json.dumps({'reason': why})}\n\n", last=True)

    async def _missed(self, changes: Changes) -> str:
        """What there is to say first: how soon to come again, and what changed while the client was away."""
        head = f"retry: {int(_RETRY_SECONDS * 1000)}\n: following\n\n"
        if self._after_ms is None:
            return head
        missed = await changes.since(self._after_ms, _MOST_MISSED)
        if missed is None:
            return f"{head}event: reload\ndata: {{}}\n\n"
        return head + "".join(_event(one) for one in missed if self._wants(one))

    async def _write(self, send: Send, text: str, *, last: bool = False) -> None:
        await self._send(send, {"type": "http.response.body", "body": text.encode(), "more_body": not last})

    async def _send(self, send: Send, message: Message) -> None:
        """Send, or raise `TimeoutError` when the client does not read what was sent before."""
        async with asyncio.timeout(_SEND_SECONDS):
            await send(message)


def _event(change: Change) -> str:
    data = json.dumps({"id": change.id, "topic": change.topic})
    return f"id: {change.at_ms}\nevent: {change.topic}.changed\ndata: {data}\n\n"


async def _notice_leaving(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    listener.close(_LEFT)
