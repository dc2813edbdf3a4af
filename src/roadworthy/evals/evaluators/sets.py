"""`set`: which of the expected items are there, whatever their order; each counts once."""

from typing import Any, Literal

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Share, Wanting
from roadworthy.evals.evaluators.values import found, items_of, keys_of, shown
from roadworthy.evals.target import Outcome


class SetSettings(Wanting):
    """`kind = "set"`: the items of a list against the expected ones, without order."""

    kind: Literal["set"]
    """Which evaluator."""
    measure: Literal["exact", "precision", "recall", "f1"] = "exact"
    """`exact`: the same items. `precision`: the share of items that are expected. `recall`: the share of
    expected items that are there. `f1`: the harmonic mean of both. Nothing where nothing is expected: 1."""
    at_least: Share | None = 1.0
    """From which on it passes, 0 to 1."""
    item_field: str = ""
    """Where in each item stands what is compared, such as `id`. Left out, all of it."""
    ignore_case: bool = False
    """Whether capital letters in texts do not matter."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Set(self)


class _Set(Plain[SetSettings]):
    def applies(self, case: Case) -> bool:
        return super().applies(case) and items_of(self.settings.wanted(case)) is not None

    def score(self, case: Case, outcome: Outcome) -> Score:
        given = items_of(found(outcome.output, self.settings.field))
        if given is None:
            got = found(outcome.output, self.settings.field)
            return self.rated(0.0, self.settings.at_least, f"there is no list: {shown(got)}")
        got = self._keys(given, self.settings.item_field)
        expected = items_of(self.settings.wanted(case)) or []
        bare = not all(isinstance(one, dict) for one in expected)
        wanted = self._keys(expected, "" if bare else self.settings.item_field)
        missing, extra = wanted - got, got - wanted
        value = measure(len(wanted & got), len(got), len(wanted))[self.settings.measure]
        said = [f"missing {_told(missing)}"] if missing else []
        said += [f"not expected {_told(extra)}"] if extra else []
        category = "missing items" if missing else "unexpected items"
        return self.rated(value, self.settings.at_least, "; ".join(said), category=category)

    def _keys(self, items: list[Any], path: str) -> set[str | None]:
        return set(keys_of(items, path, ignore_case=self.settings.ignore_case))


def measure(common: int, got: int, wanted: int) -> dict[str, float]:
    """Each measure of two sets, from how many items they have, and have in common; 0 to 1."""
    precision = common / got if got else float(not wanted)
    recall = common / wanted if wanted else float(not got)
    f1 = 2 * common / (got + wanted) if got + wanted else 1.0
    return {"exact": float(common == got == wanted), "precision": precision, "recall": recall, "f1": f1}


def _told(keys: set[str | None]) -> str:
    names = sorted(shown((key or "nothing").removeprefix("\0")) for key in keys)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
