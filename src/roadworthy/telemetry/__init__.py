"""What the system tells about itself: spans, structured log lines, and the table of its events."""

from roadworthy.telemetry.attributes import SPAN_ATTRIBUTES, SpanAttribute
from roadworthy.telemetry.events import EVENTS, Event, EventName
from roadworthy.telemetry.logs import JsonFormatter, TextFormatter, configure
from roadworthy.telemetry.scrubber import MARK, Scrubber
from roadworthy.telemetry.spans import Span
from roadworthy.telemetry.telemetry import EVENT_LOGGER, Telemetry

__all__ = [
    "EVENTS",
    "EVENT_LOGGER",
    "MARK",
    "SPAN_ATTRIBUTES",
    "Event",
    "EventName",
    "JsonFormatter",
    "Scrubber",
    "Span",
    "SpanAttribute",
    "Telemetry",
    "TextFormatter",
    "configure",
]
