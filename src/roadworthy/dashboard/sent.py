"""Bodies of requests and payloads as people read them: messages apart from the rest, nothing without end."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from roadworthy.dashboard.words import pretty
from roadworthy.records import Json

MOST_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class Body:
    """A payload as text."""

    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What one role was told."""

    role: str
    body: Body


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it went out."""

    messages: Sequence[Message]
    rest: Body
    """All that is no message: the model, its settings, the schema."""


def body_of(value: Json, most: int = MOST_CHARS) -> Body:
    """A payload, cut after so many characters."""
    text = pretty(value)
    return Body(text[:most], is_cut=len(text) > most)


def sent_of(sent: Json) -> Sent:
    """A request's body in any of the dialects: OpenAI's and Ollama's, Anthropic's, Google's."""
    if not isinstance(sent, dict):
        return Sent((), body_of(sent))
    rest: dict[str, Any] = dict(sent)
    found: list[Message] = []
    left = MOST_CHARS
    for role, content in _told(rest):
        body = body_of(_text(content), left)
        left -= len(body.text)
        found.append(Message(role, body))
    return Sent(found, body_of(cast("Json", rest)))


def _told(rest: dict[str, Any]) -> list[tuple[str, Any]]:
    """Who is told what, taken out of the body."""
    above = [name for name in ("system", "systemInstruction", "instructions") if name in rest]
    told: list[tuple[str, Any]] = [("system", rest.pop(name)) for name in above]
    for name in ("messages", "contents", "input"):
        if isinstance(rest.get(name), list):
            for one in cast("list[Any]", rest.pop(name)):
                entry = cast("dict[str, Any]", one if isinstance(one, dict) else {"content": one})
                told.append((str(entry.get("role", "user")), _content(entry)))
    return told


def _content(entry: dict[str, Any]) -> Any:
    """What a message says; all of it where it says more than text, such as calls of tools."""
    for name in ("content", "parts"):
        if name in entry and set(entry) <= {"role", name}:
            return entry[name]
    return {name: value for name, value in entry.items() if name != "role"}


def _text(content: Any) -> str:
    """Text, also where it lies in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict) and list(parts := cast("dict[str, Any]", content)) == ["parts"]:
        return _text(parts["parts"])
    if isinstance(content, list):
        return "\n\n".join(_part(one) for one in cast("list[Any]", content))
    return json.dumps(content, indent=2, ensure_ascii=False)


def _part(one: Any) -> str:
    if isinstance(one, dict) and isinstance(text := cast("dict[str, Any]", one).get("text"), str):
        return text
    return one if isinstance(one, str) else json.dumps(one, indent=2, ensure_ascii=False)
