"""A script as JSON, for the simulated provider as a process of its own.

A list of entries, used up from the front; each has a `reply` or a `fault`, and may have `when` and `times`:

    [{"fault": "rate_limited", "retry_after_seconds": 1},
     {"when": {"model": "small", "text": "t-17"}, "times": null, "reply": {"outcome": "answer"}}]

A fault is named after its class in small letters; the other keys are its fields, or those of the reply.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from roadworthy.errors import ConfigurationError, did_you_mean
from roadworthy.records import Usage
from roadworthy.testing.simulated import faults
from roadworthy.testing.simulated.answers import Matcher, When
from roadworthy.testing.simulated.faults import Fault
from roadworthy.testing.simulated.received import Received
from roadworthy.testing.simulated.reply import Reply, ToolCall

_FAMILIES = {"AnswerFault", "BodyFault", "ErrorFault", "Fault", "Problem", "TransportFault"}
_FAULTS: dict[str, type[Any]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): getattr(faults, name)
    for name in faults.__all__
    if name not in _FAMILIES
}
"""Every fault by its name in a script, for example `rate_limited`."""


def read_script(path: Path) -> list[When]:
    """The script in a file.

    Raises:
        ConfigurationError: The file cannot be read, is no JSON, or has an entry that is not understood.
    """
    try:
        entries: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The script {str(path)!r} cannot be read: {error}.") from error
    if not isinstance(entries, list):
        raise ConfigurationError(f"The script {str(path)!r} has to be a JSON list of entries.")
    return [_entry(entry, f"entry {number}") for number, entry in enumerate(cast("list[Any]", entries), 1)]


def _entry(entry: Any, place: str) -> When:
    if not isinstance(entry, dict):
        raise ConfigurationError(f"In the script, {place} is no JSON object.")
    rest = dict(cast("dict[str, Any]", entry))
    when, times = rest.pop("when", {}), rest.pop("times", 1)
    return When(_matcher(when, place), _answer(rest, place), times)


def _matcher(when: Mapping[str, Any], place: str) -> Matcher:
    unknown = set(when) - {"model", "text", "api"}
    if unknown:
        name = min(unknown)
        hint = did_you_mean(name, ["model", "text", "api"])
        raise ConfigurationError(f"In the script, {place} has an unknown condition {name!r}.", hint=hint)

    def matches(received: Received) -> bool:
        return (
            when.get("model", received.model) == received.model
            and when.get("api", received.api) == received.api
            and any(when.get("text", "") in text for _, text in received.messages)
        )

    return matches


def _answer(entry: dict[str, Any], place: str) -> Reply | Fault:
    if "fault" in entry:
        name = str(entry.pop("fault"))
        if name not in _FAULTS:
            hint = did_you_mean(name, _FAULTS)
            raise ConfigurationError(f"In the script, {place} names an unknown fault {name!r}.", hint=hint)
        then = entry.get("then")
        if isinstance(then, dict):
            entry["then"] = _answer(cast("dict[str, Any]", then), place)
        return _built(_FAULTS[name], entry, place)
    if "reply" not in entry:
        raise ConfigurationError(f"In the script, {place} has neither 'reply' nor 'fault'.")
    entry["content"] = entry.pop("reply")
    if "tool_calls" in entry:
        entry["tool_calls"] = tuple(_built(ToolCall, call, place) for call in entry["tool_calls"])
    if "usage" in entry:
        entry["usage"] = _built(Usage, entry["usage"], place)
    return _built(Reply, entry, place)


def _built(kind: type[Any], values: dict[str, Any], place: str) -> Any:
    known = [item.name for item in fields(kind)]
    for name in values:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigurationError(f"In the script, {place} has an unknown field {name!r}.", hint=hint)
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigurationError(f"In the script, {place} lacks a field: {error}.") from error
