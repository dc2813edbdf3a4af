"""`Plain`: what the evaluators of this folder are made of, so that each file holds only how it judges."""

from typing import Generic, TypeVar

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Score
from roadworthy.evals.evaluators.settings import Common

S = TypeVar("S", bound=Common)


class Plain(Generic[S]):
    """An evaluator with its settings; subclasses have `score`, and may have more to say in `applies`."""

    def __init__(self, settings: S, *, revision: int = 1, made_of: str = "") -> None:
        kind: str = getattr(settings, "kind", "")
        self.settings = settings
        self.name = settings.title
        self.version = f"{kind}:{revision}:{settings.settings_hash[:32]}{made_of and f':{made_of}'}"
        self.blocks = not settings.informs
        self.judges_failures = False
        self._tags = frozenset(settings.tags)

    def applies(self, case: Case) -> bool:
        """Whether the case has one of its tags."""
        return not self._tags or not self._tags.isdisjoint(case.tags)

    def yes(self, value: float | None = None, reason: str = "") -> Score:
        """It passed."""
        return Score(self.name, True, value, "", reason, False, not self.blocks)

    def no(self, reason: str, *, value: float | None = None, category: str = "") -> Score:
        """It failed; the settings' own category is told before the one that was seen."""
        kind = self.settings.category or category or self.name
        return Score(self.name, False, value, kind, reason, False, not self.blocks)

    def says(self, value: float | None = None, reason: str = "", label: str = "") -> Score:
        """It told something, and said neither yes nor no."""
        return Score(self.name, None, value, "", reason, False, not self.blocks, label=label)

    def cannot(self, reason: str) -> Score:
        """It could not judge."""
        return Score(
            self.name, None, None, self.settings.category or self.name, reason, True, not self.blocks
        )

    def rated(self, value: float, at_least: float | None, reason: str, *, category: str = "") -> Score:
        """A number, which decides where there is a least one."""
        if at_least is None:
            return self.says(value, reason)
        if value >= at_least:
            return self.yes(value, reason)
        said = f"{value:.3g}, at least {at_least:g} is asked for"
        return self.no(f"{said}: {reason}" if reason else said, value=value, category=category)
