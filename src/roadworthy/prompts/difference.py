"""Two texts side by side: lines that belong together stand in one row, with the words that differ marked."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

_CONTEXT = 3
_MOST_LINES = 4_000
_LONGEST_LINE = 2_000
_ALIKE = 0.3
"""Less alike lines are told apart as wholes."""
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a line."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line on one side."""

    number: int
    """Counted from 1."""
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """The same place on both sides; None where one side has nothing there."""

    old: Line | None
    new: Line | None
    differs: bool = True
    left_out: int = 0
    """So many equal lines are not shown here; then there are no others."""


def side_by_side(old: str, new: str) -> list[Row]:
    """The rows that differ, with a few lines around each; none when the texts are the same."""
    left, right = old.splitlines()[:_MOST_LINES], new.splitlines()[:_MOST_LINES]
    rows: list[Row] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            same = [Row(_line(i, left), _line(i + j1 - i1, right), differs=False) for i in range(i1, i2)]
            rows += _shortened(same, first=i1 == 0, last=i2 == len(left) and j2 == len(right))
        else:
            rows += _changed(left, right, range(i1, i2), range(j1, j2))
    return rows if any(row.differs for row in rows) else []


def _line(place: int, lines: Sequence[str]) -> Line:
    return Line(place + 1, (Part(lines[place]),))


def _shortened(same: list[Row], *, first: bool, last: bool) -> Iterator[Row]:
    before, after = 0 if first else _CONTEXT, 0 if last else _CONTEXT
    left_out = len(same) - before - after
    if left_out <= 1:
        yield from same
        return
    yield from same[:before]
    yield Row(None, None, differs=False, left_out=left_out)
    yield from same[len(same) - after :]


def _changed(left: Sequence[str], right: Sequence[str], old: range, new: range) -> Iterator[Row]:
    for i, j in zip_longest(old, new):
        if i is None:
            yield Row(None, Line(j + 1, (Part(right[j], differs=True),)))
        elif j is None:
            yield Row(Line(i + 1, (Part(left[i], differs=True),)), None)
        else:
            one, other = _words(left[i], right[j])
            yield Row(Line(i + 1, one), Line(j + 1, other))


def _words(old: str, new: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    whole = (Part(old, differs=True),), (Part(new, differs=True),)
    if max(len(old), len(new)) > _LONGEST_LINE:
        return whole
    left, right = _WORDS.findall(old), _WORDS.findall(new)
    found = SequenceMatcher(None, left, right, autojunk=False)
    if found.ratio() < _ALIKE:
        return whole
    one: list[Part] = []
    other: list[Part] = []
    for tag, i1, i2, j1, j2 in found.get_opcodes():
        for parts, text in ((one, "".join(left[i1:i2])), (other, "".join(right[j1:j2]))):
            if text:
                parts.append(Part(text, differs=tag != "equal"))
    return tuple(one), tuple(other)
