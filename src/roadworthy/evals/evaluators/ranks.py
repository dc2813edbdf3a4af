"""How good an ordered list of keys is against the expected ones: `rate`, by each measure of `list`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

Key = str | None
_MOST_COMPARED = 5_000


def rate(
    measure: str, got: Sequence[Key], wanted: Sequence[Key], grades: Mapping[Key, float], k: int | None = None
) -> float:
    """0 to 1, where `got` has `k` keys at most.

    `grades` says how much each expected key is worth, more than 0 where it is relevant.
    """
    if measure in {"exact", "prefix"}:
        begin = got[: len(wanted)] if measure == "prefix" else got
        return float(list(begin) == list(wanted))
    if measure == "edits":
        return _kept(got[:_MOST_COMPARED], wanted[:_MOST_COMPARED])
    relevant = {key: grade for key, grade in grades.items() if grade > 0}
    first = list(dict.fromkeys(got))  # a key that is repeated is found once
    return _ranked(measure, first, relevant, k) if relevant else float(not got)


def _ranked(measure: str, first: Sequence[Key], relevant: Mapping[Key, float], k: int | None) -> float:
    ranks = [rank for rank, key in enumerate(first, 1) if key in relevant]
    if measure == "ndcg":
        ideal = _gain(sorted(relevant.values(), reverse=True)[:k])
        return min(1.0, _gain([relevant.get(key, 0.0) for key in first]) / ideal)
    if not ranks:
        return 0.0
    return {
        "recall": len(ranks) / len(relevant),
        "precision": len(ranks) / len(first),
        "reciprocal_rank": 1 / ranks[0],
    }[measure]


def grades(table: Any) -> dict[Key, float] | None:
    """Grades by id, each a number of 0 or more; None for anything else."""
    found: dict[Key, float] = {}
    for key, grade in cast("dict[str, Any]", table).items():
        if isinstance(grade, bool) or not isinstance(grade, int | float) or not 0 <= grade < math.inf:
            return None
        found[key] = float(grade)
    return found


def _gain(grades: Sequence[float]) -> float:
    """Discounted cumulative gain (Järvelin and Kekäläinen 2002)."""
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def _kept(got: Sequence[Key], wanted: Sequence[Key]) -> float:
    """1 less Levenshtein's distance by the longer length."""
    longest = max(len(got), len(wanted))
    if not longest:
        return 1.0
    row = list(range(len(wanted) + 1))
    for number, one in enumerate(got, 1):
        last, row[0] = row[0], number
        for place, other in enumerate(wanted, 1):
            changed = last + (one != other)
            last = row[place]
            row[place] = min(changed, last + 1, row[place - 1] + 1)
    return 1 - row[-1] / longest
