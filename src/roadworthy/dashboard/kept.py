"""What takes long to read and seldom changes is kept for some minutes, in memory: `Kept`."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from roadworthy.records import Clock

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key, the ones asked for last; each is read once, however many ask for it at a time."""

    def __init__(self, clock: Clock, *, seconds: float, most: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._found: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._locks: dict[Hashable, asyncio.Lock] = {}

    async def get(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The value of a key, from `read` where it is not known or too old."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            now = self._clock.monotonic()
            found = self._found.get(key)
            if found is None or now - found[0] >= self._seconds:
                found = self._found[key] = (now, await read())
            self._found.move_to_end(key)
        while len(self._found) > self._most:
            oldest, _ = self._found.popitem(last=False)
            self._locks.pop(oldest, None)
        return found[1]
