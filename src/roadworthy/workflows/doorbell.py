"""Wakes what waits in this process: the dispatcher for new work, and whoever waits for a run or a signal.

Other processes notice by polling; this only saves the wait inside one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager


class Doorbell:
    """Events by name. Use it on one event loop."""

    def __init__(self) -> None:
        self._listening: dict[str, set[asyncio.Event]] = {}
        self.work = asyncio.Event()
        """Set when a run may have become due."""

    def ring(self, name: str) -> None:
        """Wake everyone who listens to `name` now."""
        for event in self._listening.get(name, ()):
            event.set()

    @contextmanager
    def listening(self, names: Sequence[str]) -> Generator[Callable[[float], Awaitable[bool]]]:
        """Hear every ring from here on; the given function waits for one, False when its time is over."""
        event = asyncio.Event()
        for name in names:
            self._listening.setdefault(name, set()).add(event)

        async def wait(seconds: float) -> bool:
            try:
                async with asyncio.timeout(seconds):
                    return await event.wait()
            except TimeoutError:
                return event.is_set()

        try:
            yield wait
        finally:
            for name in names:
                self._listening[name].discard(event)
                if not self._listening[name]:
                    del self._listening[name]
