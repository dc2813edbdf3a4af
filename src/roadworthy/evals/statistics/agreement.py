"""How far a judge agrees with people, and whether it prefers what it is shown first.

Kappa is agreement beyond chance, over labels of any kind. The rest is about yes and no: `yes` is what the
judge was asked to find (that an answer is right, or that it refuses), and people are taken as right.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from roadworthy.evals.statistics.distributions import Interval, binomial_cdf, z_score
from roadworthy.evals.statistics.proportion import wilson

Preferred = Literal["first", "second", "tie"]
"""Which of two answers a pairwise judge preferred, by the position in which it was shown."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa: 1 is full agreement, 0 that of chance."""

    value: float | None
    """None where both always gave the same single label: then agreement says nothing."""
    interval: Interval | None
    cases: int


def cohen_kappa(judge: Sequence[Hashable], people: Sequence[Hashable], *, confidence: float = 0.95) -> Kappa:
    """(p_o - p_e) / (1 - p_e), with the large-sample interval of Fleiss, Cohen and Everitt (1969).

    Cohen, Educ. Psychol. Meas. 20, 1960; Psychol. Bull. 72, 1969. No distance between labels is supposed.
    """
    total = _paired(judge, people)
    cells = {pair: count / total for pair, count in Counter(zip(judge, people, strict=True)).items()}
    ours, theirs = ({label: n / total for label, n in Counter(its).items()} for its in (judge, people))
    observed = math.fsum(share for (one, other), share in cells.items() if one == other)
    chance = math.fsum(share * theirs.get(label, 0.0) for label, share in ours.items())
    if len(ours) == len(theirs) == 1 and chance:
        return Kappa(None, None, total)
    value = (observed - chance) / (1 - chance)
    variance = -((value - chance * (1 - value)) ** 2)
    for (one, other), share in cells.items():
        if one == other:
            variance += share * (1 - (ours[one] + theirs[one]) * (1 - value)) ** 2
        else:
            crossed = ours.get(other, 0.0) + theirs.get(one, 0.0)
            variance += share * (1 - value) ** 2 * crossed**2
    half = z_score(confidence) * math.sqrt(max(0.0, variance) / total) / (1 - chance)
    return Kappa(value, Interval(max(-1.0, value - half), min(1.0, value + half)), total)


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge's yes and no against people's; shares are None where people gave no such label."""

    both_yes: int
    judge_only: int
    """The judge said yes, people no."""
    people_only: int
    """People said yes, the judge no."""
    both_no: int
    kappa: Kappa
    sensitivity: float | None
    """Of what people called yes, the share that the judge called yes."""
    sensitivity_interval: Interval
    specificity: float | None
    """Of what people called no, the share that the judge called no."""
    specificity_interval: Interval

    @property
    def cases(self) -> int:
        """All that both labelled."""
        return self.both_yes + self.judge_only + self.people_only + self.both_no

    @property
    def share(self) -> float:
        """How often they agree, chance included."""
        return (self.both_yes + self.both_no) / self.cases

    @property
    def bias_points(self) -> float:
        """How much more often the judge says yes than people, in percentage points."""
        return 100 * (self.judge_only - self.people_only) / self.cases


def agreement(judge: Sequence[bool], people: Sequence[bool], *, confidence: float = 0.95) -> Agreement:
    """Confusion, kappa, and sensitivity and specificity with Wilson's intervals."""
    _paired(judge, people)
    counts = Counter((bool(one), bool(other)) for one, other in zip(judge, people, strict=True))
    both_yes, judge_only, people_only, both_no = (
        counts[pair] for pair in ((True, True), (True, False), (False, True), (False, False))
    )
    yes, no = both_yes + people_only, both_no + judge_only
    return Agreement(
        both_yes,
        judge_only,
        people_only,
        both_no,
        kappa=cohen_kappa([bool(one) for one in judge], [bool(one) for one in people], confidence=confidence),
        sensitivity=both_yes / yes if yes else None,
        sensitivity_interval=wilson(both_yes, yes, confidence=confidence),
        specificity=both_no / no if no else None,
        specificity_interval=wilson(both_no, no, confidence=confidence),
    )


@dataclass(frozen=True, slots=True)
class PositionBias:
    """What became of a pairwise judge's verdicts when the two answers changed places."""

    pairs: int
    to_first: int
    """Verdicts that changed in favour of what is shown first."""
    to_second: int
    p: float
    """How probable so uneven changes are for a judge who wavers, but evenly."""

    @property
    def flipped_share(self) -> float:
        """The share of verdicts that hung on the position."""
        return (self.to_first + self.to_second) / self.pairs if self.pairs else 0.0


_FAVOURS = {"first": 1, "second": -1, "tie": 0}


def position_bias(verdicts: Iterable[tuple[Preferred, Preferred]]) -> PositionBias:
    """Each pair was judged twice: what was preferred in one order, and what with the answers swapped.

    A steady judge says `first` and then `second`, the reverse, or `tie` twice. All else is a flip, towards
    the position that was named more; their balance is tested with the exact binomial test.
    """
    leanings = [_FAVOURS[one] + _FAVOURS[other] for one, other in verdicts]
    to_first, to_second = sum(one > 0 for one in leanings), sum(one < 0 for one in leanings)
    tail = binomial_cdf(min(to_first, to_second), to_first + to_second, 0.5)
    return PositionBias(len(leanings), to_first, to_second, min(1.0, 2 * tail))


def _paired(judge: Sequence[Hashable], people: Sequence[Hashable]) -> int:
    if len(judge) != len(people) or not judge:
        raise ValueError(f"{len(judge)} labels of the judge and {len(people)} of people are no pairs")
    return len(judge)
