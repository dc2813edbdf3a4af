"""The one object through which the parts report: `emit` for events, a context manager for each span.

The app builds it from the settings and hands it to the parts. Without an exporter, a span binds the ids that
log lines carry and nothing more, and OpenTelemetry is not imported. Nothing in here raises, blocks or slows
the work it reports on: a collector that is away costs spans, never a run. Only building it can fail, with a
`ConfigurationError`.
"""

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from roadworthy.errors import Bug, ConfigurationError, did_you_mean
from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry.context import Bound, bound
from roadworthy.telemetry.events import EVENTS, EventName
from roadworthy.telemetry.logs import CleanFields, clean_error, clean_value
from roadworthy.telemetry.scrubber import Scrubber
from roadworthy.telemetry.spans import Span

if TYPE_CHECKING:
    from roadworthy.telemetry.export import Pipeline
    from roadworthy.telemetry.recording import Recorder

EVENT_LOGGER: Final = "roadworthy.events"
SHORTEST_CREDENTIAL: Final = 8
_FIELDS: Final = {
    event.name: tuple(field.name for field in (*event.attributes, *event.measures))
    for event in EVENTS.values()
}
_log = logging.getLogger(EVENT_LOGGER)
logging.getLogger("roadworthy").addHandler(
    logging.NullHandler()
)  # a library is silent until its program logs


class Telemetry:
    """Spans, events and the scrubber, as configured."""

    def __init__(
        self,
        settings: TelemetrySettings | None = None,
        *,
        environment: str = "development",
        scrubber: Scrubber | None = None,
        strict: bool = False,
    ) -> None:
        """Connect to the exporter, if any. `strict` makes a wrongly used event a `Bug`; for tests."""
        settings = settings or TelemetrySettings()
        self.scrubber = scrubber or Scrubber()
        """Register secrets here; one scrubber serves spans and log lines."""
        self._capture_content = settings.capture_content
        self._strict = strict
        self._recorder: Recorder | None = None
        self._pipeline: Pipeline | None = None
        self.observe: Callable[[str, Mapping[str, Any]], None] | None = None
        """Told of every event, as it is emitted: for counters. It must neither raise nor wait."""
        if settings.exporter != "none":
            self._connect(settings, environment)

    def _connect(self, settings: TelemetrySettings, environment: str) -> None:
        try:
            from roadworthy.telemetry.export import open_pipeline
            from roadworthy.telemetry.recording import Recorder
        except ImportError as error:
            raise ConfigurationError(
                f"telemetry.exporter is {settings.exporter!r}, but OpenTelemetry is not installed.",
                hint="Run: pip install 'roadworthy[otlp]' (or set telemetry.exporter to \"none\").",
            ) from error
        endpoint = str(settings.endpoint or "")
        self._register_headers()
        self._pipeline = open_pipeline(
            settings.exporter,
            endpoint=endpoint,
            service_name=settings.service_name,
            environment=environment,
        )
        self._pipeline.on_loss(
            lambda spans: self.emit(
                "export.failed", spans=spans, endpoint=endpoint or "OTEL_EXPORTER_OTLP_ENDPOINT"
            )
        )
        self._recorder = Recorder(self._pipeline.tracer, self.scrubber, capture_content=self._capture_content)

    def _register_headers(self) -> None:
        """OpenTelemetry takes a collector's credentials from these variables; they are secrets too."""
        for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
            for header in os.environ.get(name, "").split(","):
                value = header.partition("=")[2].strip()
                if (
                    len(value) >= SHORTEST_CREDENTIAL
                ):  # a tenant's number is no secret, and stands in many texts
                    self.scrubber.register(value)
                    self.scrubber.register(unquote(value))

    def emit(self, event: EventName, *, error: BaseException | None = None, **fields: Any) -> None:
        """Report an event of the table in `events.py`, and the exception behind it if there is one.

        Fields that the table does not know are left out.
        """
        known = EVENTS.get(event)
        if self._strict:
            _check(event, fields)
        if known is None:
            return
        if self.observe is not None:
            self.observe(event, fields)
        logged = _log.isEnabledFor(known.level)
        recorder = None if known.ends_span else self._recorder
        if not logged and recorder is None:
            return
        clean = CleanFields()
        for name in _FIELDS[event]:
            value = fields.get(name)
            if value is not None:
                clean[name] = clean_value(value, self.scrubber)
        if error is not None:
            clean |= clean_error(error, self.scrubber, capture_content=self._capture_content)
        if logged:
            _log.log(known.level, event, extra={"roadworthy": clean})
        if recorder is not None:
            recorder.event(event, clean)

    def run_span(self, *, run_id: str, workflow: str, traceparent: str = "") -> Span:
        """Around the execution of a run. `traceparent` puts it into the trace in which it was started."""
        ids = Bound(run_id)
        if self._recorder is None:
            return Span(ids)
        name = f"invoke_workflow {workflow}"
        fields = {"workflow": workflow, "operation": "invoke_workflow"}
        return self._recorder.span("run", name, ids, fields, traceparent)

    def step_span(self, *, step_id: str, step: str, kind: str = "step", attempt: int = 1) -> Span:
        """Around one attempt of a step."""
        ids = Bound(bound.get().run_id, step_id, step)
        if self._recorder is None:
            return Span(ids)
        return self._recorder.span(
            "step", f"{kind} {step}", ids, {"step_kind": kind, "step_attempt": attempt}
        )

    def call_span(
        self, *, call_id: str, prompt_id: str, prompt_version: str, prompt_hash: str = "", route: str = ""
    ) -> Span:
        """Around one logical request to a model, with all its attempts."""
        here = bound.get()
        ids = Bound(here.run_id, here.step_id, here.step, call_id, prompt_id, prompt_version)
        if self._recorder is None:
            return Span(ids)
        fields = {"prompt_name": prompt_id, "prompt_hash": prompt_hash or None, "route": route or None}
        return self._recorder.span("call", f"call {prompt_id}@{prompt_version}", ids, fields)

    def attempt_span(
        self,
        *,
        number: int,
        model: str,
        provider: str,
        request_model: str,
        reason: str = "first",
        rung: str = "",
    ) -> Span:
        """Around one request to a provider. `model` is the settings' name, `request_model` the provider's."""
        ids = bound.get()
        if self._recorder is None:
            return Span(ids)
        fields = {
            "operation": "chat",
            "number": number,
            "model": model,
            "provider": provider,
            "request_model": request_model,
            "reason": reason,
            "rung": rung or None,
        }
        return self._recorder.span("attempt", f"chat {request_model}", ids, fields)

    def traceparent(self) -> str:
        """The open span as a W3C `traceparent`, to be stored with a run; empty without an exporter."""
        if self._recorder is None:
            return ""
        return self._recorder.traceparent()

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Send the spans that have ended, blocking no longer than this; False when that did not work."""
        return self._pipeline is None or self._pipeline.flush(timeout_seconds)

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Send the spans that have ended and stop, blocking no longer than this. Safe to call twice."""
        if self._pipeline is not None:
            self._pipeline.close(timeout_seconds)


def _check(name: str, fields: dict[str, Any]) -> None:
    event = EVENTS.get(cast("EventName", name))
    faults = event.faults(fields) if event else [did_you_mean(name, EVENTS) or "unknown event"]
    if faults:
        raise Bug(
            f"The event {name!r} was emitted wrongly: {'; '.join(faults)}.", hint="See telemetry/events.py."
        )
