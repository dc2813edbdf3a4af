"""OpenAI embeddings: `POST /v1/embeddings`.

The vector of a text is the sum of vectors drawn from the hashes of its words, scaled to length 1: the same
text gives the same vector everywhere, and texts that share words are near each other.
"""

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from typing import Any, cast

from roadworthy.testing.simulated.dialects import openai_error
from roadworthy.testing.simulated.dialects.dialect import Answered, Dialect, Event
from roadworthy.testing.simulated.received import Asked, BadBody, require

_DIMENSIONS = 256
_MOST_DIMENSIONS = 4096


def read(body: Mapping[str, Any]) -> Asked:
    """Read a request's body; each text becomes a message."""
    model: str = require(body, "model", str)
    dimensions = body.get("dimensions", _DIMENSIONS)
    if not isinstance(dimensions, int) or not 0 < dimensions <= _MOST_DIMENSIONS:
        raise BadBody(f"'dimensions' must be between 1 and {_MOST_DIMENSIONS}.", param="dimensions")
    return Asked(model, tuple(("user", text) for text in _texts(body.get("input"))))


def _texts(given: Any) -> list[str]:
    """One text each: strings as they are, lists of token numbers as their digits."""
    if isinstance(given, str):
        return [given]
    items = cast("list[Any]", given) if isinstance(given, list) else []
    if items and all(isinstance(item, int) for item in items):
        return [" ".join(map(str, items))]
    if items and all(isinstance(item, str | list) for item in items):
        lists = [cast("list[Any]", item) if isinstance(item, list) else [item] for item in items]
        return [" ".join(map(str, item)) for item in lists]
    raise BadBody("Missing or invalid parameter: 'input'.", param="input")


def vector(text: str, dimensions: int = _DIMENSIONS) -> list[float]:
    """The vector of a text, of length 1."""
    sums = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        drawn = hashlib.shake_256(word.encode()).digest(dimensions)
        sums = [total + byte - 127.5 for total, byte in zip(sums, drawn, strict=True)]
    length = math.sqrt(math.fsum(value * value for value in sums)) or 1.0
    return [value / length for value in sums]


def whole(answered: Answered) -> Mapping[str, Any]:
    """One vector for each text, as numbers or as base64 of little-endian floats."""
    body = answered.received.body
    dimensions = int(body.get("dimensions", _DIMENSIONS))
    vectors = [vector(text, dimensions) for _, text in answered.received.messages]
    packed: list[Any] = list(vectors)
    if body.get("encoding_format") == "base64":
        packed = [base64.b64encode(struct.pack(f"<{dimensions}f", *values)).decode() for values in vectors]
    data = [{"object": "embedding", "index": index, "embedding": item} for index, item in enumerate(packed)]
    tokens = answered.usage.input_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": answered.model, "usage": usage}


def _no_events(answered: Answered) -> list[Event]:
    return [Event(whole(answered))]


EMBEDDINGS = Dialect(
    "embeddings",
    read,
    whole,
    _no_events,
    openai_error.error,
    openai_error.error_event,
    openai_error.REQUEST_ID_HEADER,
)
