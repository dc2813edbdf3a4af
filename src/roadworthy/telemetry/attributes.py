"""Every attribute of our spans, in one table: the code's word, the name on the wire, the spans, the sense.

Names that begin with `gen_ai.`, `error.` and `http.` are those of the OpenTelemetry semantic conventions
(opentelemetry-semantic-conventions 0.66b2); a test compares them with that package. They are written out
here, because the conventions for generative AI moved to a repository of their own and may leave the package,
and because importing it would load OpenTelemetry. Tokens and cost are `gen_ai.usage.*` on attempts only,
where they were spent; the sums over a call have our own names, so that no backend counts them twice.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, TypedDict

from roadworthy.records import Usage

SpanKind: TypeAlias = Literal["run", "step", "call", "attempt"]
AttributeValue: TypeAlias = str | bool | int | float | tuple[str, ...]


class Fields(TypedDict, total=False):
    """What `Span.set` takes; None is left out."""

    status: str | None
    """How it ended: `succeeded`, `skipped`, `dead`, `failed`, …"""
    error_kind: str | None
    """An `ErrorKind`, an error's `code`, or the name of an exception's class."""
    route: str | None
    rung: str | None
    """Which rung of the route answered."""
    model: str | None
    """The name in `[models]` of the settings."""
    provider: str | None
    """The provider as the settings name it; translated to the convention's name."""
    request_model: str | None
    """The model as it was asked for."""
    response_model: str | None
    """The model as the provider named it."""
    response_id: str | None
    finish_reason: str | None
    usage: Usage | None
    cost_usd: Decimal | None
    cost_source: str | None
    http_status: int | None
    temperature: float | None
    max_tokens: int | None
    seed: int | None
    attempts: int | None
    degraded: bool | None
    saved_usd: Decimal | None


_PROVIDERS: Final = {
    "azure-openai": "azure.ai.openai",
    "google": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
}
"""Our names of providers in the words of the convention; the others are the same, or unknown to it."""


@dataclass(frozen=True, slots=True)
class SpanAttribute:
    """One attribute on the wire."""

    word: str
    """What the code calls it."""
    name: str
    spans: tuple[SpanKind, ...]
    about: str


_ALL: Final[tuple[SpanKind, ...]] = ("run", "step", "call", "attempt")
_TABLE: Final = (
    SpanAttribute("run_id", "roadworthy.run.id", _ALL, "the run it belongs to"),
    SpanAttribute("step_id", "roadworthy.step.id", ("step", "call", "attempt"), "the step"),
    SpanAttribute("step", "roadworthy.step.name", ("step", "call", "attempt"), "the step's function"),
    SpanAttribute(
        "step_kind", "roadworthy.step.kind", ("step",), "`step`, `action`, `call`, `child` or `wait`"
    ),
    SpanAttribute("step_attempt", "roadworthy.step.attempt", ("step",), "counted from 1"),
    SpanAttribute("call_id", "roadworthy.call.id", ("call", "attempt"), "the call"),
    SpanAttribute("prompt_id", "roadworthy.prompt.id", ("call", "attempt"), "the prompt"),
    SpanAttribute("prompt_name", "gen_ai.prompt.name", ("call",), "the prompt, in the convention's word"),
    SpanAttribute("prompt_version", "roadworthy.prompt.version", ("call", "attempt"), "its version's label"),
    SpanAttribute("prompt_hash", "roadworthy.prompt.content_hash", ("call",), "the version's content hash"),
    SpanAttribute("workflow", "gen_ai.workflow.name", ("run",), "the workflow"),
    SpanAttribute("operation", "gen_ai.operation.name", ("run", "attempt"), "`invoke_workflow` or `chat`"),
    SpanAttribute("number", "roadworthy.attempt.number", ("attempt",), "counted from 1 within the call"),
    SpanAttribute(
        "reason", "roadworthy.attempt.reason", ("attempt",), "why it was made: first, retry, repair, …"
    ),
    SpanAttribute("status", "roadworthy.status", _ALL, "how it ended"),
    SpanAttribute("error_kind", "error.type", _ALL, "the kind of error, when it failed"),
    SpanAttribute("route", "roadworthy.route", ("call",), "the route it took"),
    SpanAttribute("rung", "roadworthy.rung", ("call", "attempt"), "the rung of the route that answered"),
    SpanAttribute("model", "roadworthy.model", ("call", "attempt"), "the model's name in the settings"),
    SpanAttribute("provider", "gen_ai.provider.name", ("call", "attempt"), "the provider"),
    SpanAttribute("request_model", "gen_ai.request.model", ("attempt",), "the model that was asked for"),
    SpanAttribute("temperature", "gen_ai.request.temperature", ("attempt",), "as requested"),
    SpanAttribute("max_tokens", "gen_ai.request.max_tokens", ("attempt",), "as requested"),
    SpanAttribute("seed", "gen_ai.request.seed", ("attempt",), "as requested"),
    SpanAttribute("response_model", "gen_ai.response.model", ("call", "attempt"), "the model that answered"),
    SpanAttribute("response_id", "gen_ai.response.id", ("attempt",), "the provider's id of its response"),
    SpanAttribute(
        "finish_reason", "gen_ai.response.finish_reasons", ("attempt",), "why it stopped, as a list of one"
    ),
    SpanAttribute(
        "input_tokens", "gen_ai.usage.input_tokens", ("attempt",), "tokens read, cached ones included"
    ),
    SpanAttribute("output_tokens", "gen_ai.usage.output_tokens", ("attempt",), "tokens written"),
    SpanAttribute(
        "cache_read_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        ("attempt",),
        "read from the prefix cache",
    ),
    SpanAttribute(
        "cache_write_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        ("attempt",),
        "written to the prefix cache",
    ),
    SpanAttribute(
        "sum_input_tokens", "roadworthy.usage.input_tokens", ("run", "call"), "sum over the attempts"
    ),
    SpanAttribute(
        "sum_output_tokens", "roadworthy.usage.output_tokens", ("run", "call"), "sum over the attempts"
    ),
    SpanAttribute("cost_usd", "roadworthy.cost_usd", ("attempt",), "dollars for this request"),
    SpanAttribute("sum_cost_usd", "roadworthy.total_cost_usd", ("run", "call"), "dollars for all attempts"),
    SpanAttribute("cost_source", "roadworthy.cost_source", ("call", "attempt"), "where the price comes from"),
    SpanAttribute("saved_usd", "roadworthy.saved_usd", ("call",), "dollars that no model had to be paid"),
    SpanAttribute("degraded", "roadworthy.degraded", ("call",), "whether it is less than on a good day"),
    SpanAttribute("http_status", "http.response.status_code", ("attempt",), "the provider's HTTP status"),
    SpanAttribute("attempts", "roadworthy.attempts", ("step", "call"), "how many were made"),
    SpanAttribute(
        "input_messages",
        "gen_ai.input.messages",
        ("call", "attempt"),
        "only with `capture_content`: what was sent",
    ),
    SpanAttribute(
        "output_messages",
        "gen_ai.output.messages",
        ("call", "attempt"),
        "only with `capture_content`: what came back",
    ),
)

