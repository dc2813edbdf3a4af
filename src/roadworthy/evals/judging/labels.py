"""What people said of outputs: a file with a label a line, and which outputs of an experiment they are about.

    {"case": "t-01", "passed": true, "repeat": 0, "output_hash": "6f1d…"}

Or a CSV file with the same columns. `repeat` is 0 where it is left out. With `output_hash` (sheets have it) a
label holds for that output only, in whichever experiment; without, for what the case was answered this time.
A line whose `passed` is empty is not labelled yet.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from roadworthy.errors import ConfigurationError, Fault, InvalidInput, did_you_mean
from roadworthy.evals.case import digest
from roadworthy.evals.experiment import Result
from roadworthy.evals.target import Outcome

_HASH_CHARS = 16
_FIELDS = frozenset({"case", "passed", "repeat", "output_hash", "inputs", "output", "expected", "note"})
_YES = frozenset({"true", "yes", "pass", "passed", "1"})
_NO = frozenset({"false", "no", "fail", "failed", "0"})
_MOST_TOLD = 5

Key = tuple[str, int]
"""A result of an experiment: its case, and which repeat."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said of one output."""

    case: str
    passed: bool
    repeat: int = 0
    output_hash: str = ""
    """Of the output that the person saw; empty where the file does not say."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Matched:
    """Labels and the results that they are about."""

    labels: Mapping[Key, bool]
    others: int
    """Labels of outputs that this experiment does not have."""


def output_hash(outcome: Outcome) -> str:
    """What tells one output from another."""
    return digest([outcome.output, outcome.error])[:_HASH_CHARS]


def read_labels(path: Path) -> tuple[Label, ...]:
    """The labels in a file, `.csv` or JSON lines. Raises `ConfigurationError` with every fault."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"The labels {str(path)!r} cannot be read ({why}).",
            hint="Have a sheet made, and fill in `passed`: roadworthy evals calibrate SUITE --sheet FILE",
        ) from error
    faults: list[Fault] = []
    labels: dict[tuple[str, int, str], Label] = {}
    for number, row in _csv(text) if path.suffix.lower() == ".csv" else _lines(text):
        said = row if isinstance(row, str) else _label(row, number)
        if isinstance(said, Label):
            key = (said.case, said.repeat, said.output_hash)
            if key not in labels:
                labels[key] = said
                continue
            said = f"case {said.case!r}, repeat {said.repeat}, has a label in line {labels[key].line} already"
        if said is not None:
            faults.append(Fault(f"{said}.", file=path.name, line=number))
    if faults:
        told = " ".join(f"Line {one.line}: {one.message}" for one in faults[:_MOST_TOLD])
        more = f" And {len(faults) - _MOST_TOLD} more." if len(faults) > _MOST_TOLD else ""
        raise ConfigurationError(f"The labels {path.name!r} have faults. {told}{more}")
    if not labels:
        raise InvalidInput(
            f"Nothing in {path.name!r} is labelled.", hint="Write true or false into `passed` of each line."
        )
    return tuple(labels.values())


def matched(labels: Sequence[Label], results: Sequence[Result]) -> Matched:
    """The results of an experiment that people labelled.

    Raises `InvalidInput` for cases that the experiment does not have, labels that contradict each other, and
    where no label is about any of its outputs.
    """
    by_key = {(one.case_id, one.repeat): output_hash(one.outcome) for one in results}
    cases = {case_id for case_id, _ in by_key}
    unknown = sorted({one.case for one in labels if one.case not in cases})
    if unknown:
        named = ", ".join(map(repr, unknown[:_MOST_TOLD]))
        raise InvalidInput(
            f"{len(unknown)} labelled cases are not in the experiment: {named}"
            f"{', …' if len(unknown) > _MOST_TOLD else ''}.",
            hint=did_you_mean(unknown[0], cases) or "Take the labels of this suite's cases.",
        )
    found: dict[Key, bool] = {}
    others = 0
    for label in labels:
        here = [
            key
            for key, its in by_key.items()
            if key[0] == label.case
            and (label.output_hash == its if label.output_hash else key[1] == label.repeat)
        ]
        others += not here
        for key in here:
            if found.setdefault(key, label.passed) != label.passed:
                raise InvalidInput(
                    f"People said both yes and no of the same output of case {label.case!r}.",
                    hint="Let them agree first, or leave it out.",
                )
    if not found:
        raise InvalidInput(
            f"None of the {len(labels)} labels is about an output of this experiment.",
            hint="Outputs have changed since: label new ones (--sheet), or name that experiment.",
        )
    return Matched(found, others)


def require_both_kinds(labels: Mapping[Key, bool]) -> None:
    """Raises `InvalidInput` where people gave one kind of label only: agreement beyond chance needs two."""
    counts = Counter(labels.values())
    if len(counts) == 1:
        which = "passed" if True in counts else "failed"
        raise InvalidInput(
            f"By people's labels all {len(labels)} outputs {which}: how far a judge agrees beyond chance "
            "cannot be said.",
            hint="Label outputs of both kinds: more of them, or of harder cases.",
        )


def _lines(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            said: Any = json.loads(line)
        except ValueError:
            yield number, "this is no JSON"
            continue
        yield number, cast("Mapping[str, Any]", said) if isinstance(said, dict) else "this is no object"


def _csv(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    rows = csv.DictReader(io.StringIO(text))
    for row in rows:
        told: dict[str, Any] = {name: value for name, value in row.items() if name}
        repeat = told.get("repeat") or "0"
        if not repeat.strip().isdecimal():
            yield rows.line_num, "'repeat' is no whole number"
            continue
        yield rows.line_num, {**told, "repeat": int(repeat)}


def _label(row: Mapping[str, Any], line: int) -> Label | str | None:
    """The label, what is wrong with it, or None where there is none yet."""
    unknown = next((name for name in row if name not in _FIELDS), None)
    if unknown is not None:
        return f"there is no field {unknown!r}. {did_you_mean(unknown, _FIELDS)}".strip().rstrip(".")
    case, passed, repeat = row.get("case"), row.get("passed"), row.get("repeat", 0)
    if not isinstance(case, str) or not case:
        return "'case' is missing"
    if isinstance(passed, str):
        word = passed.strip().casefold()
        passed = True if word in _YES else False if word in _NO else None if not word else passed
    if passed is None:
        return None
    if not isinstance(passed, bool):
        return f"'passed' is true or false, not {passed!r}"
    if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 0:
        return "'repeat' is no whole number"
    return Label(case, passed, repeat, str(row.get("output_hash") or ""), line)
