"""What people say of a held answer, and what follows when several are asked: `settle`.

first verdict of two asked ──► nothing yet; nobody is shown it who has not given their own
two that agree             ──► decided
two that disagree          ──► a third person, of the next role, decides alone
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from roadworthy.db.payloads import canonical
from roadworthy.errors import InvalidInput
from roadworthy.records import Json, iso


class Choice(StrEnum):
    """What a person says of a held answer."""

    APPROVE = "approve"
    """It stands as it is."""
    EDIT = "edit"
    """It stands as the person changed it."""
    REJECT = "reject"
    """It does not stand; the note says why."""


def choice_of(verdict: Choice | str) -> Choice:
    """The verdict of this name. Raises `InvalidInput`."""
    try:
        return Choice(verdict)
    except ValueError:
        known = ", ".join(repr(one.value) for one in Choice)
        raise InvalidInput(f"A verdict is one of {known}.") from None


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's verdict."""

    by_id: str
    by_name: str
    choice: Choice
    value: Json
    """The edited value; None unless it is an edit."""
    note: str
    at: int

    def agrees_with(self, other: "Vote") -> bool:
        """Whether both want the same to happen."""
        return self.choice is other.choice and same(self.value, other.value)

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        return {
            "by": self.by_name,
            "verdict": self.choice.value,
            "value": self.value,
            "note": self.note,
            "at": iso(self.at),
        }


def settle(before: Sequence[Vote], said: Vote, people: int) -> Literal["decided", "wait", "disputed"]:
    """What one more verdict leads to, where so many people have to agree."""
    if people <= 1 or sum(said.agrees_with(one) for one in before) + 1 >= people:
        return "decided"
    return "wait" if all(said.agrees_with(one) for one in before) else "disputed"


def same(value: Json, other: Json) -> bool:
    """Whether two values are the same JSON, whatever the order of keys; 1 is 1.0, and not true."""
    return canonical(_plain(value)) == canonical(_plain(other))


def _plain(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
