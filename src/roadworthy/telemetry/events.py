"""Every event of the system, in one table: its name, when it is emitted, what it measures and carries.

`Telemetry.emit` writes an event as one structured log line on the logger `roadworthy.events`, and as an event
of the span that is open. The table decides its level and its fields; `docs/telemetry.md` shows the same
table, and a test compares the two. No field holds what a person or a model wrote: such text is in the
database, with its own retention.
"""

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

EventName: TypeAlias = Literal[
    "run.started",
    "run.finished",
    "run.dead",
    "run.waiting",
    "run.parked",
    "run.resumed",
    "run.cancelled",
    "run.over_budget",
    "step.started",
    "step.finished",
    "step.failed",
    "step.retried",
    "step.over_budget",
    "call.finished",
    "call.failed",
    "attempt.finished",
    "attempt.failed",
    "worker.started",
    "worker.stopped",
    "worker.lost",
    "batch.item.finished",
    "schedule.fired",
    "prompt.registered",
    "retention.swept",
    "export.failed",
]
Unit: TypeAlias = Literal["seconds", "usd", "tokens", "count"]

_INFO, _WARNING, _ERROR = logging.INFO, logging.WARNING, logging.ERROR


@dataclass(frozen=True, slots=True)
class Attribute:
    """What an event says about itself."""

    name: str
    kind: type[Any] = str
    optional: bool = False
    """None, or left out, when it does not apply."""

    def accepts(self, value: object) -> bool:
        """Whether the value is of this attribute's type."""
        if value is None:
            return self.optional
        return type(value) is bool if self.kind is bool else isinstance(value, self.kind)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that an event carries, with its unit."""

    name: str
    unit: Unit
    optional: bool = False
    """None, or left out, when it is not known."""

    def accepts(self, value: object) -> bool:
        """Whether the value is a number of this unit's kind."""
        if value is None:
            return self.optional
        kinds = (int,) if self.unit in {"tokens", "count"} else (int, float, Decimal)
        return isinstance(value, kinds) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event."""

    name: EventName
    when: str
    measures: tuple[Measure, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    level: int = _INFO

    def faults(self, fields: dict[str, Any]) -> list[str]:
        """What is wrong with these fields: unknown, missing, or of another type."""
        known = {field.name: field for field in (*self.attributes, *self.measures)}
        found = [f"unknown field {name!r}" for name in fields if name not in known]
        for name, field in known.items():
            if name not in fields and not field.optional:
                found.append(f"missing field {name!r}")
            elif name in fields and not field.accepts(fields[name]):
                found.append(f"field {name!r} cannot be a {type(fields[name]).__name__}")
        return found


_RUN = (Attribute("run_id"), Attribute("workflow"))
_STEP = (
    Attribute("run_id"),
    Attribute("step_id"),
    Attribute("step"),
    Attribute("kind", optional=True),
    Attribute("attempt", int),
)
_WITHIN = (Attribute("run_id", optional=True), Attribute("step_id", optional=True))
_CALL = (
    Attribute("call_id"),
    *_WITHIN,
    Attribute("prompt_id"),
    Attribute("prompt_version"),
    Attribute("prompt_hash"),
    Attribute("route", optional=True),
)
_ATTEMPT = (
    Attribute("call_id"),
    *_WITHIN,
    Attribute("number", int),
    Attribute("reason", optional=True),
    Attribute("model"),
    Attribute("provider"),
)
_KIND = Attribute("error_kind")
_DURATION = Measure("duration_seconds", "seconds")
_DURATION_IF_KNOWN = Measure("duration_seconds", "seconds", optional=True)
_COST = Measure("cost_usd", "usd", optional=True)
_TOKENS = (
    Measure("input_tokens", "tokens", optional=True),
    Measure("output_tokens", "tokens", optional=True),
    Measure("cache_read_tokens", "tokens", optional=True),
    Measure("cache_write_tokens", "tokens", optional=True),
)
_BUDGET = (_DURATION, Measure("budget_seconds", "seconds"))

_TABLE: Final = (
    Event(
        "run.started",
        "A worker begins to execute a run, or goes on with it.",
        (Measure("waited_seconds", "seconds", optional=True),),
        (*_RUN, Attribute("worker_id", optional=True), Attribute("recovered", bool, optional=True)),
    ),
    Event(
        "run.finished",
        "A run returned a value, or skipped.",
        (_DURATION, _COST),
        (*_RUN, Attribute("status")),
    ),
    Event(
        "run.dead",
        "A run could not finish; it waits to be resumed.",
        (_DURATION_IF_KNOWN, _COST),
        (*_RUN, _KIND, Attribute("step", optional=True)),
        _ERROR,
    ),
    Event(
        "run.waiting",
        "A run waits for a signal or a time, and is held by no process meanwhile.",
        (),
        (*_RUN, Attribute("waiting_for", optional=True)),
    ),
    Event(
        "run.parked",
        "A run was set aside, because its workflow's code changed since it began.",
        (),
        (*_RUN, Attribute("reason", optional=True)),
        _WARNING,
    ),
    Event(
        "run.resumed",
        "A person, or a command, let a stopped run go on.",
        (),
        (*_RUN, Attribute("from_status", optional=True), Attribute("step", optional=True)),
    ),
    Event("run.cancelled", "A run stopped by request.", (_DURATION_IF_KNOWN, _COST), _RUN),
    Event("run.over_budget", "A run took longer than its latency budget.", _BUDGET, _RUN, _WARNING),
    Event("step.started", "An attempt of a step begins.", (), _STEP),
    Event("step.finished", "A step returned; its result is stored.", (_DURATION,), _STEP),
    Event("step.failed", "A step gave up; `attempt` was its last.", (_DURATION,), (*_STEP, _KIND), _ERROR),
    Event(
        "step.retried",
        "An attempt of a step failed, and another follows after the delay.",
        (_DURATION_IF_KNOWN, Measure("delay_seconds", "seconds")),
        (*_STEP, _KIND),
        _WARNING,
    ),
    Event("step.over_budget", "A step took longer than its latency budget.", _BUDGET, _STEP, _WARNING),
    Event(
        "call.finished",
        "A call has a valid answer; its record is stored.",
        (_DURATION, Measure("attempts", "count"), *_TOKENS, _COST),
        (*_CALL, Attribute("rung"), Attribute("model", optional=True), Attribute("provider", optional=True)),
    ),
    Event(
        "call.failed",
        "No model of the route gave a valid answer; the record is stored.",
        (_DURATION, Measure("attempts", "count"), *_TOKENS, _COST),
        (*_CALL, _KIND),
        _ERROR,
    ),
    Event(
        "attempt.finished",
        "A provider answered one request.",
        (_DURATION, *_TOKENS, _COST),
        (*_ATTEMPT, Attribute("provider_model", optional=True), Attribute("finish_reason", optional=True)),
    ),
    Event(
        "attempt.failed",
        "One request to a provider failed, or its answer was not valid.",
        (_DURATION, *_TOKENS, _COST),
        (*_ATTEMPT, _KIND, Attribute("http_status", int, optional=True)),
        _WARNING,
    ),
    Event(
        "worker.started",
        "A worker is ready for runs.",
        (Measure("concurrency", "count", optional=True),),
        (Attribute("worker_id"), Attribute("host", optional=True)),
    ),
    Event(
        "worker.stopped",
        "A worker left in good order; what it had not finished is free for others.",
        (Measure("unfinished", "count", optional=True),),
        (Attribute("worker_id"), Attribute("reason", optional=True)),
    ),
    Event(
        "worker.lost",
        "A worker's heartbeat stopped; its runs went back to the queue.",
        (Measure("silent_seconds", "seconds", optional=True), Measure("runs", "count")),
        (Attribute("worker_id"),),
        _WARNING,
    ),
    Event(
        "batch.item.finished",
        "One item of a batch is done, whatever came of it.",
        (_DURATION_IF_KNOWN,),
        (
            Attribute("batch_id"),
            Attribute("item", int),
            Attribute("run_id", optional=True),
            Attribute("status"),
        ),
    ),
    Event(
        "schedule.fired",
        "A schedule started its run.",
        (Measure("late_seconds", "seconds", optional=True),),
        (Attribute("schedule"), Attribute("workflow"), Attribute("run_id")),
    ),
    Event(
        "prompt.registered",
        "A prompt's version was stored for the first time, or its label moved to new text.",
        (),
        (
            Attribute("prompt_id"),
            Attribute("prompt_version"),
            Attribute("prompt_hash"),
            Attribute("environment"),
            Attribute("moved", bool, optional=True),
        ),
    ),
    Event(
        "retention.swept",
        "What was older than its retention was deleted.",
        (
            _DURATION_IF_KNOWN,
            Measure("runs", "count", optional=True),
            Measure("payloads", "count", optional=True),
            Measure("calls", "count", optional=True),
        ),
    ),
    Event(
        "export.failed",
        "Spans could not be delivered and are lost; said at most once a minute.",
        (Measure("spans", "count"),),
        (Attribute("endpoint"),),
        _WARNING,
    ),
)

EVENTS: Final[dict[EventName, Event]] = {event.name: event for event in _TABLE}
"""Every event by its name."""
