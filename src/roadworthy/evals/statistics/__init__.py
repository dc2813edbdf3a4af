"""What can be said of results, as far as chance lets one: pure functions of numbers."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Booted:
    """What a bootstrap found."""

    lower: float
    upper: float
    p_value: float


def wilson(passed: float, total: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    if total <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = passed / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def cases_for_bound(share: float, wanted: float, *, confidence: float = 0.95) -> int | None:
    """With how many cases of this share the one-sided bound is on one side of `wanted`."""
    for count in (round(10 * 1.05**k) for k in range(250)):
        lower, upper = wilson(share * count, count, confidence=2 * confidence - 1)
        if lower >= wanted or upper < wanted:
            return count
    return None


def mcnemar(better: int, worse: int) -> float:
    """The two-sided mid-p value."""
    n, k = better + worse, min(better, worse)
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, i) for i in range(k)) / 2**n
    return min(1.0, 2 * (tail + math.comb(n, k) / 2**n / 2))


def tango(better: int, worse: int, cases: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of the difference of paired shares."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = cases

    def score(delta: float) -> float:
        a = 2 * n
        b = -better - worse + (2 * n - better + worse) * delta
        c = -worse * delta * (1 - delta)
        q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        spread = n * (2 * q + delta * (1 - delta))
        return (better - worse - n * delta) / math.sqrt(spread) if spread > 0 else math.inf

    middle = (better - worse) / n

    def end(sign: int) -> float:
        low, high = (middle, 1.0) if sign > 0 else (-1.0, middle)
        for _ in range(60):
            half = (low + high) / 2
            inside = abs(score(half)) < z
            low, high = (half, high) if inside == (sign > 0) else (low, half)
        return (low + high) / 2

    return end(-1), end(1)


def paired_bootstrap(before: Sequence[float], after: Sequence[float], *, confidence: float = 0.95) -> Booted:
    """The interval of the mean difference by resampling cases."""
    deltas = [b - a for a, b in zip(before, after, strict=True)]
    draw = random.Random(0)  # noqa: S311 - nothing to guess
    means = sorted(sum(draw.choices(deltas, k=len(deltas))) / len(deltas) for _ in range(2_000))
    edge = (1 - confidence) / 2
    low = sum(mean <= 0 for mean in means) / len(means)
    high = sum(mean >= 0 for mean in means) / len(means)
    return Booted(
        means[int(edge * len(means))], means[int((1 - edge) * len(means)) - 1], min(1.0, 2 * min(low, high))
    )


def cases_needed(differ: float, difference: float) -> int:
    """How many cases show a difference where that share of cases differs, in four of five experiments."""
    spread = math.sqrt(max(0.0, differ - difference**2))
    return math.ceil(((1.96 * math.sqrt(differ) + 0.84 * spread) / difference) ** 2)
