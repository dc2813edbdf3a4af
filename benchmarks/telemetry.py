"""What telemetry costs when nobody listens, and what hostile text costs the scrubber.

A span without an exporter is compared with the least that a context manager can do: set a context variable
and set it back. The scrubber works on 100 KB lines that are made to have patterns go back over the text.

    python benchmarks/telemetry.py [--quick]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from roadworthy.telemetry import Scrubber, Telemetry

HOSTILE = (
    "a",
    "password=",
    "sk-",
    "sk-aaaaaaaa ",
    "eyJaaaaaaaa.",
    "bearer a",
    "-----BEGIN ",
    "postgres://a:",
)
LEAST: ContextVar[int] = ContextVar("least", default=0)


class Least:
    """The least that a span can do."""

    def __enter__(self) -> None:
        self._token: Token[int] = LEAST.set(1)

    def __exit__(self, *error: object) -> None:
        LEAST.reset(self._token)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; done within 50 s")
    rounds = 9 if parser.parse_args().quick else 31
    telemetry = Telemetry()
    spans: dict[str, Callable[[], Any]] = {
        "least": Least,
        "run": lambda: telemetry.run_span(run_id="run_1", workflow="w"),
        "step": lambda: telemetry.step_span(step_id="step_1", step="draft"),
        "call": lambda: telemetry.call_span(call_id="call_1", prompt_id="p", prompt_version="v2"),
        "attempt": lambda: telemetry.attempt_span(number=1, model="m", provider="openai", request_model="x"),
    }
    taken: dict[str, list[float]] = {name: [] for name in spans}
    for _ in range(rounds):
        for name, make in spans.items():
            taken[name].append(span_microseconds(make))
    medians = {name: statistics.median(figures) for name, figures in taken.items()}
    for name, median in medians.items():
        print(f"{name:8} {median:6.2f} µs a span without an exporter")
    slowest = max(statistics.median(scrub_ms(unit) for _ in range(rounds)) for unit in HOSTILE)
    print(f"{slowest:.1f} ms for the worst of {len(HOSTILE)} hostile lines of 100 KB")
    figures = {
        "ratio_of_dearest_span_to_least": round(max(medians.values()) / medians["least"], 2),
        "span_us": round(max(medians.values()), 2),
        "hostile_line_ms": round(slowest, 1),
    }
    print(json.dumps(figures))


def span_microseconds(make: Callable[[], Any], times: int = 5000) -> float:
    """Processor time of one span."""
    began = time.process_time()
    for _ in range(times):
        with make():
            pass
    return (time.process_time() - began) / times * 1e6


def scrub_ms(unit: str) -> float:
    """Processor time for one line of 100 KB made of `unit`."""
    scrubber = Scrubber()
    scrubber.register("p@ss/w'ör\"d-" + "x" * 30)
    line = (unit * (100_000 // len(unit) + 1))[:100_000]
    began = time.process_time()
    scrubber.scrub(line)
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    main()
