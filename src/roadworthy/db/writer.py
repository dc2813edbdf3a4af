"""The one thread that writes to SQLite. Works that wait together share a transaction.

A work's function may run twice (see `Database.write`), so sharing needs no savepoints: when one work of a
batch fails, the batch is rolled back and each is run again in a transaction of its own.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

MOST_TOGETHER = 64

Job = Callable[[Any], Any]


@dataclass(slots=True)
class _Waiting:
    work: Job
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs works in order. `transact` runs a function of a connection as one transaction."""

    def __init__(self, transact: Callable[[Job], Any]) -> None:
        self._transact = transact
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="roadworthy-write", daemon=True)
        self._thread.start()

    async def write(self, work: Job) -> Any:
        """What `work` returns, once its transaction is committed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.put(_Waiting(work, loop, future))
        return await future

    def close(self) -> None:
        """Finish what was asked for and stop."""
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < MOST_TOGETHER:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._run(batch)
            if last:
                return

    def _run(self, batch: list[_Waiting]) -> None:
        if len(batch) > 1:
            with suppress(BaseException):  # whose fault it was shows below, when each runs alone
                results = self._transact(lambda tx: [one.work(tx) for one in batch])
                for one, result in zip(batch, results, strict=True):
                    one.result = result
                self._deliver(batch)
                return
        for one in batch:
            try:
                one.result = self._transact(one.work)
            except BaseException as error:  # noqa: BLE001 - handed to whoever asked
                one.error = error
            self._deliver([one])

    def _deliver(self, batch: list[_Waiting]) -> None:
        for loop in {one.loop for one in batch}:
            mine = [one for one in batch if one.loop is loop]
            try:
                loop.call_soon_threadsafe(_settle, mine)
            except RuntimeError:  # the loop is closed: nobody waits any more
                continue


def _settle(batch: list[_Waiting]) -> None:
    for one in batch:
        if one.future.done():
            continue
        if one.error is not None:
            one.future.set_exception(one.error)
        else:
            one.future.set_result(one.result)
