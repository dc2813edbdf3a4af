"""What is drilled: `Plan`, and which runs a scenario makes of it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadworthy.testing.drill.inputs import Inputs
from roadworthy.testing.drill.scenario import Scenario

LOUD, QUIET, USUAL = "loud", "quiet", "drill"
"""Tenants."""
_QUIET_SHARE = 5
_FEWEST_QUIET = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drilled, and how much of it."""

    workflow: str
    inputs: Inputs
    worker_command: Callable[[Path], list[str]]
    """The command that starts a worker on the stage whose order is in that file."""
    runs: int = 40
    at_once: int = 10
    """Runs under way at a time."""
    seed: int = 0
    latency_seconds: float = 0.05
    """How long a model takes as a rule: the median; one answer in a hundred takes four times as long."""
    over_seconds: float = 0.0
    """The runs begin evenly over this time; 0: each as soon as there is room for it."""
    every_model: bool = False
    """Whether local models and functions are played by the simulator too."""
    patience_seconds: float = 300.0
    """How long a run may take before the drill goes on without it."""


@dataclass(frozen=True, slots=True)
class Start:
    """A run to be started."""

    given: dict[str, Any]
    tenant: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Runs of one tenant, so many at a time."""

    starts: tuple[Start, ...]
    at_once: int


def lanes(plan: Plan, scenario: Scenario) -> tuple[Lane, ...]:
    """The runs of a scenario."""
    if scenario.flood == 1:
        return (_lane(plan, USUAL, plan.runs, plan.at_once),)
    quiet = max(_FEWEST_QUIET, plan.runs // _QUIET_SHARE)
    return (
        _lane(plan, LOUD, plan.runs, plan.at_once * scenario.flood),
        _lane(plan, QUIET, quiet, 1),
    )


def _lane(plan: Plan, tenant: str, count: int, at_once: int) -> Lane:
    values = list(plan.inputs.values)
    random.Random(f"{plan.seed}:{tenant}").shuffle(values)  # noqa: S311 - repeatable on purpose
    starts = tuple(
        Start(values[number % len(values)], tenant, f"{tenant}-{number + 1}") for number in range(count)
    )
    return Lane(starts, at_once)
