"""One case of a data set: what goes in, what is expected, and what kind of case it is.

    {"id": "t-01", "inputs": {"ticket": …}, "expected": {"outcome": "refuse"}, "tags": ["must-refuse"]}

A data set is a file of such lines (`dataset.py`). What a case expects is free: evaluators look into it.
"""

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from roadworthy.records import Json


class Tag(StrEnum):
    """Kinds of cases that every data set should have; a project adds its own words."""

    COMMON = "common"
    """What comes in every day."""
    EDGE = "edge"
    """Unusual, but legitimate."""
    HIGH_RISK = "high-risk"
    """Where a wrong answer does harm."""
    MUST_REFUSE = "must-refuse"
    """What has to be declined."""
    MUST_ESCALATE = "must-escalate"
    """What a person has to answer."""


@dataclass(frozen=True)  # without slots, so that it keeps its hash
class Case:
    """One case."""

    id: str
    """Unique in its data set."""
    inputs: dict[str, Any]
    """The prompt's inputs, or the workflow's, by name."""
    expected: Json = None
    """What evaluators compare with; None where they need nothing."""
    tags: tuple[str, ...] = ()
    source: str = ""
    """Where it comes from: `run_…`, `call_…`, `review_…`, `feedback_…`, or a word."""
    note: str = ""
    """For people: why it is here."""
    line: int = field(default=0, compare=False)
    """Where it stands in its file, counted from 1."""

    def as_json(self) -> dict[str, Json]:
        """The line of the file; what is empty is left out."""
        told: dict[str, Json] = {"id": self.id, "inputs": self.inputs}
        if self.expected is not None:
            told["expected"] = self.expected
        if self.tags:
            told["tags"] = list(self.tags)
        told |= {name: said for name in ("source", "note") if (said := getattr(self, name))}
        return told

    @property
    def metadata(self) -> dict[str, Any]:
        """Tags, source and note, as other tools have them; what is empty is left out."""
        told: dict[str, Any] = {"tags": list(self.tags), "source": self.source, "note": self.note}
        return {name: value for name, value in told.items() if value}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over what decides its outcome: inputs, expectation and tags."""
        return digest([self.inputs, self.expected, sorted(self.tags)])


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, in hexadecimal; the order of keys does not count."""
    return hashlib.sha256(_JSON.encode(value).encode("utf-8", "surrogatepass")).hexdigest()


_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
