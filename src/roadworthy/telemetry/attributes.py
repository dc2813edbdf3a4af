"""Every attribute of our spans, in one table: the code's word, the name on the wire, the spans, the sense.

Names that begin with `gen_ai.`, `error.` and `http.` are those of the OpenTelemetry semantic conventions
(opentelemetry-semantic-conventions 0.66b2); a test compares them with that package. They are written out
here, because the conventions for generative AI moved to a repository of their own and may leave the package,
and because importing it would load OpenTelemetry. Tokens and cost are `gen_ai.usage.*` on attempts only,
where they were spent; the sums over a call have our own names, so that no backend counts them twice.
"""

from collections.abc import Callable, Mapping
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


_OF_SUMS: Final = {
    "cost_usd": "sum_cost_usd",
    "input_tokens": "sum_input_tokens",
    "output_tokens": "sum_output_tokens",
}
_NAMES: Final[dict[SpanKind, dict[str, str]]] = {
    kind: {
        word: SPAN_ATTRIBUTES[word if kind == "attempt" else _OF_SUMS.get(word, word)].name
        for word in SPAN_ATTRIBUTES
    }
    for kind in _ALL
}
"""Each word's name on the wire, on spans of a kind."""
_FORMS: Final[dict[str, Callable[[Any], AttributeValue]]] = {
    "cost_usd": float,
    "saved_usd": float,
    "provider": lambda name: _PROVIDERS.get(str(name), str(name)),
    "finish_reason": lambda reason: (str(reason),),
}
"""What is not on the wire as it is in the code."""


def on_the_wire(
    kind: SpanKind, fields: Mapping[str, Any], clean: Callable[[str], str]
) -> dict[str, AttributeValue]:
    """Names and values as the span carries them, texts clean. What the table does not know is left out."""
    names = _NAMES[kind]
    found: dict[str, AttributeValue] = {}
    for word, value in fields.items():
        if value is None:
            continue
        if word == "usage":
            _add_usage(found, kind, value)
            continue
        name = names.get(word)
        if name is None:
            continue
        form = _FORMS.get(word)
        formed: AttributeValue = value if form is None else form(value)
        if isinstance(formed, (int, float)):
            found[name] = formed
        elif isinstance(formed, tuple):
            found[name] = tuple(map(clean, formed))
        else:
            found[name] = clean(str(formed))
    return found


def _add_usage(found: dict[str, AttributeValue], kind: SpanKind, usage: Usage) -> None:
    names = _NAMES[kind]
    found[names["input_tokens"]] = usage.input_tokens
    found[names["output_tokens"]] = usage.output_tokens
    if kind == "attempt" and usage.cache_read_tokens:
        found[names["cache_read_tokens"]] = usage.cache_read_tokens
    if kind == "attempt" and usage.cache_write_tokens:
        found[names["cache_write_tokens"]] = usage.cache_write_tokens
