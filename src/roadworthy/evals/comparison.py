"""Two experiments case by case: which cases got worse or better, and whether chance explains it.

One answer a case: mid-p McNemar for whether there is a difference, Tango's interval for how large it is.
Several answers a case: the paired bootstrap over cases.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from roadworthy.evals.statistics import Interval, cases_needed, mcnemar, paired_bootstrap, tango
from roadworthy.records import Json

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """How the second of two differs from the first, over the cases that both have unchanged."""

    cases: int
    """Cases that both judged."""
    before: float
    after: float
    """The shares that passed, 0 to 1."""
    worse: tuple[str, ...]
    """Cases that passed less often than before, the worst first."""
    better: tuple[str, ...]
    lower: float
    upper: float
    """The two-sided 95% interval of `after - before`."""
    p_value: float
    """How probable so large a difference is if there is none."""
    method: str
    needs_more: int | None = None
    """About how many cases more would tell, where chance may explain the difference."""
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Cases that are not what they were, and are not compared."""

    @property
    def significant(self) -> bool:
        """Whether chance does not explain it."""
        return self.p_value < 1 - CONFIDENCE

    def told(self) -> str:
        """In a sentence."""
        if not self.cases:
            return "No case is the same as before, so that nothing can be compared."
        if not self.worse and not self.better:
            return f"All {self.cases} cases that both have came out as before."
        said = (
            f"{len(self.worse)} of {self.cases} cases are worse and {len(self.better)} better: "
            f"{self.after - self.before:+.1%} "
            f"({self.lower:+.1%} to {self.upper:+.1%}, p = {self.p_value:.3f})"
        )
        if self.significant or self.needs_more is None:
            return f"{said}."
        return f"{said}; chance may explain it, about {self.needs_more:,} cases more would tell."

    def as_json(self) -> dict[str, Json]:
        """For records and reports."""
        told: dict[str, Json] = {
            name: getattr(self, name)
            for name in ("cases", "before", "after", "lower", "upper", "p_value", "method", "needs_more")
        }
        lists = ("worse", "better", "only_before", "only_after", "changed")
        return {**told, **{name: list(getattr(self, name)) for name in lists}}


def compared(
    before: Mapping[str, float],
    after: Mapping[str, float],
    hashes_before: Mapping[str, str],
    hashes_after: Mapping[str, str],
) -> Difference:
    """The difference between two sets of cases' pass shares; only cases with the same content count."""
    both = [case_id for case_id in after if case_id in before]
    changed = tuple(one for one in both if hashes_before.get(one) != hashes_after.get(one))
    same = [one for one in both if one not in set(changed)]
    deltas = {one: after[one] - before[one] for one in same}
    worse = sorted((one for one in same if deltas[one] < 0), key=lambda one: deltas[one])
    better = sorted((one for one in same if deltas[one] > 0), key=lambda one: -deltas[one])
    interval, p_value, method, needs = Interval(-1.0, 1.0), 1.0, "", None
    if same and all(share in (0, 1) for one in same for share in (before[one], after[one])):
        method = "mid-p McNemar, Tango's interval"
        p_value = mcnemar(len(better), len(worse))
        interval = tango(len(better), len(worse), len(same), confidence=CONFIDENCE)
    elif len(same) > 1:
        method = "paired bootstrap over cases"
        shares = [[before[one]] for one in same], [[after[one]] for one in same]
        booted = paired_bootstrap(*shares, confidence=CONFIDENCE)
        interval, p_value = booted.interval or interval, booted.p
    mean = sum(deltas.values()) / len(same) if same else 0.0
    differs = (len(worse) + len(better)) / len(same) if same else 0.0
    wanted = cases_needed(differs, mean)
    if wanted is not None and p_value >= 1 - CONFIDENCE:
        needs = max(1, wanted - len(same))
    return Difference(
        cases=len(same),
        before=sum(before[one] for one in same) / len(same) if same else 0.0,
        after=sum(after[one] for one in same) / len(same) if same else 0.0,
        worse=tuple(worse),
        better=tuple(better),
        lower=interval.low,
        upper=interval.high,
        p_value=p_value,
        method=method,
        needs_more=needs,
        only_before=tuple(one for one in before if one not in after),
        only_after=tuple(one for one in after if one not in before),
        changed=changed,
    )
