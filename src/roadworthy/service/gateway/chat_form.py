"""A request of Chat Completions, as far as it is understood, and the conversation that it asks for."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from roadworthy.calls.unchecked import unchecked
from roadworthy.models import Image, Message, Options, Tool, ToolCall
from roadworthy.prompts import CallSettings
from roadworthy.service.gateway.fault import refuse

_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IMAGE = re.compile(r"https://\S+|data:image/(png|jpeg|jpg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]

REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "n": ((1,), "ask once for each answer you want."),
    "logprobs": ((False,), "not every model of a route gives them."),
    "top_logprobs": ((0,), "not every model of a route gives them."),
    "logit_bias": (({},), "token numbers mean something else to every model of a route."),
    "store": ((False,), "answers are on record, but not under OpenAI's addresses; leave it out."),
    "service_tier": (("auto", "default"), "the operator chooses the tier in the model's options."),
    "modalities": ((["text"],), "only text is answered."),
    "audio": ((), "only text is answered."),
    "prediction": ((), "not every model of a route takes one."),
    "web_search_options": ((), "models here search nothing."),
    "functions": (([],), "use 'tools'."),
    "function_call": ((), "use 'tool_choice'."),
    "verbosity": (("medium",), "not every model of a route takes it."),
    "prompt_cache_key": ((), "prefixes are cached by themselves; leave it out."),
    "prompt_cache_retention": ((), "prefixes are cached by themselves; leave it out."),
    "safety_identifier": ((), "use 'user'."),
    "moderation": ((), "the operator sets checks for a route."),
}
"""What OpenAI's API knows and the gateway refuses, unless it is given a value that changes nothing."""


class Form(BaseModel):
    """A part of a body; what it does not name is refused, and so is text in the place of a number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(Form):
    """Text of a message."""

    type: Literal["text"]
    text: str


class RefusalPart(Form):
    """What the assistant declined to say."""

    type: Literal["refusal"]
    refusal: str


class ImageAddress(Form):
    """Where an image is."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(Form):
    """An image of a message."""

    type: Literal["image_url"]
    image_url: ImageAddress


Part = Annotated[TextPart | ImagePart | RefusalPart, Field(discriminator="type")]


class FunctionCall(Form):
    """A function's name and arguments."""

    name: str
    arguments: str


class CallOfTool(Form):
    """A tool call of the assistant's."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall
    index: int | None = None


class ChatMessage(Form):
    """A message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[CallOfTool] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    name: None = None
    audio: None = None
    function_call: None = None
    annotations: list[Any] | None = Field(default=None, max_length=0)


class Function(Form):
    """A function that may be called."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatTool(Form):
    """A tool."""

    type: Literal["function"]
    function: Function


class NamedFunction(Form):
    """The name of a function."""

    name: str


class NamedTool(Form):
    """The one tool to be called."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Form):
    """The schema of the answer."""

    name: str = "answer"
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Form):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Form):
    """How to stream."""

    include_usage: bool = False
    include_obfuscation: Literal[False] | None = None


class ChatRequest(Form):
    """The body of `POST /v1/chat/completions`."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    tools: list[ChatTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: Effort | None = None
    user: str | None = Field(default=None, max_length=200)
    metadata: dict[str, str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


def settings_of(asked: ChatRequest) -> CallSettings:
    """The call's settings."""
    stop = asked.stop
    return CallSettings(
        temperature=asked.temperature,
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
        seed=asked.seed,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        route=asked.model,
    )


def options_of(asked: ChatRequest) -> Options:
    """How the conversation is to go on. Raises `Fault`."""
    tools = tuple(
        tool(one.function.name, one.function.description, one.function.parameters, one.function.strict, at)
        for at, one in enumerate(asked.tools or ())
    )
    choice = asked.tool_choice
    named = choice.function.name if isinstance(choice, NamedTool) else None
    form = asked.response_format
    return Options(
        tools=tools,
        tool_choice=chosen(named if named is not None else choice, tools, named=named is not None),  # type: ignore[arg-type]
        parallel_tool_calls=asked.parallel_tool_calls,
        json_object=form is not None and form.type == "json_object",
        top_p=asked.top_p,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        reasoning_effort=asked.reasoning_effort,
    )


