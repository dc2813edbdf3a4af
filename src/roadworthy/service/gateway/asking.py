"""One call for one client, who may leave: `Asking`; and all of a gateway's: `UnderWay`.

    call ──► pipeline, in a task of its own ──► answer or error
               └─ pieces ──► Mailbox ──► the client, as fast as it reads

The task does not wait for the client: pieces that were not taken yet grow together, so a stream takes up no
more than its answer. A client that leaves ends the task, which cancels the provider's request, settles what
it may have cost and gives back its places. Only where a key promises the answer later it goes on. A service
that ends waits for all of them (`UnderWay.settled`).
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, Generic, TypeVar

from starlette.types import Receive

from roadworthy.calls import Answer
from roadworthy.models import Delta, Target

T = TypeVar("T")


class ClientGone(Exception):
    """The client left before its answer; nobody is there to be told."""


class Mailbox:
    """Pieces of an answer between the call and its client. Belongs to one event loop."""

    def __init__(self) -> None:
        self.begun = False
        self.model = ""
        """Which model of the settings was asked last."""
        self.provider_model = ""
        """Its provider's name for it."""
        self._parts: list[Delta] = []
        self._texts: list[str] = []
        self._arrived = asyncio.Event()

    def asked(self, target: Target) -> None:
        """Note which model is asked now."""
        self.model, self.provider_model = target.name, target.model

    def put(self, delta: Delta) -> None:
        """Take a piece; where the one before it waits and is of the same kind, they become one."""
        self.begun = True
        if self._parts and self._parts[-1].tool == delta.tool and not delta.tool_call_id:
            self._texts.append(delta.text)
        else:
            self._settle()
            self._parts.append(delta)
        self._arrived.set()

    def take(self) -> list[Delta]:
        """What has come since."""
        self._settle()
        taken, self._parts = self._parts, []
        self._arrived.clear()
        return taken

    async def wait(self) -> None:
        """Wait until there is something."""
        await self._arrived.wait()

    def wake(self) -> None:
        """Let whoever waits look: the call has ended."""
        self._arrived.set()

    def _settle(self) -> None:
        if self._texts:
            last = self._parts[-1]
            self._parts[-1] = replace(last, text=last.text + "".join(self._texts))
            self._texts = []


class UnderWay:
    """The calls under way at a gateway, also those whose clients left."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, making: Coroutine[Any, Any, Answer[T]]) -> "asyncio.Task[Answer[T]]":
        """Make a call in a task of its own."""
        task = asyncio.create_task(making)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def settled(self, seconds: float | None = None) -> None:
        """Wait until every call has ended and is on record; after so many seconds they are cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended()
        for task in self._tasks:
            task.cancel()
        await self._ended()

    async def _ended(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at here where nobody is left to be told


class Asking(Generic[T]):
    """A call under way."""

    def __init__(
        self,
        task: "asyncio.Task[Answer[T]]",
        mailbox: Mailbox,
        receive: Receive,
        *,
        call_id: str,
        leaves: bool,
        replayed: bool = False,
    ) -> None:
        self.call_id = call_id
        self.replayed = replayed
        """Whether it is no call at all, but an answer that is given again."""
        self.mailbox = mailbox
        self._leaves = leaves
        self._task = task
        self._gone = asyncio.create_task(_disconnected(receive))
        self._task.add_done_callback(lambda _: mailbox.wake())
        self._gone.add_done_callback(lambda _: mailbox.wake())

    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return self._task.done()

    async def first(self) -> None:
        """Wait for the first piece, or the end. Raises `ClientGone`, and what the call raises."""
        await self.mailbox.wait()
        if self._task.done():
            self._task.result()
        elif not self.mailbox.begun:
            raise ClientGone

    async def pieces(self) -> list[Delta]:
        """The next pieces; none when the call has ended and everything was taken. Raises `ClientGone`."""
        while True:
            taken = self.mailbox.take()
            if taken or self._task.done():
                return taken
            if self._gone.done():
                raise ClientGone
            await self.mailbox.wait()

    async def answer(self) -> Answer[T]:
        """The answer. Raises `ClientGone`, and what the call raises."""
        await asyncio.wait((self._task, self._gone), return_when=asyncio.FIRST_COMPLETED)
        if not self._task.done():
            raise ClientGone
        return self._task.result()

    async def end(self) -> None:
        """Leave nothing behind: a call that is still under way is cancelled, and its end is recorded."""
        self._gone.cancel()
        if self._leaves and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))


async def _disconnected(receive: Receive) -> None:
    with suppress(RuntimeError):  # the server's own way to say that the connection is over
        while (await receive())["type"] != "http.disconnect":
            pass
