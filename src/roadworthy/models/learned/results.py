"""Eval results to learn from: for each case its text, and the score that each model reached on it.

JSONL, one case a line:  {"id": "t-1", "text": "Where is my parcel?", "scores": {"small": 1, "large": 1}}
CSV, with a header:      id,text,small,large

A score lies between 0 and 1; true and false are 1 and 0. Instead of `text` a line of JSONL may have the
prompt's `inputs`. Lines of the same words are one case with the mean of their scores: the router cannot tell
them apart, and a text that was tried twice must not count as two.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from roadworthy.errors import InvalidInput, did_you_mean
from roadworthy.models.learned.terms import text_of, words

_MOST_TOLD = 100
_MOST_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One text with the scores of the two models."""

    text: str
    cheap: float
    strong: float

    @property
    def loss(self) -> float:
        """How much worse the cheap model did, -1 to 1; negative where it did better."""
        return self.strong - self.cheap


@dataclass(frozen=True, slots=True)
class Results:
    """The cases of a file, each text once, in the order of their words."""

    cases: tuple[Case, ...]
    lines: int
    """How many results the cases were made of."""
    sha256: str
    """Of the file."""


class _UnfitError(ValueError):
    """A line that cannot be used; the message says why."""


def read_results(path: Path, *, cheap: str, strong: str) -> Results:
    """The results in a JSONL or CSV file, for two models by their names.

    Raises:
        InvalidInput: The file or lines of it cannot be used; `details["faults"]` lists them.
    """
    content = _content(path)
    rows = _csv_rows if path.suffix.lower() == ".csv" else _jsonl_rows
    cases: list[Case] = []
    faults: list[str] = []
    for line, row in rows(content, path):
        try:
            cases.append(_case(row(), cheap, strong))
        except _UnfitError as error:
            faults.append(f"line {line}: {error}")
    if faults:
        raise InvalidInput(
            f"{len(faults)} of the results in {str(path)!r} cannot be used. The first: {faults[0]}",
            details={"faults": faults[:_MOST_TOLD]},
        )
    if not cases:
        raise InvalidInput(f"There are no results in {str(path)!r}.")
    return Results(merged(cases), len(cases), hashlib.sha256(content).hexdigest())


def merged(cases: list[Case]) -> tuple[Case, ...]:
    """Each text once, with the mean of its scores, in the order of their words."""
    same: dict[str, list[Case]] = {}
    for case in cases:
        same.setdefault(" ".join(words(case.text)), []).append(case)
    return tuple(
        Case(
            many[0].text,
            sum(case.cheap for case in many) / len(many),
            sum(case.strong for case in many) / len(many),
        )
        for _, many in sorted(same.items())
    )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidInput(f"{str(path)!r} has more than {_MOST_BYTES:,} bytes.", hint="Take a sample.")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"The results {str(path)!r} cannot be read: {error.strerror}.") from None


_Row = tuple[int, Callable[[], dict[str, Any]]]


def _jsonl_rows(content: bytes, _path: Path) -> Iterator[_Row]:
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if line.strip():
            yield number, lambda line=line: _parsed(line)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise _UnfitError("this is not JSON.") from None
    if not isinstance(row, dict):
        raise _UnfitError('this is not an object such as {"id": …, "text": …, "scores": {…}}.')
    return cast("dict[str, Any]", row)


def _csv_rows(content: bytes, path: Path) -> Iterator[_Row]:
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if "text" not in (reader.fieldnames or ()):
            raise InvalidInput(
                f"The results {str(path)!r} have no column 'text'.",
                hint="The first line names the columns: id,text, and one for each model.",
            )
        for row in reader:
            scores = {name: value for name, value in row.items() if name not in ("id", "text")}
            made: dict[str, Any] = {"text": row["text"], "scores": {k: _number(v) for k, v in scores.items()}}
            yield reader.line_num, lambda made=made: made
    except UnicodeDecodeError:
        raise InvalidInput(f"The results {str(path)!r} are not in UTF-8.") from None
    except csv.Error as error:
        raise InvalidInput(f"The results {str(path)!r} are not valid CSV: {error}.") from None


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return {"true": True, "false": False}.get(str(value).strip().lower(), value)


def _case(row: dict[str, Any], cheap: str, strong: str) -> Case:
    text, inputs, scores = row.get("text"), row.get("inputs"), row.get("scores")
    if isinstance(inputs, dict) and text is None:
        text = text_of(cast("dict[str, Any]", inputs))
    if not isinstance(text, str):
        raise _UnfitError("it has neither 'text' nor 'inputs'.")
    if not isinstance(scores, dict):
        raise _UnfitError("it has no 'scores', an object with a number for each model.")
    known = cast("dict[str, Any]", scores)
    return Case(text, _score(known, cheap), _score(known, strong))


def _score(scores: dict[str, Any], model: str) -> float:
    if model not in scores:
        raise _UnfitError(f"it has no score of model {model!r}. {did_you_mean(model, scores)}".rstrip())
    value = scores[model]
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _UnfitError(f"the score of model {model!r} is not a number between 0 and 1.")
    return float(value)
