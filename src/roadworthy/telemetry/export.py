"""The way out for spans; loaded only when an exporter is configured, and needs the extra `roadworthy[otlp]`.

`otlp` sends batches over HTTP from a thread of its own; when the collector is slow or away, spans are dropped
and nothing waits for it. `console` prints each span as one line of JSON on standard error. `flush` and
`close` wait no longer than they are told to.
"""

import atexit
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from threading import Thread, local
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import Tracer

from roadworthy.records import iso

REQUEST_TIMEOUT_SECONDS: Final = 5.0
BATCH_DELAY_SECONDS: Final = 2.0
LOSS_REPORT_SECONDS: Final = 60.0
EXIT_SECONDS: Final = 2.0
_TRACES: Final = "/v1/traces"

_here = local()


def _not_ours(_: logging.LogRecord) -> bool:
    """Drop what the exporter logs for each failed request of ours: `export.failed` says it once."""
    return not getattr(_here, "exporting", False)


logging.getLogger(OTLPSpanExporter.__module__).addFilter(_not_ours)


class Pipeline:
    """A tracer and the exporter behind it."""

    def __init__(self, exporter: SpanExporter, *, batched: bool, resource: dict[str, str]) -> None:
        self._gate = _Gate(exporter)
        processor = (
            BatchSpanProcessor(self._gate, schedule_delay_millis=BATCH_DELAY_SECONDS * 1000)
            if batched
            else SimpleSpanProcessor(self._gate)
        )
        made = Resource.create(resource)
        self._provider = TracerProvider(
            resource=_Resource(made.attributes, made.schema_url), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._closed = False
        atexit.register(self.close)

    @property
    def tracer(self) -> Tracer:
        """Where spans begin."""
        return self._provider.get_tracer("roadworthy")

    def on_loss(self, report: Callable[[int], None]) -> None:
        """Call `report` with the number of spans lost, at most once a minute."""
        self._gate.report = report

    def flush(self, timeout_seconds: float) -> bool:
        """Send what has ended; False when it took too long or the collector did not take it."""
        lost = self._gate.lost_in_all
        return _within(timeout_seconds, self._provider.force_flush) and self._gate.lost_in_all == lost

    def close(self, timeout_seconds: float = EXIT_SECONDS) -> None:
        """Send what has ended, and stop. What cannot be sent in time is dropped."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self._gate.close_at(time.monotonic() + timeout_seconds)
        _within(timeout_seconds, self._provider.shutdown)


class _Resource(Resource):
    """Who sends the spans. The exporter takes its hash for every span, for which the library makes JSON."""

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class _Gate(SpanExporter):
    """Stands before an exporter: counts what is lost, and lets nothing through once it is time to close."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._close_at = float("inf")
        self._report_at = 0.0
        self._unreported = 0
        self.lost_in_all = 0
        self.report: Callable[[int], None] | None = None

    def close_at(self, moment: float) -> None:
        self._close_at = moment

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if time.monotonic() < self._close_at and self._deliver(spans):
            return SpanExportResult.SUCCESS
        self.lost_in_all += len(spans)
        self._unreported += len(spans)
        now = time.monotonic()
        if self.report is not None and now >= self._report_at:
            self._report_at = now + LOSS_REPORT_SECONDS
            self.report(self._unreported)
            self._unreported = 0
        return SpanExportResult.FAILURE

    def _deliver(self, spans: Sequence[ReadableSpan]) -> bool:
        _here.exporting = True
        try:
            return self._exporter.export(spans) is SpanExportResult.SUCCESS
        finally:
            _here.exporting = False

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Console(SpanExporter):
    """One line of JSON a span, on standard error."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            sys.stderr.write(f"{json.dumps(_as_json(span))}\n")
        sys.stderr.flush()
        return SpanExportResult.SUCCESS


def open_pipeline(exporter: str, *, endpoint: str, service_name: str, environment: str) -> Pipeline:
    """The pipeline that the settings ask for. Nothing is sent yet."""
    resource = {"service.name": service_name, "deployment.environment.name": environment}
    if exporter == "console":
        return Pipeline(_Console(), batched=False, resource=resource)
    otlp = OTLPSpanExporter(endpoint=traces_address(endpoint) or None, timeout=REQUEST_TIMEOUT_SECONDS)
    return Pipeline(otlp, batched=True, resource=resource)


def traces_address(endpoint: str) -> str:
    """The address for spans, at or below the endpoint; empty leaves it to OpenTelemetry's variables."""
    base = endpoint.rstrip("/")
    return base if not base or base.endswith(_TRACES) else base + _TRACES


def _within(timeout_seconds: float, work: Callable[[], object]) -> bool:
    """Do the work, and wait for it no longer than this. True when it ended in time."""
    thread = Thread(target=work, name="roadworthy-telemetry", daemon=True)
    try:
        thread.start()
    except (
        RuntimeError
    ):  # the interpreter is going down and starts no more threads; the gate keeps this short
        work()
        return True
    thread.join(timeout_seconds)
    return not thread.is_alive()


def _as_json(span: ReadableSpan) -> dict[str, Any]:
    here, parent = span.get_span_context(), span.parent
    start, end = span.start_time or 0, span.end_time or 0
    return {
        "span": span.name,
        "trace_id": f"{here.trace_id:032x}" if here else "",
        "span_id": f"{here.span_id:016x}" if here else "",
        "parent_id": f"{parent.span_id:016x}" if parent else None,
        "start": iso(start // 1_000_000),
        "duration_ms": round((end - start) / 1e6, 3),
        "status": span.status.status_code.name.lower(),
        "attributes": dict(span.attributes or {}),
        "events": [{"name": event.name, **(event.attributes or {})} for event in span.events],
    }
