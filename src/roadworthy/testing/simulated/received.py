"""What arrived at the simulated provider: `Received`, the same for every wire format.

The dialects read a request's body into it; answers are chosen by it; tests look at it afterwards. Headers
that carry keys are dropped before anything is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from roadworthy.testing.simulated.reply import count_tokens

Api = Literal["chat", "responses", "messages", "generate", "embeddings"]

_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"}
)


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as the simulated provider understood it."""

    number: int
    """Counted from 1 in order of arrival."""
    api: Api
    """The wire format it came in."""
    path: str
    """The path of the URL."""
    model: str
    """The model that was asked for."""
    messages: tuple[tuple[str, str], ...]
    """Role and text of every message; instructions come first, as `system`."""
    schema: Mapping[str, Any] | None
    """The JSON schema that the answer, or the arguments of `tool`, must fit."""
    tool: str | None
    """The tool that has to be called; `None` when text is expected."""
    stream: bool
    """Whether the client asked for server-sent events."""
    headers: Mapping[str, str]
    """Lower-case names; none that carries a key."""
    body: Mapping[str, Any]
    """The request's body, decoded."""
    time_ms: int
    """When it arrived."""
    batch: str = ""
    """The id of the batch that it came in; empty when it was sent by itself."""

    @property
    def text(self) -> str:
        """The text of the last message of a user."""
        return next((text for role, text in reversed(self.messages) if role == "user"), "")

    @property
    def system(self) -> str:
        """All instructions, one after the other."""
        return "\n".join(text for role, text in self.messages if role == "system")

    @property
    def input_tokens(self) -> int:
        """Tokens of all messages."""
        return sum(count_tokens(text) for _, text in self.messages)


NOTHING = Received(0, "chat", "", "", (), None, None, stream=False, headers={}, body={}, time_ms=0)
"""What faults are told where no model was asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a request that a dialect reads from its body."""

    model: str
    messages: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any] | None = None
    tool: str | None = None
    stream: bool = False


class BadBody(ValueError):
    """The body is not a request that the provider would accept."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def without_keys(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name, without those that carry a key."""
    return {name.lower(): value for name, value in headers if name.lower() not in _SECRET_HEADERS}


def require(body: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    """A field that every client has to send, or the provider's complaint."""
    value = body.get(key)
    if not isinstance(value, kind):
        raise BadBody(f"Missing or invalid parameter: {key!r}.", param=key)
    return cast("Any", value)


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; nothing when it is no list."""
    if not isinstance(value, list):
        return []
    return [item for item in cast("list[Any]", value) if isinstance(item, dict)]


def mapping(value: Any) -> dict[str, Any]:
    """The value when it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def content_text(content: Any) -> str:
    """The text of a message's content: a string, or parts of which some carry text."""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for part in objects(content):
        text = part.get("text", part.get("content", part.get("output", "")))
        parts.append(text if isinstance(text, str) else content_text(text))
    return "\n".join(part for part in parts if part)
