"""A process of its own: asks again and again which version serves, as calls do, and says when it changes.

Called with the database's address. Each line it prints is `[label, time in ms]`; a first line says that it is
ready. It ends with its input.
"""

import asyncio
import json
import sys
import time

from roadworthy.audit import Audit, Keyring
from roadworthy.db import Database
from roadworthy.records import RandomIds, SystemClock
from roadworthy.releases import Releases, prompt_subject


async def main():
    """Look every few milliseconds, until the input ends."""
    database, clock = Database(sys.argv[1]), SystemClock()
    ids = RandomIds(clock)
    audit = Audit(
        database, clock, ids, "test", keyring=lambda: Keyring.of(None, ()), scrub=str, seal_after_seconds=60
    )
    releases = Releases(database, clock, ids, "test", audit=audit)
    await releases.fresh()
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    said = None
    print(json.dumps(["ready", 0]), flush=True)  # noqa: T201 - its parent reads it
    while not ended.done():
        await releases.fresh()
        assigned = releases.assign(prompt_subject("reply"), "u-1")
        label = assigned.name if assigned is not None else None
        if label != said:
            said = label
            print(json.dumps([label, time.time_ns() // 1_000_000]), flush=True)  # noqa: T201 - as above
        await asyncio.wait([ended], timeout=0.005)
    await releases.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(main())
