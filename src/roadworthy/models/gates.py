"""The gates of all models of a process: `Gates.of(target)`.

They share one `Health`, by which they tell other processes what they find out and hear what those did.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from roadworthy.db import Database
from roadworthy.models.gate import Gate, GateState
from roadworthy.models.health import Health
from roadworthy.models.health_store import Report
from roadworthy.models.target import Target
from roadworthy.records import Clock
from roadworthy.telemetry import Telemetry


class Gates:
    """The gates of all models. One for a process. Close it before the database.

    `process` is this process's name, which no other has. Without a `database` nothing is shared.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        telemetry: Telemetry,
        database: Database | None,
        environment: str,
        process: str,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._uniform = uniform
        self._sleep = sleep
        self._gates: dict[str, Gate] = {}
        self._health = (
            None
            if database is None
            else Health(
                database=database,
                clock=clock,
                environment=environment,
                process=process,
                heard_state=self._heard_state,
                heard_block=self._heard_block,
            )
        )

    def of(self, target: Target) -> Gate:
        """The gate of that model; the same one every time."""
        gate = self._gates.get(target.name)
        if gate is None:
            made = Gate(target, self._clock, self._telemetry, self._health, self._uniform, self._sleep)
            gate = self._gates.setdefault(target.name, made)
            report = self._health.known(target.name) if self._health is not None else None
            if report is not None:
                gate.heard_state(report)
                gate.heard_block(report)
        return gate

    def states(self) -> list[GateState]:
        """How the models that were asked stand, by name."""
        return [self._gates[name].state for name in sorted(self._gates)]

    async def refresh(self) -> None:
        """Tell and hear now instead of within a second; for a process that begins, and for status pages.

        Raises:
            DatabaseError: It cannot be reached.
        """
        if self._health is not None:
            await self._health.refresh()

    async def close(self) -> None:
        """Tell the other processes what they do not know yet, and stop."""
        if self._health is not None:
            await self._health.close()

    def _heard_state(self, report: Report) -> None:
        gate = self._gates.get(report.model)
        if gate is not None:
            gate.heard_state(report)

    def _heard_block(self, report: Report) -> None:
        gate = self._gates.get(report.model)
        if gate is not None:
            gate.heard_block(report)
