"""What serves whom: `Release`, its arms, and one change of it on record.

A release says for one subject in one environment which arms there are and which slots each owns. Subjects are
prompts (`prompt:draft-reply`, arms are versions), routes (`route:answer`, arms are routes) and flags
(`flag:new-rules`, arms are `on`, `off` or names of variants).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from roadworthy.errors import InvalidInput
from roadworthy.records import Json, iso

SLOTS: Final = 10_000
Range: TypeAlias = tuple[int, int]
"""Slots from the first one up to, and without, the second."""

ON: Final = "on"
OFF: Final = "off"

_LIKE_ON_OR_OFF: Final = frozenset({"on", "off", "of", "true", "false"})
_FLAG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def prompt_subject(prompt_id: str) -> str:
    """The subject of a prompt's releases."""
    return f"prompt:{prompt_id}"


def route_subject(route: str) -> str:
    """The subject of what a route is switched to."""
    return f"route:{route}"


def flag_subject(flag: str) -> str:
    """The subject of a flag. Raises `InvalidInput` for what cannot name one."""
    if not _FLAG.fullmatch(flag):
        raise InvalidInput(
            f"{flag[:100]!r} cannot name a flag.",
            hint="Use small letters, digits and '-_.', at most 100 of them.",
        )
    return f"flag:{flag}"


def check_values(subject: str, values: Iterable[str]) -> None:
    """Refuse values of a flag that look like `on` or `off`. Raises `InvalidInput`.

    Code that asks for yes or no takes every variant for a yes, `false` too.
    """
    for value in values if subject.startswith("flag:") else ():
        if value.casefold() in _LIKE_ON_OR_OFF and value not in (ON, OFF):
            raise InvalidInput(
                f"{value!r} would be the name of a variant, and every variant but 'off' is on.",
                hint="Write on or off.",
            )


def named(subject: str) -> str:
    """A subject for people: `prompt 'draft-reply'`."""
    kind, _, name = subject.partition(":")
    return f"{kind} {name!r}"


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the things that may serve."""

    name: str
    """A version's label, a route, or a flag's value."""
    content_hash: str = ""
    """Of a prompt's version, what it truly is."""
    ranges: tuple[Range, ...] = ((0, SLOTS),)
    """The slots that it owns."""

    @property
    def key(self) -> tuple[str, str]:
        """What it is."""
        return self.name, self.content_hash

    @property
    def slots(self) -> int:
        """How many of the 10,000 slots it owns."""
        return sum(end - start for start, end in self.ranges)

    @property
    def share(self) -> float:
        """Its share of all keys, 0 to 1."""
        return self.slots / SLOTS


@dataclass(frozen=True, slots=True)
class Release:
    """What serves for one subject."""

    subject: str
    revision: int
    """The change that made it so; they count up within an environment."""
    arms: tuple[Arm, ...]
    salt: str
    """What keys are hashed with; one salt is one split, however its shares move."""

    @property
    def main(self) -> Arm:
        """The arm with the largest share."""
        return max(self.arms, key=lambda arm: arm.slots)

    def arm_at(self, slot: int) -> Arm:
        """The arm that owns a slot."""
        if len(self.arms) == 1:
            return self.arms[0]
        for arm in self.arms:
            if any(start <= slot < end for start, end in arm.ranges):
                return arm
        return self.main


class ChangeKind(StrEnum):
    """What a change did."""

    PROMOTE = "promote"
    """One arm serves everybody from then on."""
    OVERRIDE = "override"
    """A promotion or split without passing evaluations: an owner said so, with a reason."""
    ROLLBACK = "rollback"
    """What served before serves again."""
    SPLIT = "split"
    """Several arms share."""
    CLEAR = "clear"
    """The release is gone: the settings, or the code's default, say what serves."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What says that exactly this combination is good enough to serve."""

    experiment_id: str
    verdict: str
    """`pass`, `fail` or `inconclusive`; only the first lets a version serve."""
    at: str
    """When it was found, ISO 8601."""
    fingerprint: str
    """The combination: prompt, models, settings, evaluators, data set."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as it stays on record."""

    id: str
    environment: str
    subject: str
    revision: int
    kind: ChangeKind
    arms: tuple[Arm, ...]
    """What served from then on; nothing after a clear."""
    before: tuple[Arm, ...]
    """What served until then; of the first change what the settings said."""
    salt: str
    undoes: int | None
    """Of a rollback, the first change that it takes back; it takes back all since."""
    by: str
    by_name: str
    reason: str
    evidence: Mapping[str, Json] | None
    """The experiments that let it be, by label; None where none was asked for."""
    at: int
    """Milliseconds since 1970, UTC."""

    def as_json(self) -> dict[str, Json]:
        """For `--json` and the API."""
        return {
            "id": self.id,
            "revision": self.revision,
            "kind": self.kind.value,
            "arms": [arm_json(arm) for arm in self.arms],
            "before": [arm_json(arm) for arm in self.before],
            "by": self.by,
            "by_name": self.by_name,
            "reason": self.reason,
            "evidence": dict(self.evidence) if self.evidence is not None else None,
            "at": iso(self.at),
        }


def arm_json(arm: Arm) -> Json:
    """An arm for people and programs: its share in percent, not its slots."""
    return {"name": arm.name, "content_hash": arm.content_hash, "percent": arm.slots * 100 / SLOTS}


def pack_arms(arms: tuple[Arm, ...]) -> str:
    """Arms as they are stored."""
    return json.dumps([asdict(arm) for arm in arms], separators=(",", ":"))


def unpack_arms(text: str) -> tuple[Arm, ...]:
    """Arms that were stored."""
    stored: list[dict[str, Any]] = json.loads(text)
    return tuple(
        Arm(one["name"], one["content_hash"], tuple((start, end) for start, end in one["ranges"]))
        for one in stored
    )