def require_checkable(schema: dict[str, Any], strict: bool | None, place: str) -> None:
    """Raise `Fault` where a schema that is to be kept to the letter says what no answer is checked for."""
    what = unchecked(schema) if strict else None
    if what is not None:
        told = f"Answers are not checked for {what}, so the schema cannot be strict."
        raise refuse(told, place, "unsupported_parameter")


def tool(
    name: str, description: str | None, parameters: dict[str, Any] | None, strict: bool | None, at: int
) -> Tool:
    """A tool. Raises `Fault`."""
    if not _FUNCTION.fullmatch(name):
        raise refuse("A function's name has 1 to 64 letters, digits, '_' and '-'.", f"tools.{at}")
    empty = {"type": "object", "properties": dict[str, Any]()}
    return Tool(name, parameters or empty, description or "", bool(strict))


def chosen(choice: str | None, tools: tuple[Tool, ...], *, named: bool) -> str:
    """Which tool is to be called, as `Options` says it. Raises `Fault`."""
    if choice is None:
        return ""
    if not tools and (named or choice == "required"):
        raise refuse("There are no tools to choose from.", "tool_choice")
    if not named:
        return choice
    if choice not in {one.name for one in tools}:
        raise refuse(f"There is no tool {choice[:64]!r} to choose.", "tool_choice")
    return f"={choice}"


def messages_of(asked: ChatRequest) -> tuple[Message, ...]:
    """The messages. Raises `Fault`."""
    called: set[str] = set()
    found: list[Message] = []
    for at, one in enumerate(asked.messages):
        message = _message(one, f"messages.{at}")
        if message.role == "tool" and message.tool_call_id not in called:
            raise refuse(
                f"messages.{at} answers a tool call that no message before it makes.", f"messages.{at}"
            )
        called |= {call.id for call in message.tool_calls}
        found.append(message)
    return tuple(found)


def _message(one: ChatMessage, place: str) -> Message:
    content = one.content
    if content is None and not (one.role == "assistant" and (one.tool_calls or one.refusal)):
        raise refuse(f"{place} has no content.", place)
    if one.tool_calls and one.role != "assistant":
        raise refuse(f"{place}: only the assistant calls tools.", place)
    if (one.tool_call_id is not None) != (one.role == "tool"):
        raise refuse(f"{place}: a tool's message, and no other, has a 'tool_call_id'.", place)
    parts = content if isinstance(content, list) else []
    text = content if isinstance(content, str) else "".join(map(_text, parts))
    images = any(isinstance(part, ImagePart) for part in parts)
    if images and one.role != "user":
        raise refuse(f"{place}: only a user's message may hold images.", place)
    calls = tuple(ToolCall(c.id, c.function.name, c.function.arguments) for c in one.tool_calls or ())
    return Message(
        "system" if one.role == "developer" else one.role,
        text or (one.refusal or ""),
        tuple(image(part, place) if isinstance(part, ImagePart) else _text(part) for part in parts)
        if images
        else (),
        calls,
        one.tool_call_id or "",
    )


def _text(part: TextPart | ImagePart | RefusalPart) -> str:
    if isinstance(part, ImagePart):
        return ""
    return part.text if isinstance(part, TextPart) else part.refusal


def image(part: ImagePart, place: str) -> Image:
    """An image. Raises `Fault`."""
    return picture(part.image_url.url, part.image_url.detail, place)


def picture(url: str, detail: Literal["auto", "low", "high"], place: str) -> Image:
    """An image at an address. Raises `Fault`."""
    if not _IMAGE.fullmatch(url):
        raise refuse(
            f"{place}: an image is an https:// address or a base64 data: URL of a PNG, JPEG, GIF or WebP.",
            place,
        )
    return Image(url, detail)
