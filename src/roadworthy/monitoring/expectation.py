"""What a day is expected to cost, from the days that were seen: a mean, and a range for several of them.

With 14 days or more, a day is compared with days of the same weekday, else with all of them. The range is a
bootstrap (Davison & Hinkley 1997, 6.3.3): each round draws the days anew that the mean is made of, which says
how uncertain it is, and for every day to come how far it is from the mean, which says how uneven days are.
Deviations are widened by sqrt(n / (n - 1)), because n days vary less around their own mean than around the
true one.
"""

import math
import random
from collections.abc import Mapping, Sequence
from datetime import date
from operator import mul
from typing import Literal

Basis = Literal["weekdays", "days"]

FEWEST_FOR_WEEKDAYS = 14
ROUNDS = 1_000
_FEWEST_FOR_RANGE = 2


class Expectation:
    """The whole days that were seen, one after the other, with what was spent on each; at least one."""

    def __init__(self, seen: Mapping[date, int]) -> None:
        self.days_seen = len(seen)
        self.basis: Basis = "weekdays" if self.days_seen >= FEWEST_FOR_WEEKDAYS else "days"
        self._like: dict[int, list[int]] = {}
        for day, spent in sorted(seen.items()):
            self._like.setdefault(self._kind(day), []).append(spent)
        self._means = {kind: sum(spent) / len(spent) for kind, spent in self._like.items()}

    def on(self, day: date) -> float:
        """What a whole day is expected to cost."""
        return self._means[self._kind(day)]

    def over(self, days: Sequence[tuple[date, float]]) -> float:
        """What these days are expected to cost; each with the part of it that counts, 0 to 1."""
        return sum(self.on(day) * part for day, part in days)

    def between(
        self, days: Sequence[tuple[date, float]], share: float, seed: int, *, rounds: int = ROUNDS
    ) -> tuple[float, float] | None:
        """What these days cost at least and at most in the middle `share` of the rounds.

        None when too few days were seen to say it. The same seed gives the same range.
        """
        if self.days_seen < _FEWEST_FOR_RANGE:
            return None
        draw = random.Random(seed)  # noqa: S311 - a simulation
        parts: dict[int, list[float]] = {}
        for day, part in days:
            parts.setdefault(self._kind(day), []).append(part)
        kinds = [(self._deviations(kind), its, sum(its)) for kind, its in sorted(parts.items())]
        usual, sums = self.over(days), list[float]()
        for _ in range(rounds):
            total = usual
            for deviations, its, whole in kinds:
                count = len(deviations)
                total += whole * sum(draw.choices(deviations, k=count)) / count
                total += sum(map(mul, draw.choices(deviations, k=len(its)), its))
            sums.append(max(0.0, total))
        sums.sort()
        cut = int(rounds * (1 - share) / 2)
        return sums[cut], sums[-1 - cut]

    def _deviations(self, kind: int) -> list[float]:
        spent, mean = self._like[kind], self._means[kind]
        factor = math.sqrt(len(spent) / (len(spent) - 1)) if len(spent) > 1 else 0.0
        return [factor * (one - mean) for one in spent]

    def _kind(self, day: date) -> int:
        return day.weekday() if self.basis == "weekdays" else 0
