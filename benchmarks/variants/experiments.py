"""What every evaluation is made of, and how it is measured: a turn is one experiment over all cases."""

import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

_QUEUES = ("billing", "delivery", "other")


def questions(cases: int) -> Iterator[tuple[str, str]]:
    """A text for each case, and the queue that it asks for."""
    for number in range(cases):
        queue = _QUEUES[number % len(_QUEUES)]
        yield f"Message {number} of a customer belongs to {queue}", queue


async def serve(experiment: Callable[[], Awaitable[object]], cases: int) -> None:
    """For each line that comes in, one experiment; its CPU and wall seconds for a case go out."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a peer prints is no figure
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        await experiment()
        used = {"cpu": (time.process_time() - cpu) / cases, "wall": (time.perf_counter() - wall) / cases}
        out.write(json.dumps(used) + "\n")
        out.flush()
