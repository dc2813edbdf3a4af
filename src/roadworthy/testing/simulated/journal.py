"""What the simulated provider remembers: requests that arrived, prefixes it has cached, what it billed.

Written by the one thread of the server's event loop, read by any: lists only grow, so no lock is needed.
The ledger is a file to which each billed request adds one line of JSON in a single append, before its
answer leaves; it outlives the processes that a crash test kills.
"""

import asyncio
import json
import os
import threading
from pathlib import Path

from roadworthy.records import Usage
from roadworthy.testing.simulated.received import Received
from roadworthy.testing.simulated.reply import Reply, count_tokens


class Journal:
    """The memory of one simulated provider."""

    def __init__(self, *, ledger_path: Path | None, cache_prefixes: bool) -> None:
        self._received: list[Received] = []
        self._waiting: list[tuple[int, threading.Event]] = []
        self._ledger_path = ledger_path
        self._prefixes: set[tuple[tuple[str, str], ...]] | None = set() if cache_prefixes else None
        self.billed = 0
        self.billed_in_batches = 0

    @property
    def requests(self) -> tuple[Received, ...]:
        """Everything that arrived, in order."""
        return tuple(self._received)

    def next_number(self) -> int:
        """The number of the request that arrives now."""
        return len(self._received) + 1

    def arrived(self, received: Received) -> None:
        """Remember a request and wake those who wait for it."""
        self._received.append(received)
        for count, event in list(self._waiting):
            if len(self._received) >= count:
                event.set()

    def wait_for(self, count: int, timeout_seconds: float) -> bool:
        """Block until `count` requests arrived; false when that took too long."""
        event = threading.Event()
        self._waiting.append((count, event))
        return len(self._received) >= count or event.wait(timeout_seconds)

    def usage(self, reply: Reply, received: Received) -> Usage:
        """The tokens to report and bill."""
        if reply.usage is not None:
            return reply.usage
        output_tokens = 0 if received.api == "embeddings" else reply.output_tokens()
        if self._prefixes is None:
            return Usage(received.input_tokens, output_tokens)
        read = 0
        for end in range(1, len(received.messages) + 1):
            prefix = received.messages[:end]
            if prefix in self._prefixes:
                read = sum(count_tokens(text) for _, text in prefix)
            self._prefixes.add(prefix)
        return Usage(received.input_tokens, output_tokens, cache_read_tokens=read)

    async def bill(self, received: Received, usage: Usage) -> None:
        """Count a request that the provider charges for, and add it to the ledger."""
        self.billed += 1
        self.billed_in_batches += bool(received.batch)
        if self._ledger_path is None:
            return
        entry = {
            "time_ms": received.time_ms,
            "number": received.number,
            "api": received.api,
            "model": received.model,
            "text": received.text,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "batch": received.batch,
        }
        await asyncio.to_thread(_append, self._ledger_path, json.dumps(entry, ensure_ascii=False) + "\n")


def _append(path: Path, line: str) -> None:
    """One write in append mode: lines of several processes never mix."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
