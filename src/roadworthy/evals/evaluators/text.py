"""`contains` and `regex`: what a text has to hold, or must not."""

import re
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, field_validator
from pydantic_core import SchemaError

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Characters, Common, Wanting
from roadworthy.evals.evaluators.values import found, shown, text_of, texts_of, whole
from roadworthy.evals.target import Outcome
from roadworthy.settings.rules import RuleError


class ContainsSettings(Wanting):
    """`kind = "contains"`: texts that have to occur.

    Without `all`, `any` and `none`, those that the case expects: a text, or a list of them.
    """

    kind: Literal["contains"]
    """Which evaluator."""
    all: list[Characters] = Field(default_factory=list[str])
    """Each of them has to occur."""
    any: list[Characters] = Field(default_factory=list[str])
    """One of them has to occur."""
    none: list[Characters] = Field(default_factory=list[str])
    """None of them may occur."""
    case_sensitive: bool = False
    """Whether capital letters matter."""
    words: bool = False
    """Whether only whole words count: `art` does not occur in `party`."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Contains(self)


class _Contains(Plain[ContainsSettings]):
    def __init__(self, settings: ContainsSettings) -> None:
        super().__init__(settings)
        self._fixed = bool(settings.all or settings.any or settings.none)

    def applies(self, case: Case) -> bool:
        return super().applies(case) and (self._fixed or bool(self._expected(case)))

    def score(self, case: Case, outcome: Outcome) -> Score:
        text = text_of(found(outcome.output, self.settings.field))
        if text is None:
            return self.no("there is no text")
        text = self._folded(text)
        every = self.settings.all if self._fixed else self._expected(case)
        missing = [one for one in every if not self._occurs(one, text)]
        if missing:
            return self.no(f"does not contain {shown(missing[0])}" + _more(missing), category="missing text")
        wrong = [one for one in self.settings.none if self._occurs(one, text)]
        if wrong:
            return self.no(f"contains {shown(wrong[0])}" + _more(wrong), category="unwanted text")
        if self.settings.any and not any(self._occurs(one, text) for one in self.settings.any):
            return self.no(f"contains none of {shown(self.settings.any)}", category="missing text")
        return self.yes()

    def _expected(self, case: Case) -> list[str]:
        return [one for one in texts_of(self.settings.wanted(case)) if one]

    def _folded(self, text: str) -> str:
        return text if self.settings.case_sensitive else text.casefold()

    def _occurs(self, part: str, text: str) -> bool:
        part = self._folded(part)
        return _word(part).search(text) is not None if self.settings.words else part in text


@lru_cache(maxsize=4096)
def _word(part: str) -> re.Pattern[str]:
    """A text that does not go on to the left or right with a letter or digit."""
    before = r"(?<![^\W_])" if part[0].isalnum() else ""
    return re.compile(before + re.escape(part) + (r"(?![^\W_])" if part[-1].isalnum() else ""))


def _more(texts: list[str]) -> str:
    return f" and {len(texts) - 1} more" if len(texts) > 1 else ""


def _adapter(pattern: str) -> TypeAdapter[str]:
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


class RegexSettings(Common):
    """`kind = "regex"`: a pattern that has to match somewhere in a text. No text makes the search slow."""

    kind: Literal["regex"]
    """Which evaluator."""
    pattern: Characters
    """In the syntax of Rust's `regex`: as Python's, with `(?i)` and `\\b`, without look-around and
    back-references. `^…$` is the whole text."""
    matches: bool = True
    """Whether it has to match; false: it must not."""

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str) -> str:
        try:
            _adapter(pattern)
        except SchemaError:
            raise RuleError(
                "must be a pattern that is searched in linear time: no look-around, no back-references"
            ) from None
        return pattern

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Regex(self)


class _Regex(Plain[RegexSettings]):
    def __init__(self, settings: RegexSettings) -> None:
        super().__init__(settings)
        self._check = _adapter(settings.pattern).validate_python

    def score(self, case: Case, outcome: Outcome) -> Score:
        del case
        text = text_of(found(outcome.output, self.settings.field))
        if text is None:
            return self.no("there is no text")
        try:
            self._check(whole(text))
        except ValidationError:
            fits = False
        else:
            fits = True
        if fits is self.settings.matches:
            return self.yes()
        said = "matches" if fits else "does not match"
        return self.no(f"{shown(text)} {said} {shown(self.settings.pattern)}")