SPAN_ATTRIBUTES: Final[dict[str, SpanAttribute]] = {attribute.word: attribute for attribute in _TABLE}
"""Every span attribute by the code's word for it."""


_PLAIN: Final = {
    word: attribute.name
    for word, attribute in SPAN_ATTRIBUTES.items()
    if word not in {"usage", "cost_usd", "saved_usd", "provider", "finish_reason", "prompt_id"}
}
"""Names of what goes over the wire as it is."""


def on_the_wire(
    kind: SpanKind, fields: Mapping[str, Any], clean: Callable[[str], str]
) -> dict[str, AttributeValue]:
    """Names and values as the span carries them, texts clean. What the table does not know is left out."""
    found: dict[str, AttributeValue] = {}
    for word, value in fields.items():
        if value is None:
            continue
        name = _PLAIN.get(word)
        if name is not None:
            found[name] = value if isinstance(value, (int, float)) else clean(str(value))
        else:
            for wire_word, wire_value in _translate(kind, word, value):
                found[SPAN_ATTRIBUTES[wire_word].name] = _cleaned(wire_value, clean)
    return found


def _cleaned(value: AttributeValue, clean: Callable[[str], str]) -> AttributeValue:
    if isinstance(value, str):
        return clean(value)
    return tuple(clean(item) for item in value) if isinstance(value, tuple) else value


def _translate(kind: SpanKind, word: str, value: Any) -> Iterator[tuple[str, AttributeValue]]:
    if word == "usage":
        yield from _usage(kind, value)
    elif word == "cost_usd":
        yield "cost_usd" if kind == "attempt" else "sum_cost_usd", float(value)
    elif word == "saved_usd":
        yield "saved_usd", float(value)
    elif word == "provider":
        yield "provider", _PROVIDERS.get(str(value), str(value))
    elif word == "finish_reason":
        yield "finish_reason", (str(value),)
    elif word == "prompt_id":
        yield "prompt_id", value
        if kind == "call":
            yield "prompt_name", value


def _usage(kind: SpanKind, usage: Usage) -> Iterator[tuple[str, AttributeValue]]:
    if kind != "attempt":
        yield "sum_input_tokens", usage.input_tokens
        yield "sum_output_tokens", usage.output_tokens
        return
    yield "input_tokens", usage.input_tokens
    yield "output_tokens", usage.output_tokens
    if usage.cache_read_tokens:
        yield "cache_read_tokens", usage.cache_read_tokens
    if usage.cache_write_tokens:
        yield "cache_write_tokens", usage.cache_write_tokens
