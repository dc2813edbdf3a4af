"""Every event of the system, in one table: its name, when it is emitted, what it measures and carries.

`Telemetry.emit` writes an event as one structured log line on the logger `roadworthy.events`, and as an event
of the span that is open, unless it only says how that span ends. The table decides its level and its fields;
`docs/telemetry.md` shows the same table, and a test compares the two. No field holds what a person or a model
wrote: such text is in the database, with its own retention.
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
    "call.put_off",
    "attempt.finished",
    "attempt.failed",
    "breaker.opened",
    "breaker.half_open",
    "breaker.closed",
    "review.opened",
    "review.answered",
    "review.declined",
    "review.decided",
    "review.disputed",
    "review.escalated",
    "review.overdue",
    "decision.made",
    "sampling.alarm",
    "worker.started",
    "worker.stopped",
    "worker.lost",
    "budget.nearly_spent",
    "budget.refused",
    "budget.exceeded",
    "budget.overrun",
    "throttle.refused",
    "lane.submitted",
    "lane.finished",
    "lane.fell_back",
    "batch.item.finished",
    "schedule.fired",
    "prompt.registered",
    "retention.swept",
    "export.failed",
    "request.finished",
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
    ends_span: bool = False
    """It says what the open span's own attributes say when it ends, and is not repeated on it."""

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
_MODEL = (Attribute("model"), Attribute("provider"))
_REVIEW = (
    Attribute("review_id"),
    Attribute("kind"),
    Attribute("environment"),
    *_WITHIN,
    Attribute("call_id", optional=True),
    Attribute("workflow", optional=True),
    Attribute("prompt_id", optional=True),
    Attribute("prompt_version", optional=True),
)
_KIND = Attribute("error_kind")
_WAITED = Measure("waited_seconds", "seconds")
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
        "A run returned a value, skipped, or ended as rejected.",
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
        (
            _DURATION,
            Measure("attempts", "count"),
            *_TOKENS,
            _COST,
            Measure("saved_usd", "usd", optional=True),
        ),
        (
            *_CALL,
            Attribute("rung"),
            Attribute("model", optional=True),
            Attribute("provider", optional=True),
            Attribute("degraded", bool, optional=True),
        ),
        ends_span=True,
    ),
    Event(
        "call.failed",
        "No rung of the route gave a valid answer; the record is stored.",
        (_DURATION, Measure("attempts", "count"), *_TOKENS, _COST),
        (*_CALL, _KIND),
        _ERROR,
    ),
    Event(
        "call.put_off",
        "No model answered; the run waits for better times (`later`) or for a person (`review`).",
        (_DURATION, Measure("attempts", "count"), *_TOKENS, _COST),
        (*_CALL, Attribute("rung"), _KIND),
        _WARNING,
    ),
    Event(
        "attempt.finished",
        "A provider answered one request.",
        (_DURATION, *_TOKENS, _COST),
        (*_ATTEMPT, Attribute("provider_model", optional=True), Attribute("finish_reason", optional=True)),
        ends_span=True,
    ),
    Event(
        "attempt.failed",
        "One request to a provider failed, or its answer was not valid.",
        (_DURATION, *_TOKENS, _COST),
        (*_ATTEMPT, _KIND, Attribute("http_status", int, optional=True)),
        _WARNING,
    ),
    Event(
        "breaker.opened",
        "A model failed too often, here or in the process `by`, and is left alone for a while.",
        (Measure("open_seconds", "seconds"),),
        (*_MODEL, Attribute("error_kind", optional=True), Attribute("by", optional=True)),
        _WARNING,
    ),
    Event(
        "breaker.half_open", "A model was left alone for long enough; a few requests probe it.", (), _MODEL
    ),
    Event(
        "breaker.closed",
        "Probes succeeded, here or in the process `by`; the model is asked as before.",
        (),
        (*_MODEL, Attribute("by", optional=True)),
    ),
    Event(
        "review.opened",
        "A question (`answer`), a held answer (`decision`) or a past decision (`sample`) waits for a person.",
        (),
        _REVIEW,
    ),
    Event("review.answered", "A person gave the answer; the run goes on with it.", (_WAITED,), _REVIEW),
    Event("review.declined", "A person said that there is no answer; the call fails.", (_WAITED,), _REVIEW),
    Event(
        "review.decided",
        "People approved, edited or rejected an answer; a run that waits goes on.",
        (_WAITED,),
        (*_REVIEW, Attribute("verdict")),
    ),
    Event(
        "review.disputed",
        "Two people disagree; one of the role named decides.",
        (),
        (*_REVIEW, Attribute("role")),
        _WARNING,
    ),
    Event(
        "review.escalated",
        "An item was overdue, and goes to the role named.",
        (),
        (*_REVIEW, Attribute("role")),
        _WARNING,
    ),
    Event(
        "review.overdue",
        "An item is overdue, and no role is left to hand it to; said once a day.",
        (),
        _REVIEW,
        _WARNING,
    ),
    Event(
        "decision.made",
        "A rule or people decided on an answer; `sampled` is looked at later.",
        (),
        (
            *_RUN,
            Attribute("step_id"),
            Attribute("decision_id"),
            Attribute("call_id", optional=True),
            Attribute("prompt_version"),
            Attribute("verdict"),
            Attribute("by"),
            Attribute("sampled", bool),
        ),
    ),
    Event(
        "sampling.alarm",
        "More automatic decisions are wrong than was relied on; the share reviewed goes up at once.",
        (Measure("reviewed", "count"), Measure("errors", "count")),
        (
            Attribute("environment"),
            Attribute("workflow"),
            Attribute("prompt_version"),
        ),
        _ERROR,
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
        "budget.nearly_spent",
        "What is spent and set aside passed the share of a limit at which the budget warns.",
        (),
        (Attribute("budget"), Attribute("subject"), Attribute("window")),
        _WARNING,
    ),
    Event(
        "budget.refused",
        "A budget had no room for a request; said once for each window, reason and model.",
        (),
        (
            Attribute("budget"),
            Attribute("window"),
            Attribute("reason"),
            Attribute("when_spent"),
            Attribute("model"),
        ),
        _WARNING,
    ),
    Event(
        "budget.exceeded",
        "A budget that stays open is past its limit; said once for each account.",
        (),
        (Attribute("budget"), Attribute("subject"), Attribute("window"), Attribute("model")),
        _ERROR,
    ),
    Event(
        "budget.overrun",
        "A provider counted more for a request than the most that it could need.",
        (Measure("cost_usd", "usd"), Measure("reserved_usd", "usd")),
        (Attribute("budget"), Attribute("model")),
        _ERROR,
    ),
    Event(
        "throttle.refused",
        "A user, tenant or workflow asked too often; nothing was sent.",
        (Measure("delay_seconds", "seconds"),),
        (Attribute("throttle"),),
        _WARNING,
    ),
    Event(
        "lane.submitted",
        "Calls that can wait went to the provider in one batch.",
        (Measure("requests", "count"), _WAITED),
        (*_MODEL, Attribute("provider_batch_id")),
    ),
    Event(
        "lane.finished",
        "A provider's batch came to its end, and what it brought is stored; or it was not taken.",
        (
            _DURATION,
            Measure("answered", "count"),
            Measure("failed", "count"),
            Measure("late", "count"),
            _COST,
        ),
        (
            *_MODEL,
            Attribute("provider_batch_id"),
            Attribute("state"),
            Attribute("error_kind", optional=True),
        ),
    ),
    Event(
        "lane.fell_back",
        "A call of the lane is asked live after all; `reason` is `deadline` or a kind of error.",
        (),
        (
            Attribute("request_id"),
            Attribute("call_id"),
            Attribute("run_id", optional=True),
            Attribute("model"),
            Attribute("reason"),
        ),
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
    Event(
        "request.finished",
        "The service answered a request, a stream with its end; not said of health checks that succeed.",
        (_DURATION,),
        (
            Attribute("request_id"),
            Attribute("method"),
            Attribute("http_route", optional=True),
            Attribute("http_status", int),
            Attribute("client", optional=True),
            Attribute("principal", optional=True),
            Attribute("error_kind", optional=True),
        ),
    ),
)

EVENTS: Final[dict[EventName, Event]] = {event.name: event for event in _TABLE}
"""Every event by its name."""
