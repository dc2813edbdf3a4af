"""A made-up key and a made-up person, planted to be looked for in what is logged.

The key is what the simulated models are called with; the person's address stands in every text of one run's
input, and that run's first request is refused with a message that repeats the key.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from roadworthy.testing.simulated import Received

KEY_VARIABLE = "ROADWORTHY_DRILL_KEY"
"""The environment variable that holds the key of every simulated model."""


@dataclass(frozen=True, slots=True)
class Canary:
    """What must not be found again."""

    secret: str
    email: str

    @classmethod
    def new(cls) -> "Canary":
        """Made up anew for each drill."""
        mark = secrets.token_hex(8)
        return cls(f"drill-{mark}-{secrets.token_hex(8)}", f"kim.canary.{mark}@person.example")

    def is_in(self, received: Received) -> bool:
        """Whether a request is about the planted person."""
        return any(self.email in text for _, text in received.messages)

    def planted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """An input with the address in each of its texts."""
        return {name: self._plant(value) for name, value in given.items()}

    def leaks(self, files: Iterable[Path]) -> dict[str, int]:
        """In how many lines each of the two stands; empty when in none."""
        found = {"the key": 0, "the address": 0}
        for file in files:
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    found["the key"] += self.secret in line
                    found["the address"] += self.email in line
        return {what: count for what, count in found.items() if count}

    def _plant(self, value: Any) -> Any:
        if isinstance(value, str):
            return f"{value} {self.email}"
        if isinstance(value, dict):
            return {name: self._plant(one) for name, one in cast("dict[str, Any]", value).items()}
        return [self._plant(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value
