"""What a wire format has to do: read a request, write an answer whole or as events, word an error.

A `Dialect` is a set of functions, so that the server knows none of the formats. Ids are made from the
request's number: the same requests in the same order give the same bytes.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from roadworthy.records import Usage
from roadworthy.testing.simulated.faults import Problem
from roadworthy.testing.simulated.received import Api, Asked, Received
from roadworthy.testing.simulated.reply import Reply


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply together with the request it is for, ready to be written."""

    received: Received
    reply: Reply
    usage: Usage

    @property
    def model(self) -> str:
        """The model's name to report."""
        return self.reply.model or self.received.model

    def id(self, prefix: str) -> str:
        """An id that depends on the request's number alone."""
        return f"{prefix}sim{self.received.number:012d}"


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    data: Mapping[str, Any] | str
    name: str = ""

    def encode(self) -> bytes:
        """The event's bytes."""
        text = self.data if isinstance(self.data, str) else json.dumps(self.data, ensure_ascii=False)
        return (f"event: {self.name}\n" if self.name else "").encode() + f"data: {text}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format."""

    api: Api
    read: Callable[[Mapping[str, Any]], Asked]
    """Reads the body of a request; raises `BadBody`."""
    whole: Callable[[Answered], Mapping[str, Any]]
    """The body of an answer that is no stream."""
    events: Callable[[Answered], list[Event]]
    """The events of an answer that is a stream, up to the one that says it is complete."""
    error: Callable[[Problem, str], tuple[int, Mapping[str, Any]]]
    """Status and body of an error, given the request's id."""
    error_event: Callable[[Problem, str], Event]
    """An error in the middle of a stream."""
    request_id_header: str
    """The header that carries the provider's id of the request."""


def pieces(text: str) -> list[str]:
    """The text in parts as a stream would carry them: a few words each."""
    words = re.findall(r"\S+\s*|\s+", text)
    return ["".join(words[start : start + 3]) for start in range(0, len(words), 3)]
