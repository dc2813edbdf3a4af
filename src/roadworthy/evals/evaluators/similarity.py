"""`similarity`: how alike a text is to the expected one, 0 to 1, by one of three measures.

tokens       F1 over words, each as often as it occurs (Rajpurkar et al. 2016, SQuAD)
characters   cosine of the counts of three characters in a row
edits        the share of the longer text that needs no edit, by Levenshtein (Hyyrö 2003, bit-parallel)

All three are symmetric, 1 for the same text and 0 where nothing is alike; capital letters count for `edits`.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Share, Wanting
from roadworthy.evals.evaluators.values import found, text_of, texts_of
from roadworthy.evals.target import Outcome

_WORD = re.compile(r"\w+")
_IN_A_ROW = 3
_MOST_CHARACTERS = 200_000
_MOST_EDITED_CHARACTERS = 20_000


def token_f1(one: str, other: str) -> float:
    """F1 over words."""
    if one == other:
        return 1.0
    ours, theirs = Counter(_WORD.findall(one.casefold())), Counter(_WORD.findall(other.casefold()))
    total = ours.total() + theirs.total()
    if not total:
        return 1.0 if one.split() == other.split() else 0.0
    return 2 * (ours & theirs).total() / total


def character_cosine(one: str, other: str) -> float:
    """The cosine of the counts of three characters in a row."""
    if one == other:
        return 1.0
    ours, theirs = _grams(one), _grams(other)
    product = sum(count * theirs[gram] for gram, count in ours.items() if gram in theirs)
    lengths = sum(n * n for n in ours.values()) * sum(n * n for n in theirs.values())
    return min(1.0, product / math.sqrt(lengths)) if lengths else 0.0


def _grams(text: str) -> Counter[tuple[str, ...]]:
    padded = f" {' '.join(text.casefold().split())} "
    return Counter(zip(*(padded[start:] for start in range(_IN_A_ROW)), strict=False))


def edit_ratio(one: str, other: str) -> float:
    """The share of the longer text that needs no edit."""
    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    return 1 - distance(short, long) / len(long)


def distance(one: str, other: str) -> int:
    """Levenshtein's distance: insertions, deletions and replacements of one character."""
    if not one or not other:
        return len(one) + len(other)
    places: dict[str, int] = {}
    for number, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << number
    every, last = (1 << len(one)) - 1, 1 << len(one) - 1
    more, less, score = every, 0, len(one)
    for character in other:
        equal = places.get(character, 0)
        right = ((equal & more) + more ^ more) | equal
        up = less | ~(right | more) & every
        down = more & right
        equal |= less
        score += bool(up & last) - bool(down & last)
        up = up << 1 & every | 1
        more = down << 1 & every | ~(equal | up) & every
        less = up & equal
    return score


MEASURES: Mapping[str, Callable[[str, str], float]] = {
    "tokens": token_f1,
    "characters": character_cosine,
    "edits": edit_ratio,
}


class SimilaritySettings(Wanting):
    """`kind = "similarity"`: how alike a text is to the expected one; where several are, to the nearest."""

    kind: Literal["similarity"]
    """Which evaluator."""
    measure: Literal["tokens", "characters", "edits"] = "tokens"
    """`tokens`: F1 over words. `characters`: cosine over three characters in a row, for other spellings.
    `edits`: the share of characters that need no edit, for short texts."""
    at_least: Share | None = None
    """From which on it passes, 0 to 1. Left out, the number is told and nothing is decided."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Similarity(self)


class _Similarity(Plain[SimilaritySettings]):
    def applies(self, case: Case) -> bool:
        return super().applies(case) and bool(self._wanted(case))

    def score(self, case: Case, outcome: Outcome) -> Score:
        text = text_of(found(outcome.output, self.settings.field))
        if text is None:
            return self.rated(0.0, self.settings.at_least, "there is no text")
        wanted = self._wanted(case)
        most = _MOST_EDITED_CHARACTERS if self.settings.measure == "edits" else _MOST_CHARACTERS
        if text not in wanted and max(map(len, [text, *wanted])) > most:
            return self.cannot(
                f"a text of more than {most:,} characters is not compared by {self.settings.measure}"
            )
        measure = MEASURES[self.settings.measure]
        return self.rated(max(measure(text, one) for one in wanted), self.settings.at_least, "")

    def _wanted(self, case: Case) -> list[str]:
        return texts_of(self.settings.wanted(case))
