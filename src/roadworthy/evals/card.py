"""What a data set covers and what it misses: `card_of`."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final

from roadworthy.evals.case import Case, Tag
from roadworthy.evals.growing import Draft, Near, grow, text_in
from roadworthy.evals.statistics import cases_needed
from roadworthy.records import Json, iso

DIFFERENCE: Final = 0.05
"""The difference between two versions that a data set should be able to show, as a share of cases."""
DIFFERING: Final = 0.1
"""The share of cases in which two versions are supposed to differ."""
_MOST_COMPARED: Final = 20_000
_MOST_PAIRS: Final = 20
_LETTERS_READ: Final = 200
_ID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Card:
    """What a data set covers and what it misses."""

    cases: int
    tags: dict[str, int]
    """Cases with each tag; one without any counts as ''."""
    sources: dict[str, int]
    """Cases by where they come from: `run`, `review`, …, or a word; '' is not told."""
    missing_tags: list[str]
    """Of the five that every data set should have."""
    without_expectation: int
    near_duplicates: list[tuple[str, str, float]]
    """Two ids and how alike their inputs are, the most alike first; 20 at most."""
    scripts: dict[str, int]
    """Cases by the writing system of most of their letters."""
    characters: tuple[int, int, int]
    """Of a case's inputs: the fewest, the median, the most."""
    oldest: str | None
    newest: str | None
    """When what is on record and became a case happened; None where no case says so."""
    failures_without_case: dict[str, int]
    """What went wrong in production lately and is in no case, by kind."""
    needed: int
    """Cases that show a difference of 5 points in four of five experiments, where one case in ten differs."""

    @property
    def more_needed(self) -> int:
        """How many cases are missing until then."""
        return max(0, self.needed - self.cases)

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        told: dict[str, Json] = asdict(self)
        pairs: list[Json] = [
            {"a": a, "b": b, "alike": round(share, 3)} for a, b, share in self.near_duplicates
        ]
        low, middle, high = self.characters
        lengths: Json = {"least": low, "median": middle, "most": high}
        return {**told, "near_duplicates": pairs, "characters": lengths, "more_needed": self.more_needed}


def card_of(cases: Sequence[Case], failures: Sequence[Draft] = ()) -> Card:
    """The card of a data set; `failures` are what went wrong in production lately."""
    tags = Counter(tag for case in cases for tag in case.tags or ("",))
    texts = {case.id: text_in(case.inputs) for case in cases}
    lengths = sorted(map(len, texts.values())) or [0]
    times = sorted(filter(None, (_time_of(case.source) for case in cases)))
    unknown = _unknown(cases, failures)
    return Card(
        cases=len(cases),
        tags=dict(tags.most_common()),
        sources=dict(Counter(_origin(case.source) for case in cases).most_common()),
        missing_tags=[tag.value for tag in Tag if not tags[tag.value]],
        without_expectation=sum(case.expected is None for case in cases),
        near_duplicates=_pairs(dict(list(texts.items())[:_MOST_COMPARED])),
        scripts=dict(Counter(map(_script, texts.values())).most_common()),
        characters=(lengths[0], round(median(lengths)), lengths[-1]),
        oldest=iso(times[0]) if times else None,
        newest=iso(times[-1]) if times else None,
        failures_without_case=dict(Counter(unknown).most_common()),
        needed=cases_needed(DIFFERING, DIFFERENCE) or 0,
    )


def _unknown(cases: Sequence[Case], failures: Sequence[Draft]) -> list[str]:
    """The kinds of the failures whose inputs, or whose source, are in no case."""
    sources = {case.source for case in cases}
    left = [one for one in failures if one.source not in sources]
    kinds = {one.source: one.kind or "went wrong" for one in left}
    grown = grow(cases, left, scrub=str)
    return [kinds[case.source] for case in grown.cases]


def _pairs(texts: dict[str, str]) -> list[tuple[str, str, float]]:
    near = Near(texts)
    found: dict[frozenset[str], tuple[str, str, float]] = {}
    for name, text in texts.items():
        nearest = near.nearest(text, besides=name)
        if nearest is not None:
            found.setdefault(frozenset((name, nearest[0])), (name, *nearest))
    return sorted(found.values(), key=lambda one: -one[2])[:_MOST_PAIRS]


def _origin(source: str) -> str:
    kind, _, digits = source.partition("_")
    return kind if len(digits) == _ID_DIGITS else source


def _time_of(source: str) -> int | None:
    """When what has this id happened: ids begin with their milliseconds (RFC 9562)."""
    digits = source.partition("_")[2]
    try:
        return int(digits[:12], 16) if len(digits) == _ID_DIGITS else None
    except ValueError:
        return None


def _script(text: str) -> str:
    """`LATIN`, `CYRILLIC`, `CJK`, … of most letters at its beginning; '' without any."""
    letters = [one for one in text[: 10 * _LETTERS_READ] if one.isalpha()][:_LETTERS_READ]
    names = Counter(unicodedata.name(one, "").partition(" ")[0] for one in letters)
    return names.most_common(1)[0][0] if names else ""
