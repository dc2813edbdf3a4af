"""A process that makes many calls at once: spend.py COUNT.

For each line on its input it makes that many calls for the tenant named there, all at once, and prints what
became of them as one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter

import roadworthy
from roadworthy.models.providers import pydantic_ai  # noqa: F401 - loads for seconds; not while calls are made

app = roadworthy.App.load(__file__)
reply = app.prompt("reply")


async def outcome(tenant: str, number: int) -> str:
    """`answered`, or the error's code."""
    try:
        answer = await reply.using(tenant=tenant)(text=f"Where is parcel {number}?")
    except roadworthy.RoadworthyError as error:
        return error.code
    assert answer.value
    return "answered"


async def main(count: int) -> None:
    """Serve until the input ends."""
    async with app.running(work=False):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while tenant := (await asyncio.to_thread(sys.stdin.readline)).strip():
            began = time.monotonic()
            outcomes = Counter(await asyncio.gather(*(outcome(tenant, number) for number in range(count))))
            sys.stdout.write(json.dumps({**outcomes, "seconds": time.monotonic() - began}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
