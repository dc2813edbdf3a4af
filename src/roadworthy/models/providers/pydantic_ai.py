"""Every provider on the network, through pydantic-ai's `direct` API: one request, one response.

    Request ──► messages, settings, schema in the library's words ──► model_request ──► Response
                                                        └─ whatever it raises ──► faults.py ──► RequestFailed

A schema is sent the native way where the model's profile has one, else as a forced tool, else in the prompt
(`output_mode` decides otherwise); the answer is text in all three. What the library prepares for a schema
is kept for as long as the caller keeps the schema. Providers that keep the beginning of a prompt only when
told are told (`prefix.py`); others do so by themselves, as long as the order of messages stays as it is.
This module imports the library, so it is itself imported late.
"""

import asyncio
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from pydantic_ai import messages as library
from pydantic_ai.direct import model_request
from pydantic_ai.embeddings import EmbeddingModel
from pydantic_ai.exceptions import UsageExtractionFailedWarning
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings as LibrarySettings
from pydantic_ai.tools import ToolDefinition

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.conversation import Options
from roadworthy.models.provider import DEFAULT_MAX_TOKENS, Blueprint, FinishReason, Request, Response, cannot
from roadworthy.models.providers import embedding, faults, streaming, turns, wire
from roadworthy.models.providers.clients import Client, build, secret_texts
from roadworthy.models.providers.prefix import NO_MARKS, Marks, Prefixes
from roadworthy.models.providers.usage import read_usage
from roadworthy.records import Json

_READ_BY_CLIENTS = frozenset({"api", "organization", "project"})
"""Options that `clients` reads; all others go to the library as model settings."""
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_call": "tool_calls",
}
_KEPT_SCHEMAS = 64
_DEMAND_MAX_TOKENS = frozenset({"anthropic", "bedrock"})
"""Where a missing limit makes the library ask for the model's longest answer, as a hidden stream."""
_MARK_INSTRUCTIONS = {"anthropic": "anthropic_cache_instructions", "bedrock": "bedrock_cache_instructions"}
"""The library's setting that has the provider keep the instructions, where it wants to be told."""


@dataclass(frozen=True, slots=True)
class _Output:
    """How an answer of one schema is asked for."""

    mode: str
    parameters: ModelRequestParameters
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What goes into the request as it is."""
    tool: str = ""
    """The tool whose arguments are the answer, where it is asked for that way."""


def make(blueprint: Blueprint) -> "NetworkProvider":
    """The provider for any of the network's names. Takes seconds the first time: call it in a thread."""
    return NetworkProvider(blueprint, build(blueprint))


