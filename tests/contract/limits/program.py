"""A process of its own: takes from a bucket, enters slots, or finds a model failing, and says how it went.

Called with the database's address, what to do, and the values for it as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path

from roadworthy.db import Database
from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models import Models, rates
from roadworthy.models.gates import Gates
from roadworthy.models.rates import Bucket
from roadworthy.records import SystemClock
from roadworthy.settings import Settings
from roadworthy.telemetry import Telemetry


def take(database, *, key, per_minute, burst, tries, now_ms):
    """Try so often to take one; how often that was possible."""
    bucket = Bucket(key, per_minute, burst)
    took = (database.write_now(lambda tx: rates.take(tx, bucket, 1, now_ms)) is None for _ in range(tries))
    return sum(took)


def enter(database, *, key, limit, tries):
    """Try so often to enter; leave every third time, so that slots go from hand to hand."""
    held = most = 0
    for number in range(tries):
        if database.write_now(lambda tx: rates.enter(tx, key, limit)):
            held += 1
            most = max(most, held)
            if number % 3 == 0:
                database.write_now(lambda tx: rates.leave(tx, key))
                held -= 1
    return held


async def fail(database, *, process, probe):
    """Find a model failing, and tell the others; or become the one that probes it, and say nothing more."""
    section = {"provider": "python", "function": "rules:answer"}
    settings = Settings.model_validate({"root": Path.cwd(), "models": {"m": section}})
    models = Models(settings, {"rules:answer": lambda _request: "yes"})
    gates = Gates(
        clock=SystemClock(),
        telemetry=Telemetry(),
        database=database,
        environment="test",
        process=process,
    )
    gate = gates.of(models.target("m"))
    if probe:
        return await gate._health.claim("m", places=2, seconds=600, seconds_left=60)
    for _ in range(10):
        (await gate.enter(seconds_left=5)).failed(ProviderError("down", kind=ErrorKind.SERVER), 0.1)
    await gates.refresh()
    return gates.states()[0].state


def main():
    """Do it, print it, and stay until somebody ends the process or its input."""
    url, what, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    database = Database(url)
    work = {"take": take, "enter": enter, "fail": fail}[what](database, **given)
    said = asyncio.run(work) if asyncio.iscoroutine(work) else work
    print(json.dumps(said), flush=True)  # noqa: T201 - its parent reads it
    sys.stdin.read()
    database.close()


if __name__ == "__main__":
    main()
