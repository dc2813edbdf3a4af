"""What an experiment says: pass, fail, or inconclusive; each ground told, none of them by chance.

threshold    the share that others like these cases would pass is at least `min_pass`: by the one-sided
             95% bound of Wilson's interval, each case counting once however often it was repeated
tags         the share of this data set's cases with a tag, as it is
baseline     not worse than what was accepted before: mid-p McNemar on the cases that both have
judged       some evaluator said yes or no of every case
a judge      of pairs, that may decide: the answers of a comparison are not worse, by its word
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import cast

from roadworthy.evals.baseline import Baseline
from roadworthy.evals.comparison import Difference, compared
from roadworthy.evals.experiment import Result, VerdictKind, pass_shares
from roadworthy.evals.judging.pairs import Preferences
from roadworthy.evals.statistics import cases_until, wilson
from roadworthy.evals.suite import SuiteSettings
from roadworthy.records import Json

CONFIDENCE = 0.95
"""Of one-sided bounds: how sure one is of a pass or a fail."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason for a verdict."""

    name: str
    """`threshold`, a tag, `baseline`, `judged`, or the name of a judge of pairs."""
    kind: VerdictKind
    told: str
    """In a sentence."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an experiment says, and why."""

    kind: VerdictKind
    grounds: tuple[Ground, ...]
    cases: int
    judged: int
    """Cases of which some evaluator said yes or no."""
    share: float
    """Of the judged cases' answers, the share that passed; each case counts once. 0 to 1."""
    lower: float
    upper: float
    """The two-sided 90% interval of that share for cases like these; its ends are one-sided 95% bounds."""
    needs_more: int | None = None
    """About how many cases more would decide, where the threshold is what is open."""
    categories: Mapping[str, int] = field(default_factory=dict[str, int])
    """Answers that failed, by what kind of failure."""
    flicker: int = 0
    """Cases that passed sometimes."""
    difference: Difference | None = None
    """From the baseline."""
    notes: tuple[str, ...] = ()
    """What else is to be known, such as how far its judges can be trusted; they decide nothing."""

    def as_json(self) -> dict[str, Json]:
        """For records and reports."""
        told = cast("dict[str, Json]", asdict(self))
        told["grounds"] = [
            {"name": one.name, "kind": one.kind.value, "told": one.told} for one in self.grounds
        ]
        told["kind"] = self.kind.value
        told["notes"] = list(self.notes)
        told["difference"] = self.difference.as_json() if self.difference else None
        return told


def judge(
    settings: SuiteSettings, results: Sequence[Result], cases: int, baseline: Baseline | None
) -> Verdict:
    """The verdict on the results of an experiment."""
    shares = pass_shares(results)
    judged = len(shares)
    share = sum(shares.values()) / judged if judged else 0.0
    lower, upper = _bounds(list(shares.values()), share, settings.repeats)
    threshold, needs_more = _threshold(settings.min_pass, share, lower, upper, judged)
    grounds = [threshold, *_tags(settings.tags, results, shares)]
    difference = None
    if baseline is not None:
        difference = compared(
            baseline.shares, shares, baseline.hashes, {one.case_id: one.case_hash for one in results}
        )
        grounds.append(_not_worse(difference, settings.max_loss))
    if judged < cases:
        told = f"{cases - judged} of {cases} cases were judged by nobody: no evaluator applies, or none ran."
        grounds.append(Ground("judged", VerdictKind.INCONCLUSIVE, told))
    return Verdict(
        kind=_together(grounds),
        grounds=tuple(grounds),
        cases=cases,
        judged=judged,
        share=share,
        lower=lower,
        upper=upper,
        needs_more=needs_more,
        categories=dict(Counter(one.category for one in results if one.passed is False).most_common()),
        flicker=sum(0 < one < 1 for one in shares.values()),
        difference=difference,
    )


