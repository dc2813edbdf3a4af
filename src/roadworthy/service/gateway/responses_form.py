"""A request of the Responses API, as far as it is understood, and the conversation that it asks for."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from roadworthy.models import Image, Message, Options, Tool, ToolCall
from roadworthy.prompts import CallSettings
from roadworthy.service.gateway.chat_form import Effort, Form, chosen, picture, tool
from roadworthy.service.gateway.fault import refuse

_NOT_KEPT = "answers are on record, but not under OpenAI's addresses: send the whole conversation."
_ONE_TIER = "the operator chooses the tier in the model's options."
_BY_ITSELF = "prefixes are cached by themselves; leave it out."
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "previous_response_id": ((), _NOT_KEPT),
    "conversation": ((), _NOT_KEPT),
    "store": ((False,), _NOT_KEPT),
    "background": ((False,), "start a run of a workflow for work that outlives its request."),
    "include": (([],), "there is nothing more to include."),
    "truncation": (("disabled",), "nothing of a conversation is left out."),
    "max_tool_calls": ((), "whoever asks calls the tools."),
    "prompt": ((), "OpenAI's stored prompts are not known here."),
    "service_tier": (("auto", "default"), _ONE_TIER),
    "top_logprobs": ((0,), "not every model of a route gives them."),
    "prompt_cache_key": ((), _BY_ITSELF),
    "prompt_cache_retention": ((), _BY_ITSELF),
    "prompt_cache_options": ((), _BY_ITSELF),
    "safety_identifier": ((), "use 'user'."),
    "moderation": ((), "the operator sets checks for a route."),
    "context_management": (([],), "nothing of a conversation is left out."),
}
"""What OpenAI's API knows and the gateway refuses, unless it is given a value that changes nothing."""


class TextPart(Form):
    """Text that was said."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class RefusalPart(Form):
    """What the assistant declined to say."""

    type: Literal["refusal"]
    refusal: str


class ImagePart(Form):
    """An image."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"] = "auto"


Part = Annotated[TextPart | ImagePart | RefusalPart, Field(discriminator="type")]


class MessageItem(Form):
    """A message."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]
    id: str | None = None
    status: str | None = None
    phase: None = None


class CallItem(Form):
    """A tool call of the assistant's."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None


class ResultItem(Form):
    """What the tool said."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[TextPart]
    id: str | None = None
    status: str | None = None


def _kind(item: Any) -> str | None:
    return item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", None)  # type: ignore[reportUnknownMemberType]


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[CallItem, Tag("function_call")]
    | Annotated[ResultItem, Tag("function_call_output")],
    Discriminator(_kind),
]


class FunctionTool(Form):
    """A function that may be called."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(Form):
    """The one function to be called."""

    type: Literal["function"]
    name: str


class TextFormat(Form):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = "answer"
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class TextConfig(Form):
    """How text is to be."""

    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None


class Reasoning(Form):
    """How much to think."""

    effort: Effort | None = None
    summary: None = None
    generate_summary: None = None


class StreamOptions(Form):
    """How to stream."""

    include_obfuscation: Literal[False] | None = None


class ResponsesRequest(Form):
    """The body of `POST /v1/responses`."""

    model: str
    input: str | list[Item]
    instructions: str | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_output_tokens: int | None = Field(default=None, ge=1)
    user: str | None = Field(default=None, max_length=200)
    metadata: dict[str, str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def form(self) -> TextFormat:
        """The form of the answer."""
        form = self.text.format if self.text is not None else None
        return form or TextFormat(type="text")


def settings_of(asked: ResponsesRequest) -> CallSettings:
    """The call's settings."""
    return CallSettings(temperature=asked.temperature, max_tokens=asked.max_output_tokens, route=asked.model)


def options_of(asked: ResponsesRequest) -> Options:
    """How the conversation is to go on. Raises `Fault`."""
    tools = tuple(
        tool(one.name, one.description, one.parameters, one.strict, at)
        for at, one in enumerate(asked.tools or ())
    )
    return Options(
        tools=tools,
        tool_choice=_choice(asked.tool_choice, tools),
        parallel_tool_calls=asked.parallel_tool_calls,
        json_object=asked.form.type == "json_object",
        top_p=asked.top_p,
        reasoning_effort=asked.reasoning.effort if asked.reasoning is not None else None,
    )


def _choice(choice: str | NamedTool | None, tools: tuple[Tool, ...]) -> str:
    if isinstance(choice, NamedTool):
        return chosen(choice.name, tools, named=True)
    return chosen(choice, tools, named=False)


def messages_of(asked: ResponsesRequest) -> tuple[Message, ...]:
    """The messages: what the assistant said and called in a row is one. Raises `Fault`."""
    found: list[Message] = []
    if asked.instructions:
        found.append(Message("system", asked.instructions))
    if isinstance(asked.input, str):
        return (*found, Message("user", asked.input))
    if not asked.input:
        raise refuse("'input' is empty.", "input")
    called: set[str] = set()
    for at, item in enumerate(asked.input):
        if isinstance(item, MessageItem):
            found.append(_message(item, f"input.{at}"))
        elif isinstance(item, CallItem):
            called.add(item.call_id)
            if not found or found[-1].role != "assistant":
                found.append(Message("assistant", ""))
            call = ToolCall(item.call_id, item.name, item.arguments)
            found[-1] = replace(found[-1], tool_calls=(*found[-1].tool_calls, call))
        elif item.call_id not in called:
            raise refuse(f"input.{at} answers a tool call that no item before it makes.", f"input.{at}")
        else:
            text = item.output if isinstance(item.output, str) else "".join(one.text for one in item.output)
            found.append(Message("tool", text, tool_call_id=item.call_id))
    return tuple(found)


def _message(item: MessageItem, place: str) -> Message:
    role = "system" if item.role == "developer" else item.role
    if isinstance(item.content, str):
        return Message(role, item.content)
    parts: list[str | Image] = []
    for part in item.content:
        if isinstance(part, ImagePart):
            parts.append(picture(part.image_url, part.detail, place))
        else:
            parts.append(part.text if isinstance(part, TextPart) else part.refusal)
    text = "".join(part for part in parts if isinstance(part, str))
    images = any(isinstance(part, Image) for part in parts)
    if images and role != "user":
        raise refuse(f"{place}: only a user's message may hold images.", place)
    return Message(role, text, tuple(parts) if images else ())
