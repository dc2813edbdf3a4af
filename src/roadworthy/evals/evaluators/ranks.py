"""How good an ordered list of keys is against the expected ones: `rate`, by each measure of `list`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from roadworthy.evals.statistics import ndcg_at, precision_at, recall_at, reciprocal_rank

_MOST_COMPARED = 5_000


def rate(
    measure: str, got: Sequence[str], wanted: Sequence[str], grades: Mapping[str, float], k: int | None = None
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
    rated = _ranked(measure, got, relevant, k)
    return float(not got) if rated is None else rated


def _ranked(measure: str, got: Sequence[str], relevant: Mapping[str, float], k: int | None) -> float | None:
    """By a measure of rankings; None where nothing is relevant."""
    if measure == "ndcg":
        return ndcg_at(k or max(1, len(got), len(relevant)), got, relevant)
    if measure == "reciprocal_rank":
        return reciprocal_rank(got, relevant)
    return (recall_at if measure == "recall" else precision_at)(k or max(1, len(set(got))), got, relevant)


def grades(table: Any) -> dict[str, float] | None:
    """Grades by id, each a number of 0 or more; None for anything else."""
    found: dict[str, float] = {}
    for key, grade in cast("dict[str, Any]", table).items():
        if isinstance(grade, bool) or not isinstance(grade, int | float) or not 0 <= grade < math.inf:
            return None
        found[key] = float(grade)
    return found


def _kept(got: Sequence[str], wanted: Sequence[str]) -> float:
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
