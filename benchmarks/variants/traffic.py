"""Real traffic around an outage of ten minutes: Azure's trace of conversations, thinned and at a pace."""

import csv
import gzip
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from roadworthy.records import Usage

OUTAGE_SECONDS = 600.0
PHASES = ("before", "during", "after")


@dataclass(frozen=True)
class Asked:
    """One request of the trace."""

    at_seconds: float
    """Since the window began."""
    usage: Usage


@dataclass(frozen=True)
class Pace:
    """How the trace is replayed."""

    times: int
    """So many seconds pass in one."""
    one_in: int
    """So many requests become one."""
    calm_seconds: float
    """Before the outage, and after it."""

    @property
    def seconds(self) -> float:
        """The length of the window."""
        return OUTAGE_SECONDS + 2 * self.calm_seconds

    def phase(self, at_seconds: float) -> str:
        ends = (self.calm_seconds, self.calm_seconds + OUTAGE_SECONDS)
        return PHASES[sum(at_seconds >= end for end in ends)]


def read(path: Path, pace: Pace) -> list[Asked]:
    """The busiest part of the trace, thinned."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [
            (datetime.fromisoformat(row["TIMESTAMP"][:26]), row["ContextTokens"], row["GeneratedTokens"])
            for row in csv.DictReader(file)
        ]
    middle = rows[len(rows) // 2][0]
    asked: list[Asked] = []
    for at, read_tokens, written in rows:
        seconds = (at - middle).total_seconds() + pace.seconds / 2
        if 0 <= seconds < pace.seconds:
            asked.append(Asked(seconds, Usage(int(read_tokens), int(written))))
    return asked[:: pace.one_in]
