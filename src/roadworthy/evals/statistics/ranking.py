"""How good a ranked list of ids is, given which ids are relevant: the measures of retrieval.

Each takes one case's list, best first, and gives 0 to 1, or None where the case has nothing relevant, since
such a case says nothing of retrieval. An id that comes twice counts where it stands first. `average` is their
mean over cases.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from roadworthy.evals.statistics.bootstrap import Mean, mean


def recall_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """The share of what is relevant that stands among the first `k`."""
    wanted = set(relevant)
    return len(wanted.intersection(_first(k, ranked))) / len(wanted) if wanted else None


def precision_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """The share of the first `k` places with something relevant; places left empty count as wrong."""
    wanted = set(relevant)
    return len(wanted.intersection(_first(k, ranked))) / k if wanted else None


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """1 / the first place with something relevant, 0 without; the mean over cases is the MRR."""
    wanted = set(relevant)
    if not wanted:
        return None
    places = enumerate(dict.fromkeys(ranked), start=1)
    return next((1 / place for place, one in places if one in wanted), 0.0)


def ndcg_at(k: int, ranked: Sequence[str], relevant: Collection[str] | Mapping[str, float]) -> float | None:
    """Gains discounted by log2(place + 1), as a share of what the best order would have.

    Järvelin and Kekäläinen (ACM TOIS 20, 2002), gains as they are, not 2^gain - 1. A mapping grades what is
    relevant, any other collection counts each as 1; gains are not negative.
    """
    gains: Mapping[str, float] = (
        cast("Mapping[str, float]", relevant)
        if isinstance(relevant, Mapping)
        else dict.fromkeys(relevant, 1.0)
    )
    if any(gain < 0 for gain in gains.values()):
        raise ValueError("gains are not negative")
    best = _discounted(sorted(gains.values(), reverse=True)[:k])
    return _discounted(gains.get(one, 0.0) for one in _first(k, ranked)) / best if best else None


def average(values: Iterable[float | None], *, confidence: float = 0.95) -> Mean | None:
    """The mean over the cases that have a value, with its interval; None where none has."""
    known = [[value] for value in values if value is not None]
    return mean(known, confidence=confidence) if known else None


def _first(k: int, ranked: Sequence[str]) -> list[str]:
    if k < 1:
        raise ValueError(f"k counts places, not {k}")
    return list(dict.fromkeys(ranked))[:k]


def _discounted(gains: Iterable[float]) -> float:
    return math.fsum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))
