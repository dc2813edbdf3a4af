"""One entry of the log: the record, and the text of it that is hashed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from roadworthy.records import Json, iso

_LONGEST_TEXT = 300
_LONGEST_DETAIL = 4_000


class Outcome(StrEnum):
    """What came of it."""

    DONE = "done"
    """It was done."""
    REFUSED = "refused"
    """It was not done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who did what to what. The fields of the chain are empty until it is appended."""

    seq: int = 0
    """Its place in the log: 1, 2, 3, without gaps."""
    id: str
    at: int
    """When, in milliseconds since 1970."""
    environment: str
    actor_kind: str
    actor: str
    """The id of who acted."""
    actor_name: str
    action: str
    subject: str = ""
    """The id of what it was done to."""
    workflow: str = ""
    tenant: str = ""
    outcome: str = Outcome.DONE.value
    request_id: str = ""
    detail: str = "{}"
    """What else is to be known of it, as JSON: ids, counts and states, never what people or models wrote."""
    algorithm: str = ""
    """How `hash` is made."""
    key_id: str = ""
    """Which key signed it; empty for none."""
    prev_hash: str = ""
    hash: str = ""

    def with_detail(self, detail: Mapping[str, Json], scrub: Callable[[str], str]) -> "Entry":
        """The same entry with another detail, which its transaction found out."""
        return replace(self, detail=detail_text(detail, scrub))

    def as_json(self) -> dict[str, Json]:
        """For `--json`: the time as ISO 8601, the detail as an object."""
        made: dict[str, Json] = asdict(self)
        return {**made, "at": iso(self.at), "detail": json.loads(self.detail)}


COLUMNS: tuple[str, ...] = tuple(Entry.__dataclass_fields__)
_HASHED = sorted(name for name in COLUMNS if name != "hash")
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=repr)


def canonical(values: Mapping[str, Any]) -> bytes:
    """What is hashed: every field but `hash`, as JSON with sorted keys, without spaces, in ASCII."""
    return _ENCODER.encode({name: values[name] for name in _HASHED}).encode()


def storable(text: str) -> str:
    """Text that every database gives back as it was: no NUL, no half characters, 300 characters at most."""
    return text[:_LONGEST_TEXT].encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def detail_text(detail: Mapping[str, Json], scrub: Callable[[str], str]) -> str:
    """The detail as it is stored: without secrets, bounded, in one spelling."""
    text = json.dumps(_clean(dict(detail), scrub), sort_keys=True, separators=(",", ":"))
    if len(text) > _LONGEST_DETAIL:
        text = json.dumps({"cut": len(text)})
    return text


def _clean(value: Json, scrub: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return storable(scrub(value[:_LONGEST_DETAIL]))
    if isinstance(value, dict):
        return {storable(scrub(name)): _clean(one, scrub) for name, one in value.items()}
    return [_clean(one, scrub) for one in value] if isinstance(value, list) else value
