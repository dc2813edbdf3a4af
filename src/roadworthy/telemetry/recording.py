"""Spans with OpenTelemetry behind them; loaded only when an exporter is configured.

A `Recorder` opens spans on the app's own tracer, never on a global one. An open span is also OpenTelemetry's
current span, so that spans of instrumented libraries and of the project's own code find their place below it.
Every text goes through the scrubber before it reaches a span.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Final, Self, Unpack

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind as OtelKind

from roadworthy.telemetry.attributes import SPAN_ATTRIBUTES, AttributeValue, Fields, SpanKind, on_the_wire
from roadworthy.telemetry.context import Bound
from roadworthy.telemetry.failures import describe, kind_of
from roadworthy.telemetry.scrubber import Scrubber
from roadworthy.telemetry.spans import Span

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
"""W3C Trace Context, level 1."""


class Recorder:
    """Opens spans, and adds events to the one that is open."""

    def __init__(self, tracer: Tracer, scrubber: Scrubber, *, capture_content: bool) -> None:
        self._tracer = tracer
        self.scrubber = scrubber
        self.capture_content = capture_content

    def span(
        self, kind: SpanKind, name: str, ids: Bound, fields: Mapping[str, Any], traceparent: str = ""
    ) -> "RecordedSpan":
        """A span to be entered."""
        return RecordedSpan(self, kind, name, ids, fields=fields, traceparent=traceparent)

    def start(self, kind: SpanKind, name: str, parent: Context | None, fields: Mapping[str, Any]) -> OtelSpan:
        """A span that is not yet current."""
        otel_kind = OtelKind.CLIENT if kind == "attempt" else OtelKind.INTERNAL
        return self._tracer.start_span(
            self.scrubber.clip(name), parent, otel_kind, self.attributes(kind, fields)
        )

    def attributes(self, kind: SpanKind, fields: Mapping[str, Any]) -> dict[str, AttributeValue]:
        """Fields as the wire has them, without secrets."""
        return on_the_wire(kind, fields, self.scrubber.clip)

    def event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Add an event, whose fields are clean already, to the span that is open."""
        span = trace.get_current_span()
        if span.is_recording():
            span.add_event(
                name, {f"roadworthy.{key}": value for key, value in fields.items() if value is not None}
            )

    def traceparent(self) -> str:
        """The span that is current, as a W3C `traceparent`; empty when there is none."""
        here = trace.get_current_span().get_span_context()
        if not here.is_valid:
            return ""
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{int(here.trace_flags):02x}"


class RecordedSpan(Span):
    """A span that is exported when it ends."""

    __slots__ = ("_attached", "_failed", "_fields", "_kind", "_name", "_otel", "_recorder", "_traceparent")

    def __init__(
        self,
        recorder: Recorder,
        kind: SpanKind,
        name: str,
        ids: Bound,
        *,
        fields: Mapping[str, Any],
        traceparent: str = "",
    ) -> None:
        super().__init__(ids)
        self._recorder = recorder
        self._kind: SpanKind = kind
        self._name = name
        self._fields = fields
        self._traceparent = traceparent
        self._otel: OtelSpan = trace.INVALID_SPAN
        self._attached: Token[Context] | None = None
        self._failed = False

    def __enter__(self) -> Self:
        fields = {**self._bound.fields(), **self._fields}
        self._otel = self._recorder.start(self._kind, self._name, parent_of(self._traceparent), fields)
        self._attached = otel_context.attach(trace.set_span_in_context(self._otel))
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        if isinstance(error, Exception):
            self.fail(error)
        elif error is not None:
            self.set(status="stopped")
        if self._attached is not None:
            otel_context.detach(self._attached)
            self._attached = None
        self._otel.end()

    def set(self, **fields: Unpack[Fields]) -> None:
        """Put what has become known on the span."""
        self._otel.set_attributes(self._recorder.attributes(self._kind, fields))
        kind = fields.get("error_kind")
        if kind:
            self._failed = True
            self._otel.set_status(Status(StatusCode.ERROR, self._recorder.scrubber.clip(kind)))

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed, with the exception as an event of it."""
        if not self._failed:
            self.set(error_kind=kind_of(error))
        described = describe(error, capture_content=self._recorder.capture_content)
        clip: Callable[[str], str] = self._recorder.scrubber.clip
        self._otel.add_event(
            "exception",
            {
                "exception.type": type(error).__qualname__,
                "exception.message": clip(described.text),
                "exception.stacktrace": clip(described.traceback),
            },
        )

    def capture(self, *, messages: Iterable[tuple[str, str]] = (), answer: str | None = None) -> None:
        """Put messages and answer on the span, as JSON in the convention's shape."""
        if not self._recorder.capture_content:
            return
        sent = [self._message(role, text) for role, text in messages]
        if sent:
            self._otel.set_attribute(SPAN_ATTRIBUTES["input_messages"].name, json.dumps(sent))
        if answer is not None:
            received = [self._message("assistant", answer)]
            self._otel.set_attribute(SPAN_ATTRIBUTES["output_messages"].name, json.dumps(received))

    def _message(self, role: str, text: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"type": "text", "content": self._recorder.scrubber.clip(text)}]}


def parent_of(text: str) -> Context | None:
    """The context in which a `traceparent` is current; None, for the current one, when it says nothing."""
    match = _TRACEPARENT.fullmatch(text) if text else None
    if match is None:
        return None
    far = SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16))
    )
    return trace.set_span_in_context(NonRecordingSpan(far))
