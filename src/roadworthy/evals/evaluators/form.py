"""`schema`, `not_empty` and `length`: what form an output has."""

import json
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, model_validator

from roadworthy.calls.fit import faults
from roadworthy.calls.unchecked import unchecked
from roadworthy.errors import ConfigurationError
from roadworthy.evals.case import Case, digest
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Common
from roadworthy.evals.evaluators.values import MISSING, found, shown, text_of
from roadworthy.evals.target import Outcome
from roadworthy.settings.rules import PathText, RuleError


class SchemaSettings(Common):
    """`kind = "schema"`: fits a JSON schema. A schema with keywords that are not checked is refused."""

    kind: Literal["schema"]
    """Which evaluator."""
    json_schema: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The schema, as a table."""
    file: PathText | None = None
    """The JSON file that holds it, relative to the suite's folder; instead of `json_schema`."""

    @model_validator(mode="after")
    def _one_schema(self) -> "SchemaSettings":
        if bool(self.json_schema) == (self.file is not None):
            raise RuleError("must have either 'json_schema' or 'file'")
        return self

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings. Raises `ConfigurationError` for a loose schema."""
        schema = self.json_schema if self.file is None else _read(workshop.folder / self.file)
        loose = unchecked(schema)
        if loose is not None:
            raise ConfigurationError(
                f"The schema of evaluator {self.title!r} has {loose}, which is not checked.",
                hint="Write it without, or check that with an evaluator of kind 'python'.",
            )
        return _Schema(self, schema)


def _read(path: Path) -> dict[str, Any]:
    try:
        schema: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"The schema {str(path)!r} cannot be read: {error}.") from error
    if not isinstance(schema, dict):
        raise ConfigurationError(f"The schema {str(path)!r} is no JSON object.")
    return cast("dict[str, Any]", schema)


class _Schema(Plain[SchemaSettings]):
    def __init__(self, settings: SchemaSettings, schema: dict[str, Any]) -> None:
        super().__init__(settings, made_of=digest(schema)[:16])
        self._schema = schema

    def score(self, case: Case, outcome: Outcome) -> Score:
        del case
        value = found(outcome.output, self.settings.field)
        if value is MISSING:
            return self.no("there is nothing")
        wrong = faults(value, self._schema)
        return self.no("; ".join(wrong[:3])[:500]) if wrong else self.yes()


class NotEmptySettings(Common):
    """`kind = "not_empty"`: there is something: a text with more than spaces, a list or object with items."""

    kind: Literal["not_empty"]
    """Which evaluator."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _NotEmpty(self)


class _NotEmpty(Plain[NotEmptySettings]):
    def score(self, case: Case, outcome: Outcome) -> Score:
        del case
        value = found(outcome.output, self.settings.field)
        empty = value is MISSING or value is None or value in ([], {})
        if empty or (isinstance(value, str) and not value.strip()):
            return self.no(f"it is empty: {shown(value)}")
        return self.yes()


class LengthSettings(Common):
    """`kind = "length"`: how long a text is, or how many items a list or object has."""

    kind: Literal["length"]
    """Which evaluator."""
    unit: Literal["characters", "words", "items"] = "characters"
    """What is counted. `items` is for lists and objects, the others are for text."""
    at_least: int | None = Field(default=None, ge=0)
    """The fewest."""
    at_most: int | None = Field(default=None, ge=0)
    """The most."""

    @model_validator(mode="after")
    def _some_limit(self) -> "LengthSettings":
        if self.at_least is None and self.at_most is None:
            raise RuleError("must have 'at_least' or 'at_most'")
        return self

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Length(self)


class _Length(Plain[LengthSettings]):
    def score(self, case: Case, outcome: Outcome) -> Score:
        del case
        unit, length = self.settings.unit, self._length(found(outcome.output, self.settings.field))
        if length is None:
            return self.no(f"it has no {unit}")
        if self.settings.at_least is not None and length < self.settings.at_least:
            said = f"{length:,} {unit}, at least {self.settings.at_least:,} are asked for"
            return self.no(said, value=length, category="too short")
        if self.settings.at_most is not None and length > self.settings.at_most:
            said = f"{length:,} {unit}, at most {self.settings.at_most:,} are allowed"
            return self.no(said, value=length, category="too long")
        return self.yes(length)

    def _length(self, value: Any) -> int | None:
        if self.settings.unit == "items":
            return len(cast("list[Any]", value)) if isinstance(value, list | dict) else None
        text = text_of(value)
        if text is None:
            return None
        return len(text) if self.settings.unit == "characters" else len(text.split())
