"""What the OpenAPI document says of the gateway: what bodies are understood, and what answers are given.

Bodies are the forms that read them; what is known and refused is there with the values that change nothing.
Answers are described here in OpenAI's words, for people and for the tests that hold the gateway to them. All
names begin with `OpenAI.`, so that none is taken for the service's own.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from roadworthy.access import Permission
from roadworthy.service.gateway import chat_form, responses_form
from roadworthy.service.gateway.embeddings import EmbeddingsRequest
from roadworthy.service.principal import Extra, route

_PREFIX = "OpenAI."
_TEMPLATE = f"#/components/schemas/{_PREFIX}{{model}}"
_FORMS: Mapping[type[BaseModel], Mapping[str, tuple[tuple[Any, ...], str]]] = {
    chat_form.ChatRequest: chat_form.REFUSED,
    responses_form.ResponsesRequest: responses_form.REFUSED,
    EmbeddingsRequest: {},
}
_LONGEST_HEADER = 200
_ASKED = {
    "Roadworthy-Tenant": "Which of the key's tenants it is for.",
    "Roadworthy-User": "The end user; else the body's `user`.",
    "Roadworthy-Task": "What it is for, in a word.",
    "Roadworthy-Tags": "For rules of routes, separated by commas.",
    "Roadworthy-Data": "Kinds of data in it, separated by commas.",
    "Roadworthy-Prompt": "The prompt it is recorded under.",
    "Idempotency-Key": "The same key and body get the same answer for a day, made and billed once.",
}
_TOLD = {
    "Roadworthy-Call-Id": "The call on record.",
    "Roadworthy-Rung": "Which rung of the route answered.",
    "Roadworthy-Model": "The model as its provider names it; not of a stream.",
    "Roadworthy-Cost-Usd": "What it cost, as a decimal, or `unknown`; not of a stream.",
    "Roadworthy-Degraded": "`true` where it is not what the route gives on a good day.",
    "Roadworthy-Stale": "`true` where it is an older answer.",
    "Idempotency-Replayed": "`true` where the answer was made before.",
}


class Said(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Trouble(Said):
    """What went wrong."""

    message: str
    """For a person."""
    type: str
    code: str | None
    """The kind of error, for a program; stable."""
    param: str | None
    """Which part of the request it is about."""


class Error(Said):
    """An error, as OpenAI's clients read it."""

    error: Trouble


class CalledFunction(Said):
    """A function's name, and its arguments as JSON."""

    name: str
    arguments: str


class CalledTool(Said):
    """A tool call."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(Said):
    """What the model said."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: list[CalledTool] = []


class Choice(Said):
    """The one answer."""

    index: Literal[0]
    message: AssistantMessage
    logprobs: None
    finish_reason: Literal["stop", "length", "tool_calls"]


class PromptTokens(Said):
    """Where a prompt's tokens came from."""

    cached_tokens: int = Field(ge=0)


class ChatUsage(Said):
    """Tokens, over all attempts."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)
    prompt_tokens_details: PromptTokens


class ChatCompletion(Said):
    """A whole answer of Chat Completions."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice] = Field(min_length=1, max_length=1)
    usage: ChatUsage


class OutputText(Said):
    """Text of an answer."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class OutputMessage(Said):
    """What the model said."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: str
    content: list[OutputText]


class OutputCall(Said):
    """A tool call."""

    id: str
    type: Literal["function_call"]
    status: str
    call_id: str
    name: str
    arguments: str


class InputTokens(Said):
    """Where the tokens of the input came from."""

    cached_tokens: int = Field(ge=0)
    cache_write_tokens: int = Field(ge=0)


class OutputTokens(Said):
    """What the tokens of the output were for."""

    reasoning_tokens: int = Field(ge=0)


class ResponseUsage(Said):
    """Tokens, over all attempts."""

    input_tokens: int = Field(ge=0)
    input_tokens_details: InputTokens
    output_tokens: int = Field(ge=0)
    output_tokens_details: OutputTokens
    total_tokens: int = Field(ge=0)


class ResponseObject(BaseModel):
    """A whole answer of the Responses API; what else it holds repeats the request."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    error: None
    model: str
    output: list[OutputMessage | OutputCall]
    usage: ResponseUsage


class Vector(Said):
    """The vector of one text; little-endian floats of 32 bits where `base64` was asked for."""

    object: Literal["embedding"]
    index: int = Field(ge=0)
    embedding: list[float] | str


class VectorUsage(Said):
    """Tokens, over all attempts."""

    prompt_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)


class Vectors(Said):
    """A vector for each text."""

    object: Literal["list"]
    data: list[Vector]
    model: str
    usage: VectorUsage


class Model(Said):
    """A route, which `model` can name."""

    id: str
    object: Literal["model"]
    created: Literal[0]
    owned_by: Literal["roadworthy"]


class ModelList(Said):
    """All routes."""

    object: Literal["list"]
    data: list[Model]


_ANSWERS = (Error, ChatCompletion, ResponseObject, Vectors, Model, ModelList)


def schemas() -> dict[str, Any]:
    """All of them, for the document's components."""
    wanted: list[Any] = [(one, "validation") for one in (*_FORMS, *_ANSWERS)]
    _, made = models_json_schema(wanted, ref_template=_TEMPLATE)
    text = json.dumps(made["$defs"])
    for module, short in ((chat_form, "Chat"), (responses_form, "Responses")):  # where both have the name
        text = text.replace(f"{module.__name__.replace('.', '__')}__", short)
    found: dict[str, Any] = json.loads(text)
    for form, refused in _FORMS.items():
        its = found[form.__name__]
        its["additionalProperties"] = False
        for name, (neutral, why) in refused.items():
            told = f"Only what changes nothing: {why}"
            its["properties"][name] = {"enum": [*neutral, None], "description": told}
    return {f"{_PREFIX}{name}": schema for name, schema in found.items()}


def said(answer: type[BaseModel], form: type[BaseModel] | None = None, *, streams: bool = False) -> Extra:
    """What the document says of a route, which reads its body by itself."""
    content = _json(answer)
    if streams:
        told = "Server-sent events, where the body says `stream`; an error event in the place of an end."
        content["text/event-stream"] = {"schema": {"type": "string", "description": told}}
    good: dict[str, Any] = {"description": "The answer.", "content": content}
    statuses = [404]
    if form is not None:
        good["headers"] = {name: _header(text) for name, text in _TOLD.items()}
        statuses += [409, 502, 504]
    made = route(
        Permission.CALLS_MAKE,
        *statuses,
        body=form is not None,
        replies={200: good},
        errors=_json(Error),
    )
    del made["responses"][422]  # what does not fit is 400 here
    if form is not None:
        made["openapi_extra"] |= {
            "requestBody": {"required": True, "content": _json(form)},
            "parameters": [{"name": name, "in": "header", **_header(text)} for name, text in _ASKED.items()],
        }
    return made


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _TEMPLATE.format(model=model.__name__)}}}


def _header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string", "maxLength": _LONGEST_HEADER}}
