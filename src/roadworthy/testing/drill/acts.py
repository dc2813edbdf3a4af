"""What takes the place of a project's actions in a drill: each is written down, none is carried out.

A line is written at once and in one piece, before the action counts as done, so that the record holds also
what a killed worker did; several processes write to the same file.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadworthy.calls import Answer, Decision
from roadworthy.calls.sample import sample
from roadworthy.records import Clock
from roadworthy.workflows import Act


@dataclass(frozen=True, slots=True)
class Acted:
    """An action that would have been carried out."""

    action: str
    key: str
    irreversible: bool
    run_id: str
    time_ms: int
    decisions: tuple[Mapping[str, Any], ...]
    """`by`, `name` and `call_id` of each decision that it was given."""
    answers: tuple[str, ...]
    """The calls whose answers it was given, decided or not."""

    @property
    def is_decided(self) -> bool:
        """Whether a rule or a person stands behind it."""
        return bool(self.decisions) and all(
            one["by"] in ("rule", "person") and one["name"] for one in self.decisions
        )


class Recorder:
    """Writes actions down; what an app is told to rehearse with."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def __call__(self, act: Act) -> Any:
        """Take an action's place; what it returns is the plainest value of the declared type."""
        decisions = [
            {"by": one.by, "name": one.name, "call_id": one.call_id}
            for one in act.arguments.values()
            if isinstance(one, Decision)
        ]
        line = {
            "action": act.action,
            "key": act.key,
            "irreversible": act.irreversible,
            "run_id": act.run_id,
            "time_ms": self._clock.now_ms(),
            "decisions": decisions,
            "answers": [
                one.call_id
                for one in act.arguments.values()
                if isinstance(one, Answer | Decision) and one.call_id is not None
            ],
        }
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
        finally:
            os.close(descriptor)
        return sample(act.output_schema())


def read(file: Path) -> list[Acted]:
    """Everything that was written down, in order."""
    if not file.exists():
        return []
    return [_acted(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def _acted(line: dict[str, Any]) -> Acted:
    decisions, answers = tuple(line.pop("decisions")), tuple(line.pop("answers"))
    return Acted(**line, decisions=decisions, answers=answers)
