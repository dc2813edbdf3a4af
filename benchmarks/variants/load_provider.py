"""The simulated provider of `load.py`, in a process: as many tokens, and as slow, as a text asks for.

    python load_provider.py LEDGER

Prints its address. A text says "request 17 of 44 tokens"; a hundred tokens take a second.
"""

import re
import signal
import sys
from pathlib import Path

from roadworthy.records import Usage
from roadworthy.testing.simulated.received import Received
from roadworthy.testing.simulated.reply import Reply
from roadworthy.testing.simulated.server import SimulatedProvider

SECONDS_PER_TOKEN, MOST_SECONDS = 0.01, 8.0


def reply(received: Received) -> Reply:
    tokens = int(re.search(r"request \d+ of (\d+) tokens", received.text)[1])
    usage = Usage(received.input_tokens, tokens)
    return Reply(
        "It is on its way.", usage=usage, latency_seconds=min(tokens * SECONDS_PER_TOKEN, MOST_SECONDS)
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with SimulatedProvider(rules=[reply], ledger_path=Path(sys.argv[1])) as provider:
        print(provider.base_url, flush=True)
        provider.serve_forever()
