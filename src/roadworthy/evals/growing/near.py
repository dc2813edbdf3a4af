"""Texts that are nearly the same: `Near` finds, among those it knows, the one most like a new one.

Two texts are as alike as the sets of their five characters in a row (Jaccard), capitals and spaces aside.
Exact, and fast without comparing all pairs: two sets that are at least 90% alike have one of their first
tenths, in any fixed order, in common (prefix filtering, Chaudhuri et al. 2006). Rare pieces stand first, so
that texts of one pattern are told apart early.
"""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from zlib import crc32

NEAR: Final = 0.9
"""From which share of common pieces on two texts count as nearly the same."""
_IN_A_ROW = 5
_MOST_CHARACTERS = 50_000


def text_in(value: Any) -> str:
    """Every name and text in JSON, in order, in one text."""
    return "\n".join(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            for key, inner in sorted(cast("dict[str, Any]", one).items(), reverse=True):
                left += [inner, key]
        elif isinstance(one, list):
            left += reversed(cast("list[Any]", one))
        elif one is not None:
            yield str(one)


class Near:
    """Texts by name, and which of them a new one is most like."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._sets: dict[str, array[int]] = {}
        self._places: dict[int, list[str]] = defaultdict(list)
        self._often: Counter[int] = Counter()
        for text in texts.values():
            self._often.update(_pieces(text))
        for name, text in texts.items():
            self.add(name, text)

    def add(self, name: str, text: str) -> None:
        """Know this text from now on."""
        pieces = _pieces(text)
        self._sets[name] = array("I", pieces)
        for one in self._first(pieces):
            self._places[one].append(name)

    def nearest(self, text: str, *, besides: str = "") -> tuple[str, float] | None:
        """The name of the text most like this one, and how alike they are; None when none is near.

        `besides` is the name of one that does not count.
        """
        pieces = _pieces(text)
        names = {name for one in self._first(pieces) for name in self._places.get(one, ())}
        best: tuple[str, float] | None = None
        for name in sorted(names - {besides}):
            other = self._sets[name]
            if min(len(other), len(pieces)) < NEAR * max(len(other), len(pieces)):
                continue
            common = len(pieces.intersection(other))
            alike = common / (len(pieces) + len(other) - common)
            if alike >= NEAR and (best is None or alike > best[1]):
                best = (name, alike)
        return best

    def _first(self, pieces: frozenset[int]) -> list[int]:
        """As many as two near sets cannot both have without one in common, rare ones first."""
        often = self._often
        ordered = sorted(pieces, key=lambda one: (often[one], one))
        return ordered[: len(pieces) - math.ceil(NEAR * len(pieces)) + 1]


def _pieces(text: str) -> frozenset[int]:
    plain = " ".join(text[:_MOST_CHARACTERS].casefold().split())
    encoded = plain.encode("utf-8", "replace")
    last = max(1, len(encoded) - _IN_A_ROW + 1)
    return frozenset(crc32(encoded[start : start + _IN_A_ROW]) for start in range(last))
