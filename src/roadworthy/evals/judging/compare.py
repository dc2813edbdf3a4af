"""A judge against people, on the same outputs: `compare`.

Agreement counts each labelled output. The corrected share counts each case once, however often it was
repeated, and takes the labelled cases as drawn at random from all that the judge judged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from roadworthy.errors import InvalidInput
from roadworthy.evals.experiment import Result
from roadworthy.evals.judging.labels import Key
from roadworthy.evals.statistics import Agreement, Corrected, agreement, corrected_rate
from roadworthy.records import Json

_FURTHEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Compared:
    """What people's labels say of one judge."""

    name: str
    version: str
    agreement: Agreement
    judged_cases: int
    """Cases of which the judge said yes or no."""
    raw_share: float
    """Of these, the share that it passed."""
    corrected: Corrected
    """The share that people would have found."""
    silent: int
    """Labelled outputs of which it said neither yes nor no."""

    def labels_until(self, wanted: float) -> int | None:
        """About how many labels more show on which side of `wanted` the corrected share lies.

        0 when that is shown already, None when no sensible number would do.
        """
        distance = abs(self.corrected.value - wanted)
        half = self.corrected.interval.half_width
        if wanted not in self.corrected.interval:
            return 0
        labels = self.corrected.labels
        needed = math.ceil(labels * (half / distance) ** 2) if distance else _FURTHEST
        return None if needed >= _FURTHEST else max(1, needed - labels)

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        its, kappa, corrected = self.agreement, self.agreement.kappa, self.corrected
        return {
            "judge": self.name,
            "version": self.version,
            "labels": its.cases,
            "silent": self.silent,
            "both_passed": its.both_yes,
            "judge_only_passed": its.judge_only,
            "people_only_passed": its.people_only,
            "both_failed": its.both_no,
            "kappa": kappa.value,
            "kappa_interval": [kappa.interval.low, kappa.interval.high] if kappa.interval else None,
            "sensitivity": its.sensitivity,
            "sensitivity_interval": [its.sensitivity_interval.low, its.sensitivity_interval.high],
            "specificity": its.specificity,
            "specificity_interval": [its.specificity_interval.low, its.specificity_interval.high],
            "bias_points": its.bias_points,
            "judged_cases": self.judged_cases,
            "raw_share": self.raw_share,
            "corrected_share": corrected.value,
            "corrected_interval": [corrected.interval.low, corrected.interval.high],
            "label_worth": corrected.worth,
            "note": corrected.note,
        }


def compare(name: str, version: str, results: Sequence[Result], labels: Mapping[Key, bool]) -> Compared:
    """A judge's word in the results of an experiment, against people's.

    Raises `InvalidInput` where it judged none of the labelled outputs.
    """
    said = words_of(name, results)
    both = [key for key in labels if key in said]
    if not both:
        raise InvalidInput(
            f"{name!r} judged none of the {len(labels)} labelled outputs.",
            hint="Label outputs of cases that it applies to.",
        )
    return Compared(
        name,
        version,
        agreement([said[key] for key in both], [labels[key] for key in both]),
        judged_cases=len({case for case, _ in said}),
        raw_share=fmean(_by_case(said).values()),
        corrected=corrected_share(said, labels),
        silent=len(labels) - len(both),
    )


def words_of(name: str, results: Sequence[Result]) -> dict[Key, bool]:
    """Where an evaluator said yes or no, what it said."""
    return {
        (one.case_id, one.repeat): score.passed
        for one in results
        for score in one.scores
        if score.evaluator == name and score.passed is not None
    }


def corrected_share(said: Mapping[Key, bool], labels: Mapping[Key, bool]) -> Corrected:
    """The share of cases that people would pass, from their labels and all that a judge said."""
    both = [key for key in labels if key in said]
    people = _by_case({key: labels[key] for key in both})
    judge = _by_case({key: said[key] for key in both})
    only = _by_case({key: its for key, its in said.items() if key[0] not in people})
    return corrected_rate(list(people.values()), [judge[case] for case in people], list(only.values()))


def _by_case(said: Mapping[Key, bool]) -> dict[str, float]:
    """Of each case, the share of its answers that passed."""
    found: dict[str, list[bool]] = {}
    for (case, _), passed in said.items():
        found.setdefault(case, []).append(passed)
    return {case: fmean(its) for case, its in found.items()}
