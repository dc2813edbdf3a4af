"""What a person needs to give the answer that no model gave: `Question`, as it is stored with the item.

It holds what was sent to the models and what they answered: content, for whoever opens the item and no list.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from roadworthy.calls.fit import faults
from roadworthy.errors import RoadworthyError
from roadworthy.records import Json

if TYPE_CHECKING:
    from roadworthy.calls.attempt import Attempt
    from roadworthy.calls.call import Skip


@dataclass(frozen=True, slots=True)
class Said:
    """What one request to a model came to, or why there was none."""

    model: str
    """Its name in the settings."""
    status: str
    """How the attempt ended: `invalid`, `failed`, …; `skipped` where the model was not asked."""
    text: str | None = None
    """What the model said; None when it said nothing."""
    error_kind: str | None = None
    error: str | None = None
    """What was wrong, in our words."""

    @classmethod
    def of(cls, attempt: "Attempt", scrub: Callable[[str], str]) -> "Said":
        """From an attempt that has ended; `scrub` removes secrets from the words of its failure."""
        error = attempt.error
        words = error.message if isinstance(error, RoadworthyError) else f"{type(error).__name__}: {error}"
        return cls(
            model=attempt.target.name,
            status=attempt.status.value,
            text=attempt.response.text if attempt.response is not None else None,
            error_kind=attempt.error_kind,
            error=scrub(words) if error is not None else None,
        )

    @classmethod
    def not_asked(cls, skip: "Skip") -> "Said":
        """From a model, or another rung, that was passed over."""
        return cls(skip.name, "skipped", error_kind=str(skip.kind), error=skip.why)


@dataclass(frozen=True, slots=True)
class Question:
    """What the models were asked, what they said, and what form the answer has to have."""

    messages: tuple[tuple[str, str], ...]
    """Role and text of each message, as rendered."""
    inputs: Json
    """The prompt's inputs by name."""
    schema: dict[str, Any] | None
    """The JSON schema of the answer as the models were given it; None for plain text."""
    said: tuple[Said, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        messages: Sequence[tuple[str, str]],
        inputs: Json,
        schema: dict[str, Any] | None,
        attempts: Sequence["Attempt"],
        skipped: Sequence["Skip"] = (),
        scrub: Callable[[str], str],
    ) -> "Question":
        """From a call that ended without an answer: its attempts, which are over, and what was not asked."""
        said = [Said.of(attempt, scrub) for attempt in attempts] + [Said.not_asked(skip) for skip in skipped]
        return cls(tuple((role, text) for role, text in messages), inputs, schema, tuple(said))

    def as_json(self) -> dict[str, Json]:
        """For storage; half characters, which models and inputs may contain, are replaced."""
        made = {
            "messages": [{"role": role, "text": text} for role, text in self.messages],
            "inputs": self.inputs,
            "schema": self.schema,
            "said": [asdict(one) for one in self.said],
        }
        return json.loads(json.dumps(made, ensure_ascii=False).encode(errors="replace"))

    @classmethod
    def from_json(cls, stored: Json) -> "Question":
        """The reverse of `as_json`."""
        value = cast("dict[str, Any]", stored)
        return cls(
            tuple((one["role"], one["text"]) for one in value["messages"]),
            value["inputs"],
            value["schema"],
            tuple(Said(**one) for one in value["said"]),
        )

    def faults(self, answer: Json) -> list[str]:
        """What keeps `answer` from being the one that is asked for, as far as the schema tells."""
        if self.schema is not None:
            return faults(answer, self.schema)
        if not isinstance(answer, str):
            return ["the answer must be text"]
        return [] if answer.strip() else ["the answer is empty"]
