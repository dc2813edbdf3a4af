"""One recorded request with its answer or failure: what of it counts, and how two of them differ.

Requests are told apart by a hash of model, messages, schema and sampling settings; time-outs and user ids do
not count. Every text is scrubbed before it is hashed or kept.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from roadworthy.models import Message, Request
from roadworthy.telemetry.scrubber import MARK, Scrubber

_FENCE = re.compile(r"untrusted-[0-9a-f]{12}")
"""The code in the tags around text from outside; see `prompts/fence.py`."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and what came of it."""

    model: str
    """The name that the recorder was given for the model."""
    request: Mapping[str, Any]
    """What decides the answer, without secrets."""
    response: Mapping[str, Any] | None
    """The answer; `None` when the request failed."""
    error: Mapping[str, Any] | None = None
    """The failure by kind; `None` when there was an answer."""

    @property
    def key(self) -> str:
        """The hash by which the exchange is found."""
        return hash_of(self.model, self.request)


def canonical(request: Request, scrubber: Scrubber) -> dict[str, Any]:
    """What of a request decides the answer, without secrets."""
    fields: dict[str, Any] = {
        "messages": [_told(message) for message in request.messages],
        "output_schema": None if request.output_schema is None else dict(request.output_schema),
        "output_name": request.output_name,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "stop": list(request.stop),
    }
    if request.options is not None:
        fields["options"] = asdict(request.options)
    if request.vectors:
        fields |= {"vectors": True, "dimensions": request.dimensions}
    return clean(fields, scrubber.scrub)


def _told(message: Message) -> dict[str, Any]:
    """A message by what it has: most are text and nothing else."""
    told = asdict(message)
    return {name: value for name, value in told.items() if value or name in {"role", "text"}}


def clean(value: Any, scrub: Callable[[str], str], key: str = "") -> Any:
    """JSON without secrets: in texts, in JSON inside texts, and under keys that are named after them."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {name: clean(item, scrub, name) for name, item in items}
    if isinstance(value, list | tuple):
        return [clean(item, scrub, key) for item in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    if value[:1] in {"{", "["}:
        try:
            return json.dumps(clean(json.loads(value), scrub), ensure_ascii=False)
        except ValueError:
            pass
    named = f"{key}={value}"
    return MARK if key and scrub(value) == value and scrub(named) != named else scrub(value)


def hash_of(model: str, request: Mapping[str, Any]) -> str:
    """The hash of a request to a model."""
    text = json.dumps({"model": model, **request}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(recorded: Any, asked: Any, place: str = "") -> list[str]:
    """Where two JSON values differ, in words, the first places first."""
    if isinstance(recorded, Mapping) and isinstance(asked, Mapping):
        left, right = cast("Mapping[str, Any]", recorded), cast("Mapping[str, Any]", asked)
        pairs: list[tuple[Any, Any, str]] = [
            (left.get(name), right.get(name), f"{place}.{name}" if place else name)
            for name in sorted({*left, *right})
        ]
    elif isinstance(recorded, list) and isinstance(asked, list):
        first, second = cast("list[Any]", recorded), cast("list[Any]", asked)
        pairs = [
            (mine, its, f"{place}[{n}]") for n, (mine, its) in enumerate(zip(first, second, strict=False))
        ]
        if len(first) != len(second):
            return [f"{place}: {len(first)} recorded, {len(second)} asked"]
    else:
        return [] if recorded == asked else [f"{place}: {_shown(recorded, asked)}"]
    return [found for left, right, name in pairs for found in differences(left, right, name)]


def _shown(recorded: Any, asked: Any) -> str:
    """Both values around their first difference."""
    if not isinstance(recorded, str) or not isinstance(asked, str):
        return f"{recorded!r} recorded, {asked!r} asked"
    plain = [_FENCE.sub("untrusted", text) for text in (recorded, asked)]
    if plain[0] != plain[1]:
        recorded, asked = plain  # a fence's code follows from the text inside, which is what differs
    pairs = enumerate(zip(recorded, asked, strict=False))
    same = next((at for at, (left, right) in pairs if left != right), min(len(recorded), len(asked)))
    start = max(0, same - 15)
    return f"{recorded[start : same + 25]!r} recorded, {asked[start : same + 25]!r} asked"
