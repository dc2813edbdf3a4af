"""Single flight: of identical calls that run at the same time one is made, and the others get its result.

    first ──► makes it ──► has a result ──► everybody who waits gets it
                      └─► failed, was cancelled, or has nothing to share ──► the next in line makes its own

Nobody is failed by another one's failure, and who gives up waiting leaves the line as it was. All of it
happens on one event loop; calls on different loops do not wait for each other.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

_Line = OrderedDict["asyncio.Future[Any]", None]
_Place = tuple[asyncio.AbstractEventLoop, str]

_YOUR_TURN = object()


def _always(_: object) -> bool:
    return True


class SingleFlight:
    """The calls that are being made, by key, and who waits for them."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[_Place, _Line] = {}

    def waiting(self, key: str) -> int | None:
        """How many wait for the call of that key on this event loop; None when it is not being made."""
        line = self._lines.get((asyncio.get_running_loop(), key))
        return None if line is None else len(line)

    async def once(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        *,
        seconds: float | None = None,
        share: Callable[[T], bool] = _always,
    ) -> tuple[T, bool]:
        """The result, and whether it was made for this caller.

        Args:
            key: What makes calls identical.
            make: Makes the call: for the first caller, and for the next one when that had nothing to share.
            seconds: How long to wait for another caller's result at most; `make` is not limited by it.
            share: Whether a result is for the others too.

        Raises:
            TimeoutError: Another caller's result did not come in time; nothing was made.
        """
        place = (asyncio.get_running_loop(), key)
        line = self._lines.get(place)
        if line is None:
            self._lines[place] = OrderedDict()
        else:
            result = await self._wait(place, line, seconds)
            if result is not _YOUR_TURN:
                return result, False
        try:
            made = await make()
            shared = share(made)
        except BaseException:
            self._hand_on(place)
            raise
        if not shared:
            self._hand_on(place)
            return made, True
        for waiter in self._lines.pop(place):
            if not waiter.done():
                waiter.set_result(made)
        return made, True

    async def _wait(self, place: _Place, line: _Line, seconds: float | None) -> Any:
        waiter: asyncio.Future[Any] = place[0].create_future()
        line[waiter] = None
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter.done() and not waiter.cancelled():
                # It came in the moment in which we gave up.
                if waiter.result() is _YOUR_TURN:
                    self._hand_on(place)
                elif isinstance(error, TimeoutError):
                    return waiter.result()
            line.pop(waiter, None)
            raise

    def _hand_on(self, place: _Place) -> None:
        """Let the next one in line make its own call; without one, the call is no longer being made."""
        line = self._lines[place]
        while line:
            waiter, _ = line.popitem(last=False)
            if not waiter.done():  # a cancelled one has not come round to leaving the line yet
                waiter.set_result(_YOUR_TURN)
                return
        del self._lines[place]
