"""What the settings of evaluators share: `Common`, and `Wanting` for those that compare with something."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from roadworthy.evals.case import Case, digest
from roadworthy.evals.evaluators.values import MISSING, found
from roadworthy.settings.model import Section
from roadworthy.settings.rules import RuleError


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise RuleError("must be what JSON can say; a date or time stands in quotes") from None
    return value


Value = Annotated[Any, AfterValidator(_json)]
"""What JSON can say."""
Share = Annotated[float, Field(ge=0, le=1)]
Characters = Annotated[str, Field(min_length=1)]


class Common(Section):
    """`[[evaluators]]`: what every kind takes."""

    model_config = ConfigDict(defer_build=True)  # 100 ms that a process without evals should not pay

    name: str = ""
    """How reports call it. Left out, its kind and its field."""
    field: str = ""
    """Where in the output it looks, such as `message` or `lines.0.amount`. Left out, at all of it."""
    tags: list[str] = Field(default_factory=list[str])
    """It judges only cases with one of these tags. Empty: all cases."""
    category: str = ""
    """What kind of failure its no is, in a few words. Left out, its name or what it saw."""
    informs: bool = False
    """Whether its no is told without failing the case."""

    @property
    def title(self) -> str:
        """How reports call it."""
        kind: str = getattr(self, "kind", "")
        return self.name or (f"{kind} {self.field}" if self.field else kind)

    @property
    def settings_hash(self) -> str:
        """Changes with any of its settings but the words that people read."""
        return digest(self.model_dump(mode="json", exclude={"category"}, exclude_defaults=True))


class Wanting(Common):
    """What those take that compare with an expectation."""

    value: Value = None
    """What is expected of every case. Left out, what the case's `expected` has."""
    expected_field: str | None = None
    """Where in the case's `expected` that stands; empty for all of it. Left out, where `field` is."""

    def wanted(self, case: Case) -> Any:
        """What is expected of a case; `MISSING` where nothing is."""
        if self.value is not None:
            return self.value
        if case.expected is None:
            return MISSING
        return found(case.expected, self.field if self.expected_field is None else self.expected_field)
