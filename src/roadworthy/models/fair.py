"""Slots that tenants take turns in: `FairSlots`.

At most `limit` hold a slot at a time. Who has to wait stands in the line of its tenant, and a slot that
becomes free goes to the first in the next tenant's line: a tenant with a thousand waiting delays another one
by one turn. A slot is handed over, never dropped and raced for, so nobody who waits is overtaken. Slots
belong to one event loop.
"""

import asyncio
from collections import OrderedDict

from roadworthy.errors import ProviderError

_Line = OrderedDict["asyncio.Future[bool]", None]
"""First come, first served. Ordered, and anybody can leave from anywhere in it at no cost."""


class NoFreeSlot(ProviderError):
    """Too many requests of our own were under way; nothing was sent, and it says nothing about the model."""


class FairSlots:
    """At most `limit` holders at a time. Every `take` that said yes and every `acquire` needs a `release`."""

    __slots__ = ("_free", "_lines")

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        """Tenants that wait, in the order of their turns. A tenant without anybody waiting is not in it."""

    @property
    def busy(self) -> bool:
        """Whether the next one has to wait."""
        return self._free <= 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(len(line) for line in self._lines.values())

    def take(self) -> bool:
        """Take a slot if one is free now."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def acquire(self, tenant: str, seconds: float) -> None:
        """Take a slot, waiting for the tenant's turn.

        Raises:
            TimeoutError: None became free in so many seconds; none is held then.
        """
        if self.take():
            return
        if seconds <= 0:
            raise TimeoutError
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._lines.setdefault(tenant, OrderedDict())[waiter] = None
        alarm = loop.call_later(seconds, self._give_up, tenant, waiter)
        try:
            granted = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.release()  # it was handed over in the moment in which we were cancelled
            else:
                self._leave(tenant, waiter)
            raise
        finally:
            alarm.cancel()
        if not granted:
            raise TimeoutError

    def release(self) -> None:
        """Hand the slot to whoever's turn it is."""
        while self._lines:
            tenant, line = self._lines.popitem(last=False)
            waiter, _ = line.popitem(last=False)
            if line:
                self._lines[tenant] = line
            if not waiter.done():  # a cancelled one has not come round to leaving its line yet
                waiter.set_result(True)
                return
        self._free += 1

    def _give_up(self, tenant: str, waiter: "asyncio.Future[bool]") -> None:
        if not waiter.done():
            self._leave(tenant, waiter)
            waiter.set_result(False)

    def _leave(self, tenant: str, waiter: "asyncio.Future[bool]") -> None:
        line = self._lines.get(tenant)
        if line is not None and waiter in line:
            del line[waiter]
            if not line:
                del self._lines[tenant]