def with_preferences(verdict: Verdict, preferences: Sequence[Preferences]) -> Verdict:
    """The verdict with what judges of pairs say: a ground where one decides, a note where it informs."""
    grounds, notes = list(verdict.grounds), list(verdict.notes)
    for one in preferences:
        if one.informs:
            notes.append(f"{one.judge} informs only: {one.informs}.")
        else:
            kind = VerdictKind.FAIL if one.worse else VerdictKind.PASS
            grounds.append(Ground(one.judge, kind, one.told()))
    return replace(verdict, kind=_together(grounds), grounds=tuple(grounds), notes=tuple(notes))


def _bounds(shares: Sequence[float], share: float, repeats: int) -> tuple[float, float]:
    """The two one-sided bounds. Repeats of a case are alike: they count as the cases they vary like."""
    judged = len(shares)
    worth = float(judged)
    spread = sum((one - share) ** 2 for one in shares) / (judged - 1) if judged > 1 else 0.0
    if repeats > 1 and spread > 0:
        worth = min(judged * repeats, max(judged, judged * share * (1 - share) / spread))
    ends = wilson(share * worth, worth, confidence=2 * CONFIDENCE - 1)
    return ends.low, ends.high


def _threshold(
    wanted: float, share: float, lower: float, upper: float, judged: int
) -> tuple[Ground, int | None]:
    told = (
        f"{share:.1%} of {judged} cases passed (90% interval {lower:.1%} to {upper:.1%}), "
        f"{wanted:.1%} asked for"
    )
    if judged and wanted == 1:  # of others, no number of cases could show it
        kind = VerdictKind.PASS if share == 1 else VerdictKind.FAIL
        return Ground("threshold", kind, f"{told}: of these cases, for of others it cannot be shown."), None
    if judged and lower >= wanted:
        return Ground("threshold", VerdictKind.PASS, f"{told}."), None
    if judged and upper < wanted:
        return Ground("threshold", VerdictKind.FAIL, f"{told}."), None
    more = cases_until(share * judged, judged, wanted, confidence=CONFIDENCE)
    needs = max(1, more) if more is not None else None
    hint = (
        f"; it needs about {needs:,} cases more"
        if needs is not None
        else "; too close to say with any number"
    )
    return Ground("threshold", VerdictKind.INCONCLUSIVE, f"{told}{hint}."), needs


def _tags(
    wanted: Mapping[str, float], results: Sequence[Result], shares: Mapping[str, float]
) -> list[Ground]:
    tags = {one.case_id: one.tags for one in results}
    grounds: list[Ground] = []
    for tag, least in wanted.items():
        its = [share for case_id, share in shares.items() if tag in tags[case_id]]
        if not its:
            told = f"No case with the tag {tag!r} was judged."
            grounds.append(Ground(tag, VerdictKind.INCONCLUSIVE, told))
            continue
        got = sum(its) / len(its)
        kind = VerdictKind.PASS if got >= least else VerdictKind.FAIL
        told = f"{got:.1%} of {len(its)} cases with the tag {tag!r} passed, {least:.1%} asked for."
        grounds.append(Ground(tag, kind, told))
    return grounds


def _not_worse(difference: Difference, max_loss: float | None) -> Ground:
    kind = VerdictKind.PASS
    if difference.significant and difference.after < difference.before:
        kind = VerdictKind.FAIL
    elif max_loss is not None and (difference.worse or difference.better):
        kind = VerdictKind.PASS if difference.lower >= -max_loss else VerdictKind.INCONCLUSIVE
        if difference.upper < -max_loss:
            kind = VerdictKind.FAIL
    return Ground("baseline", kind, difference.told())


def _together(grounds: Sequence[Ground]) -> VerdictKind:
    kinds = {ground.kind for ground in grounds}
    for kind in (VerdictKind.FAIL, VerdictKind.INCONCLUSIVE):
        if kind in kinds:
            return kind
    return VerdictKind.PASS
