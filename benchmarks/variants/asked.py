"""What every variant asks for, and the loop that counts what its calls cost.

A variant is a process that is told on each line of its input how many calls to make, and whether at once,
and answers with a line of figures. Everything here is from the standard library: a peer's environment has
nothing of ours.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

AT_ONCE = 50
TEXT = "Hello, my parcel T-1009 was to come on Monday and it is Thursday now. " * 6
SYSTEM = "You answer tickets of customers from the policy handbook. Be brief, be kind, promise nothing. " * 4
REPLY = {"outcome": "answer", "message": "Your parcel is on its way and will be with you tomorrow."}
SCHEMA = {
    "type": "object",
    "properties": {"outcome": {"type": "string"}, "message": {"type": "string"}},
    "required": ["outcome", "message"],
    "additionalProperties": False,
}
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TEXT}]
RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "Reply", "schema": SCHEMA, "strict": True},
}

Ask = Callable[[], Awaitable[object]]


async def serve(ask: Ask, settle: Ask | None = None) -> None:
    """Measure what the other end asks for, until it hangs up. Times are in seconds for one call.

    `settle` does what the calls left to be done later (spans and rows that go out together): it is a cost of
    theirs too, though nobody waits for it.
    """
    while line := await asyncio.to_thread(sys.stdin.readline):
        calls, at_once = json.loads(line)
        began = time.process_time()
        walls = await (_at_once(ask, calls) if at_once else _one_by_one(ask, calls))
        if settle is not None:
            await settle()
        cpu = (time.process_time() - began) / calls
        print(json.dumps({"cpu": cpu, "wall": statistics.median(walls)}), flush=True)


async def _one_by_one(ask: Ask, calls: int) -> list[float]:
    walls: list[float] = []
    for _ in range(calls):
        began = time.perf_counter()
        await ask()
        walls.append(time.perf_counter() - began)
    return walls


async def _at_once(ask: Ask, calls: int) -> list[float]:
    """All together; the wall time of one is its share."""
    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(calls)))
    return [(time.perf_counter() - began) / calls]
