"""From drafts to cases: without secrets, without those that are there already, with ids of their own."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, cast

from roadworthy.evals.case import Case, digest
from roadworthy.evals.growing.near import Near, text_in
from roadworthy.evals.growing.sources import Draft
from roadworthy.records import Json

_MOST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Known:
    """A draft that is no new case."""

    source: str
    case_id: str
    """The case that it equals."""
    alike: float
    """How much, 0 to 1; 1 is the same."""
    differs: bool = False
    """Whether people expect something else of it than that case does."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What came of drafts."""

    cases: tuple[Case, ...]
    known: tuple[Known, ...]
    scrubbed: int
    """Texts in which secrets were found, and replaced."""


def grow(
    existing: Sequence[Case],
    drafts: Sequence[Draft],
    *,
    scrub: Callable[[str], str],
    tags: Collection[str] = (),
    expected: Json = None,
    near_too: bool = False,
) -> Grown:
    """New cases from `drafts`; `near_too` takes those that only nearly equal one.

    `expected` is what all of them expect, in the place of what people said.
    """
    same: dict[str, Case] = {}
    for case in existing:
        same.setdefault(digest(case.inputs), case)
    names = {case.id for case in existing}
    near = Near({case.id: text_in(case.inputs) for case in existing})
    cases: list[Case] = []
    known: list[Known] = []
    scrubbed = _Counting(scrub)
    for draft in drafts:
        case = _case(draft, scrubbed, tags, expected, names)
        found = _known(case, same, near, near_too=near_too)
        if found is not None:
            known.append(found)
            continue
        cases.append(case)
        names.add(case.id)
        same[digest(case.inputs)] = case
        near.add(case.id, text_in(case.inputs))
    return Grown(tuple(cases), tuple(known), scrubbed.found)


def _known(case: Case, same: dict[str, Case], near: Near, *, near_too: bool) -> Known | None:
    equal = same.get(digest(case.inputs))
    if equal is not None:
        differs = case.expected is not None and digest(case.expected) != digest(equal.expected)
        return Known(case.source, equal.id, 1.0, differs)
    found = None if near_too else near.nearest(text_in(case.inputs))
    return None if found is None else Known(case.source, *found)


def _case(
    draft: Draft, scrub: "_Counting", tags: Collection[str], expected: Json, names: Collection[str]
) -> Case:
    wanted = expected if expected is not None else scrub.value(draft.expected)
    return Case(
        id=_named(draft.source, names),
        inputs=cast("dict[str, Any]", scrub.value(draft.inputs)),
        expected=wanted,
        tags=tuple(dict.fromkeys(tags)),
        source=draft.source,
        note=scrub.text(draft.note)[:_MOST_NOTE],
    )


def _named(source: str, names: Collection[str]) -> str:
    """A short id that says where the case comes from: `run-1a2b3c4d`."""
    kind, _, digits = source.partition("_")
    base = f"{kind}-{digits[-8:]}"
    candidates = chain((base,), (f"{base}-{number}" for number in count(2)))
    return next(name for name in candidates if name not in names)


class _Counting:
    """A scrubber for whole values, which counts the texts that it had to change."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub
        self.found = 0

    def text(self, text: str) -> str:
        clean = self._scrub(text)
        self.found += clean != text
        return clean

    def value(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(one) for key, one in value.items()}
        return [self.value(one) for one in value] if isinstance(value, list) else value
