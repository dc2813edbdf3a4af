"""A sheet for people: outputs of an experiment drawn at random, to be labelled without the judge's word."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from roadworthy.evals.case import Case
from roadworthy.evals.experiment import Result
from roadworthy.evals.judging.labels import output_hash


def write_sheet(
    path: Path, results: Sequence[Result], cases: Mapping[str, Case], size: int, seed: str
) -> int:
    """Write so many outputs, one a case; returns how many. The draw is the same for the same `seed`.

    Raises `FileExistsError`.
    """
    first = {one.case_id: one for one in sorted(results, key=lambda one: -one.repeat) if one.outcome.answered}
    drawn = random.Random(seed).sample(sorted(first), min(size, len(first)))  # noqa: S311 - no secret
    lines = [_line(first[case_id], cases.get(case_id)) for case_id in drawn]
    with path.open("x", encoding="utf-8") as file:  # never over what people have labelled
        file.writelines(lines)
    return len(lines)


def _line(result: Result, case: Case | None) -> str:
    told = {
        "case": result.case_id,
        "repeat": result.repeat,
        "passed": None,
        "inputs": case.inputs if case else None,
        "expected": case.expected if case else None,
        "output": result.outcome.output,
        "output_hash": output_hash(result.outcome),
    }
    return json.dumps(told, ensure_ascii=False) + "\n"
