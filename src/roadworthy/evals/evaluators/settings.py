"""What the settings of all evaluators share, and how a value is found in an output: `Common`, `found`."""

from typing import Any, Final, cast

from pydantic import Field

from roadworthy.evals.case import Case, digest
from roadworthy.settings.model import Section

MISSING: Final = object()
"""There is nothing at that place."""


class Common(Section):
    """`[[evaluators]]`: how an outcome is judged."""

    name: str = ""
    """How reports call it. Left out, its kind and its field."""
    field: str = ""
    """Where in the output it looks, such as `message` or `lines.0.amount`. Left out, at all of it."""
    tags: list[str] = Field(default_factory=list[str])
    """It judges only cases with one of these tags. Empty: all cases."""
    category: str = ""
    """What kind of failure its no is, in a few words. Left out, its name."""
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
        return digest(self.model_dump(mode="json", exclude={"category"}))

    def concerns(self, case: Case) -> bool:
        """Whether a case has one of its tags."""
        return not self.tags or any(tag in case.tags for tag in self.tags)


def found(value: Any, path: str) -> Any:
    """What stands at a dotted path in JSON; `MISSING` when nothing does. An empty path is all of it."""
    for part in path.split(".") if path else ():
        if isinstance(value, dict) and part in value:
            value = cast("dict[str, Any]", value)[part]
        elif isinstance(value, list) and part.lstrip("-").isdigit():
            items, place = cast("list[Any]", value), int(part)
            value = items[place] if -len(items) <= place < len(items) else MISSING
        else:
            return MISSING
    return value
