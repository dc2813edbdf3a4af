"""What a person sees of an answer that is to be decided on, or was: `Held`, as it is stored with the item."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from roadworthy.calls.fit import faults
from roadworthy.records import Json
from roadworthy.review.verdict import same


@dataclass(frozen=True, slots=True)
class Held:
    """An answer, the evidence for it, and what is known of it."""

    value: Json
    """The answer, as a model would have said it."""
    schema: dict[str, Any] | None
    """Its JSON schema; None for plain text."""
    evidence: Json
    """A list of texts or objects, as the workflow gave them."""
    because: str
    """Why a person is asked, or what the rule decided by."""
    verdict: str = ""
    """What the rule decided; empty while nothing is decided."""
    confidence: float | None = None
    proceed: float | None = None
    reject: float | None = None
    """The bands that held."""
    rung: str = ""
    model: str = ""
    checks: tuple[str, ...] = ()
    """The project's own checks that the answer has passed, besides its form."""

    def as_json(self) -> dict[str, Json]:
        """For storage; half characters, which models and evidence may contain, are replaced."""
        made = {**asdict(self), "checks": list(self.checks)}
        return json.loads(json.dumps(made, ensure_ascii=False).encode(errors="replace"))

    @classmethod
    def from_json(cls, stored: Json) -> "Held":
        """The reverse of `as_json`."""
        value: dict[str, Any] = dict(cast("Mapping[str, Any]", stored))
        value["checks"] = tuple(value["checks"])
        return cls(**value)

    def faults(self, edited: Json) -> list[str]:
        """What keeps an edited value from standing in the answer's place, as far as the schema tells."""
        if self.schema is not None:
            return faults(edited, self.schema)
        if not isinstance(edited, str):
            return ["the answer must be text"]
        return [] if edited.strip() else ["the answer is empty"]

    def is_same(self, edited: Json) -> bool:
        """Whether an edit changes nothing."""
        return same(edited, self.value)


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One piece of evidence, for people."""

    title: str
    url: str
    text: str
    rest: Json
    """What else it says; None when nothing."""


def exhibits(evidence: Json) -> list[Exhibit]:
    """Evidence for people: title, address and text apart where an object has such fields."""
    given: Sequence[Json] = evidence if isinstance(evidence, list) else [] if evidence is None else [evidence]
    return [_exhibit(one) for one in given]


def _exhibit(one: Json) -> Exhibit:
    if isinstance(one, str):
        return Exhibit("", "", one, None)
    if not isinstance(one, dict):
        return Exhibit("", "", "", one)
    rest = dict(one)
    told = {name: _taken(rest, name) for name in ("title", "url", "text")}
    return Exhibit(**told, rest=cast("Json", rest) or None)


def _taken(rest: dict[str, Json], name: str) -> str:
    return str(rest.pop(name)) if isinstance(rest.get(name), str) else ""