class NetworkProvider:
    """One model at one provider, with its own connections."""

    def __init__(self, blueprint: Blueprint, client: Client) -> None:
        self._name = blueprint.name
        self._settings = blueprint.settings
        self._secrets = secret_texts(blueprint)
        self._client = client
        self._model: Model[Any] = client.model
        self._outputs: OrderedDict[int, tuple[Mapping[str, Any], str, _Output]] = OrderedDict()
        self._options = {k: v for k, v in self._settings.options.items() if k not in _READ_BY_CLIENTS}
        self._prefixes = Prefixes(examples=client.dialect == "anthropic") if self._marks_prefixes() else None
        self._embeds: EmbeddingModel | None = None

    async def request(self, request: Request) -> Response:
        """Send it once, within its time."""
        _silence()
        exchange = wire.Exchange(self._secrets, streamed=self._streams(request))
        token = wire.begin(exchange)
        try:
            async with asyncio.timeout(request.timeout_seconds):
                if request.vectors:
                    return await self._embedded(request, exchange)
                return await self._answered(request, exchange)
        except ProviderError:
            raise
        except TimeoutError:
            billed = exchange.request is not None
            raise faults.failed(self._name, ErrorKind.TIMEOUT, exchange, may_be_billed=billed) from None
        except Exception as error:  # noqa: BLE001  # whatever a library raises becomes an error by kind
            raise faults.from_exception(self._name, error, exchange) from None
        finally:
            wire.end(token)

    async def _answered(self, request: Request, exchange: wire.Exchange) -> Response:
        output = self._output(request)
        marks = self._marks(request)
        settings, dropped = self._library_settings(request, output, marks)
        if request.options is not None:
            if dropped:
                raise cannot(self._name, "; ".join(dropped))
            if request.options.tools:
                output = replace(output, parameters=_with_tools(output.parameters, request.options))
        messages = turns.turns(request.messages, marks)
        if request.emit is not None and exchange.streamed:
            answer = await streaming.follow(self._model, messages, settings, output.parameters, request.emit)
            self._require_end(answer, exchange)
        else:
            answer = await model_request(
                self._model,
                messages,
                model_settings=settings,
                model_request_parameters=output.parameters,
                instrument=False,
            )
        sent = exchange.sent()
        if request.temperature is not None and not _was_sent("temperature", sent):
            dropped = (*dropped, "temperature was not sent: the model does not take it")
        return self._response(answer, exchange, output, sent, dropped)

    async def _embedded(self, request: Request, exchange: wire.Exchange) -> Response:
        if self._embeds is None:
            self._embeds = await asyncio.to_thread(embedding.embedding_model, self._name, self._client)
        return await embedding.embed(self._embeds, request, exchange)

    def _streams(self, request: Request) -> bool:
        """Whether the answer comes in pieces: where it is text as the model writes it."""
        if request.emit is None:
            return False
        return request.output_schema is None or self._output(request).mode in ("native", "text")

    def _require_end(self, answer: library.ModelResponse, exchange: wire.Exchange) -> None:
        """Refuse a stream whose end is missing: it was cut."""
        if self._finish_reason(answer) != "unknown":
            return
        error = faults.failed(self._name, ErrorKind.CONNECTION, exchange, may_be_billed=True)
        error.received = streaming.as_received(answer, None)
        raise error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _marks_prefixes(self) -> bool:
        """Whether to tell the provider what to keep; whoever sets the library's own options knows better."""
        own = any("cache" in option for option in self._options)
        return self._settings.prefix_cache and not own and self._client.dialect in _MARK_INSTRUCTIONS

    def _marks(self, request: Request) -> Marks:
        if self._prefixes is None:
            return NO_MARKS
        return self._prefixes.marks(request.messages, asyncio.get_running_loop().time())

    def _library_settings(
        self, request: Request, output: _Output, marks: Marks
    ) -> tuple[LibrarySettings, tuple[str, ...]]:
        """The settings in the library's words, and notes on those that this model has not."""
        max_tokens = request.max_tokens or self._settings.max_tokens
        if max_tokens is None and self._client.dialect in _DEMAND_MAX_TOKENS:
            max_tokens = DEFAULT_MAX_TOKENS
        wanted: dict[str, Any] = {
            **self._options,
            "timeout": request.timeout_seconds,
            "temperature": request.temperature,
            "max_tokens": max_tokens,
            "seed": request.seed,
            "stop_sequences": list(request.stop) or None,
            **_user(self._client.dialect, request.user),
            **(turns.option_settings(self._client.dialect, request.options) if request.options else {}),
        }
        if marks.instructions:
            wanted[_MARK_INSTRUCTIONS[self._client.dialect]] = True
        if output.body:
            wanted["extra_body"] = {**wanted.get("extra_body", {}), **output.body}
        unsupported = self._model.unsupported_settings
        settings = {k: v for k, v in wanted.items() if v is not None and k not in unsupported}
        notes = tuple(
            f"{key} was not sent: {self._settings.provider} does not take it"
            for key, value in wanted.items()
            if value is not None and key in unsupported and key != "timeout"
        )
        return cast("LibrarySettings", settings), notes

    def _output(self, request: Request) -> _Output:
        schema = request.output_schema
        if request.options is not None and request.options.json_object:
            return _ANY_OBJECT_OF_CHAT if self._client.dialect == "chat" else _ANY_OBJECT
        if schema is None:
            return _TEXT
        kept = self._outputs.get(id(schema))
        if kept is not None and kept[0] is schema and kept[1] == request.output_name:
            return kept[2]
        output = self._prepare(dict(schema), request.output_name)
        self._outputs[id(schema)] = (schema, request.output_name, output)
        if len(self._outputs) > _KEPT_SCHEMAS:
            self._outputs.popitem(last=False)
        return output

    def _prepare(self, schema: dict[str, Any], name: str) -> _Output:
        profile = cast("Mapping[str, Any]", self._model.profile)
        mode = self._settings.output_mode
        if mode == "auto":
            native, tools = (
                profile.get("supports_json_schema_output", False),
                profile.get("supports_tools", True),
            )
            mode = "native" if native else "tool" if tools else "prompted"
        if mode == "tool":
            tool = ToolDefinition(name=name, parameters_json_schema=schema, kind="output")
            parameters = ModelRequestParameters(
                output_mode="tool", output_tools=[tool], allow_text_output=False
            )
            return _Output(mode, parameters, tool=name)
        definition = OutputObjectDefinition(json_schema=schema, name=name)
        parameters = ModelRequestParameters(output_mode=mode, output_object=definition)
        in_words = profile.get("native_output_requires_schema_in_instructions", False)
        if mode == "native" and self._client.dialect == "chat" and not in_words:
            return _Output(mode, _TEXT.parameters, self._response_format(parameters, profile))
        return _Output(mode, parameters)

    def _response_format(
        self, parameters: ModelRequestParameters, profile: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The schema as it goes over the wire, adapted once: in every request it would cost 0.6 ms of CPU."""
        adapted = self._model.customize_request_parameters(parameters).output_object
        assert adapted is not None  # noqa: S101  # it was given
        schema: dict[str, Any] = {"name": adapted.name, "schema": adapted.json_schema}
        if profile.get("openai_supports_strict_tool_definition", True) and adapted.strict is not None:
            schema["strict"] = adapted.strict
        return {"response_format": {"type": "json_schema", "json_schema": schema}}

    def _response(
        self,
        answer: library.ModelResponse,
        exchange: wire.Exchange,
        output: _Output,
        sent: Json,
        dropped: tuple[str, ...],
    ) -> Response:
        received = exchange.received()
        usage, reported, odd = read_usage(answer, received)
        inner = faults.kind_by_words(received)
        finish = self._finish_reason(answer)
        if exchange.streamed:
            received = streaming.as_received(
                answer, {"input": usage.input_tokens, "output": usage.output_tokens}
            )
        if inner is not None or finish == "content_filter":
            error = faults.failed(
                self._name,
                inner or ErrorKind.REFUSED,
                exchange,
                may_be_billed=exchange.answered,
                provider_text=exchange.scrub(str(received)),
            )
            error.usage = usage if reported else None
            error.model = answer.model_name or ""
            raise error
        served = answer.model_name or self._settings.model
        return Response(
            text=_text(answer, output),
            usage=usage,
            model=served,
            finish_reason=finish,
            provider_request_id=exchange.request_id or answer.provider_response_id,
            sent=sent,
            received=received,
            usage_reported=reported,
            notes=(*dropped, *odd, *self._other_model(served)),
            rate_limit=exchange.rate_limit,
            tool_calls=tuple(call for call in turns.tool_calls(answer) if not _is_answer(call.name, output)),
        )

    def _finish_reason(self, answer: library.ModelResponse) -> FinishReason:
        said = _FINISH.get(answer.finish_reason or "", "unknown")
        details = answer.provider_details or {}
        if said == "stop" and self._client.dialect == "chat" and "finish_reason" not in details:
            return "unknown"  # the library fills in `stop` for a provider that said nothing
        return said

    def _other_model(self, served: str) -> tuple[str, ...]:
        asked = self._settings.model
        if self._settings.provider == "azure-openai" or asked.lower() in served.lower():
            return ()  # an Azure name is a deployment's, and a date behind the name is no other model
        return (f"asked for {asked!r}, answered by {served!r}",)


_TEXT = _Output("text", ModelRequestParameters())
_ANY_OBJECT = _Output(
    "prompted",
    ModelRequestParameters(
        output_mode="prompted",
        output_object=OutputObjectDefinition(json_schema={"type": "object"}, name="answer"),
    ),
)
_ANY_OBJECT_OF_CHAT = _Output("native", _TEXT.parameters, {"response_format": {"type": "json_object"}})


def _with_tools(parameters: ModelRequestParameters, options: Options) -> ModelRequestParameters:
    return replace(parameters, function_tools=turns.tool_definitions(options))


def _silence() -> None:
    """Keep the library from warning of what `Response.notes` says.

    Where a program makes warnings errors, they would turn a good answer into a failure. Programs also put
    their filters back, so this looks each time (some microseconds).
    """
    if not any(entry[2] is UsageExtractionFailedWarning for entry in warnings.filters):
        warnings.filterwarnings("ignore", category=UsageExtractionFailedWarning)
        warnings.filterwarnings("ignore", "Sampling parameters", UserWarning)
        warnings.filterwarnings("ignore", "The model '", DeprecationWarning)


def _user(dialect: str, user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    if dialect == "anthropic":
        return {"anthropic_metadata": {"user_id": user}}
    return {"openai_user": user} if dialect in ("chat", "responses") else {}


def _text(answer: library.ModelResponse, output: _Output) -> str:
    for part in answer.parts:
        if isinstance(part, library.ToolCallPart) and _is_answer(part.tool_name, output):
            return part.args_as_json_str()
    text = "".join(part.content for part in answer.parts if isinstance(part, library.TextPart))
    if output.mode == "prompted" and "```" in text:
        start, end = text.find("{"), text.rfind("}")
        return text[start : end + 1] if 0 <= start < end else text
    return text


def _is_answer(tool: str, output: _Output) -> bool:
    """Whether a call of this tool is the answer: where no others were offered, every one is.

    Whoever reads a batch may not know any more what the one was called.
    """
    return output.mode == "tool" and (tool == output.tool or not output.parameters.function_tools)


def _was_sent(key: str, sent: Json) -> bool:
    """Whether the setting is anywhere in the body: formats differ in where they put it."""
    if not isinstance(sent, dict):
        return True
    return key in sent or any(isinstance(value, dict) and key in value for value in sent.values())
