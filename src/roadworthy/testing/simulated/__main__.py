"""The simulated provider as a process: `python -m roadworthy.testing.simulated --port 8123 --script s.json`.

Prints its address as the first line of its output, once it listens, and serves until it is stopped.
"""

import argparse
import signal
import sys
from pathlib import Path

from roadworthy.errors import RoadworthyError
from roadworthy.testing.recording import Recording
from roadworthy.testing.simulated.latency import Latency
from roadworthy.testing.simulated.script import read_script
from roadworthy.testing.simulated.server import SimulatedProvider


def main(arguments: list[str] | None = None) -> int:
    """Serve until the process is told to stop."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _serve(options)
    except RoadworthyError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _serve(options: argparse.Namespace) -> None:
    latency = None
    if options.latency is not None:
        latency = Latency(options.latency, options.latency_p99)
    provider = SimulatedProvider(
        read_script(options.script) if options.script else (),
        recording=Recording.read(options.recording) if options.recording else None,
        latency=latency,
        cache_prefixes=options.cache_prefixes,
        ledger_path=options.ledger,
        port=options.port,
    )
    provider.batches.after_seconds = options.batch_seconds
    with provider:
        sys.stdout.write(f"{provider.url}\n")
        sys.stdout.flush()
        provider.serve_forever()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m roadworthy.testing.simulated",
        description="A simulated provider of language models, on this machine only.",
    )
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 has a free port chosen")
    parser.add_argument("--script", type=Path, help="a JSON list of replies and faults")
    parser.add_argument("--recording", type=Path, help="a recording to answer from")
    parser.add_argument("--ledger", type=Path, help="a file that gets one line for each billed request")
    parser.add_argument("--latency", type=float, help="median latency in seconds")
    parser.add_argument("--latency-p99", type=float, help="latency in seconds that 1 %% of requests exceed")
    parser.add_argument("--batch-seconds", type=float, default=0.0, help="how long a batch takes")
    parser.add_argument(
        "--cache-prefixes", action="store_true", help="report tokens read from a prefix cache"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
