"""How large a mean loss may be, judged from losses between -1 and 1; it holds for any number of cases.

Where each loss is -1, 0 or 1, the p-value is exact but for the share of cases that differ, which the mean
leaves open: it is the largest over a Clopper-Pearson bound of that share (Biometrika 26, 1934), as Berger and
Boos do it (J. Am. Stat. Assoc. 89, 1994).
Where losses are fractions, a betting martingale is the p-value: Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting" (J. R. Stat. Soc. B 86, 2024).
A bound of the harm alone (losses below 0 as 0, Clopper-Pearson) gave two thirds of the share on banking77.
"""

import importlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_ROUNDING_PAYS = 0.1
"""While rounding up adds no more than this share to the differences, the exact bound is the tighter one."""
_NUISANCE = 0.1
"""Of the chance of an error, what the bound of the share that differs may take."""
_PLACES = 8
"""At how many shares that differ the p-value is looked at; between them it hardly changes."""
_TAIL = 8
"""Standard deviations beyond which a count is impossible: 1e-15."""
_MOST_STAKE = 0.9
_STEPS = 24
"""Halvings of an interval of losses: 1e-7 remains."""
_MOST_CASES = 1_000_000


@dataclass(frozen=True, slots=True)
class Bound:
    """Upper bounds of a mean loss at one confidence."""

    confidence: float
    whole: bool
    """Whether every loss counts as -1, 0 or 1: a fraction is rounded up."""

    @classmethod
    def fitting(cls, confidence: float, losses: Iterable[float]) -> "Bound":
        """The tighter kind for losses such as these, which must not be those that it will judge."""
        known = list(losses)
        added = math.fsum(math.ceil(loss) - loss for loss in known)
        return cls(confidence, whole=added <= _ROUNDING_PAYS * math.fsum(map(abs, known)))

    @property
    def name(self) -> Literal["exact", "betting"]:
        """The method."""
        return "exact" if self.whole else "betting"

    def holds(self, losses: Sequence[float], most: float) -> bool:
        """Whether these losses prove a mean of at most `most`. Their order must say nothing of them."""
        return bool(losses) and self._p_value(losses, most) <= 1 - self.confidence

    def upper(self, losses: Sequence[float]) -> float:
        """The smallest mean that is proven not to be exceeded; 1 where nothing is."""
        low, high = (math.fsum(losses) / len(losses) if losses else 1.0), 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.holds(losses, middle) else (middle, high)
        return high

    def cases_needed(self, losses: Sequence[float], most: float) -> int | None:
        """About how many cases like these would prove `most`; None when no number, or far too many."""
        if losses and math.fsum(losses) / len(losses) >= most:
            return None
        known = list(losses) or [0.0]
        times = 1
        while not self.holds(known * times, most):
            times *= 2
            if times * len(known) > _MOST_CASES:
                return None
        low, high = times // 2 * len(known), times * len(known)
        while high - low > 1:
            middle = (low + high) // 2
            enough = self.holds((known * times)[:middle], most)
            low, high = (low, middle) if enough else (middle, high)
        return high

    def _p_value(self, losses: Sequence[float], most: float) -> float:
        """How probable losses as small as these are where the true mean is `most` or more."""
        if most <= 0 or math.fsum(losses) >= most * len(losses):
            return 1.0
        if self.whole:
            return _exact([math.ceil(loss) for loss in losses], most, (1 - self.confidence) * _NUISANCE)
        return _betting(losses, most, 1 - self.confidence)


def _exact(losses: Sequence[int], most: float, nuisance: float) -> float:
    """Berger and Boos: the largest p-value over what the share that differs may be, plus `nuisance`."""
    numpy, special = (importlib.import_module(name) for name in ("numpy", "scipy.special"))
    cases, differ, net = len(losses), sum(map(abs, losses)), sum(losses)
    if net >= most * cases:
        return 1.0
    largest = float(special.betaincinv(differ + 1, cases - differ, 1 - nuisance)) if differ < cases else 1.0
    if largest <= most:  # so few differ that the mean cannot be as large
        return nuisance
    p_value = max(
        _tail(numpy, special, cases, net, most, most + (largest - most) * place / _PLACES)
        for place in range(1, _PLACES + 1)
    )
    return min(1.0, p_value + nuisance)


def _tail(numpy: Any, special: Any, cases: int, net: int, mean: float, differ: float) -> float:
    """The probability of a sum of at most `net`, where so many differ and the mean is `mean`."""
    middle, spread = cases * differ, _TAIL * math.sqrt(cases * differ) + _TAIL
    counts = numpy.arange(max(0, int(middle - spread)), min(cases, int(middle + spread)) + 1)
    chances = numpy.exp(
        special.gammaln(cases + 1)
        - special.gammaln(counts + 1)
        - special.gammaln(cases - counts + 1)
        + special.xlogy(counts, differ)
        + special.xlog1py(cases - counts, -differ)
    )
    most_worse = (net + counts) // 2
    inside = (most_worse >= 0) & (most_worse < counts)
    few = special.bdtr(numpy.where(inside, most_worse, 0), numpy.maximum(counts, 1), (1 + mean / differ) / 2)
    return float((chances * numpy.where(inside, few, most_worse >= counts)).sum())


def _betting(losses: Sequence[float], most: float, error: float) -> float:
    """The inverse of the largest capital of a player who bets, case by case, that the mean is below `most`.

    Each stake comes from the losses before it, as Waudby-Smith and Ramdas propose for so many cases. Were the
    mean `most`, the capital would not grow on average, nor ever be large but rarely (Ville's inequality).
    """
    capital = richest = squares = 0.0
    stake_scale = 2 * math.log(1 / error) / len(losses)
    for number, loss in enumerate(losses):
        variance = (squares + 2 * most) / (number + 1)
        stake = min(_MOST_STAKE, math.sqrt(stake_scale / variance))
        capital += math.log1p(stake * (most - loss))
        richest = max(richest, capital)
        squares += loss * loss
    return math.exp(-richest)
