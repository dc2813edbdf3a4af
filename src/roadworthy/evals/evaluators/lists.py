"""`list`: items in their order, such as the ranked ids that a search gave back."""

from typing import Any, Literal

from pydantic import Field

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators import ranks
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Share, Wanting
from roadworthy.evals.evaluators.values import found, items_of, keys_of, shown
from roadworthy.evals.target import Outcome

_NO_KEY = "\0nothing"


class ListSettings(Wanting):
    """`kind = "list"`: the items of a list against the expected ones, in order, or how good a ranking is."""

    kind: Literal["list"]
    """Which evaluator."""
    measure: Literal["exact", "prefix", "edits", "recall", "precision", "reciprocal_rank", "ndcg"] = "exact"
    """`exact`: the same items. `prefix`: it begins with the expected ones. `edits`: the share that needs no
    edit. For rankings, where the order of what is expected does not count: `recall` and `precision` of the
    first `k`, `reciprocal_rank` of the first expected item, `ndcg`, where `expected` may be a table of grades
    by id."""
    k: int | None = Field(default=None, ge=1)
    """So many items of the output count. Left out, all of them."""
    at_least: Share | None = 1.0
    """From which on it passes, 0 to 1."""
    item_field: str = ""
    """Where in each item stands what is compared, such as `id`. Left out, all of it."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _List(self)


class _List(Plain[ListSettings]):
    def applies(self, case: Case) -> bool:
        return super().applies(case) and self._grades(case) is not None

    def score(self, case: Case, outcome: Outcome) -> Score:
        value = found(outcome.output, self.settings.field)
        given, grades = items_of(value), self._grades(case) or []
        if given is None:
            return self.rated(0.0, self.settings.at_least, f"there is no list: {shown(value)}")
        got = [key or _NO_KEY for key in keys_of(given[: self.settings.k], self.settings.item_field)]
        wanted = [key for key, _ in grades]
        rated = ranks.rate(self.settings.measure, got, wanted, dict(grades), self.settings.k)
        reason = "" if rated == 1 else f"expected {_told(wanted)}, got {_told(got)}"
        return self.rated(rated, self.settings.at_least, reason)

    def _grades(self, case: Case) -> list[tuple[str, float]] | None:
        """What is expected, each with its grade; None where nothing is."""
        wanted: Any = self.settings.wanted(case)
        if isinstance(wanted, dict):
            named = ranks.grades(wanted)
            return list(named.items()) if self.settings.measure == "ndcg" and named is not None else None
        items = items_of(wanted)
        if items is None:
            return None
        bare = not all(isinstance(one, dict) for one in items)
        path = "" if bare else self.settings.item_field
        return [(key or _NO_KEY, 1.0) for key in keys_of(items, path)]


def _told(keys: list[str]) -> str:
    return shown([key.removeprefix("\0") for key in keys])
