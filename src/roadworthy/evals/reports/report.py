"""What a report is made from: `Report`, one suite's one or two experiments, without any secret.

Everything that people wrote or models said is scrubbed here, once, before any format is made of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from roadworthy.evals.baseline import Baseline
from roadworthy.evals.case import Case
from roadworthy.evals.comparison import Difference
from roadworthy.evals.experiment import Experiment, Result
from roadworthy.evals.judging.pairs import Preferences
from roadworthy.evals.verdict import Verdict

if TYPE_CHECKING:
    from roadworthy.evals.evaluated import Evaluated

T = TypeVar("T")
Scrub = Callable[[str], str]
_MOST_KNOWN = 10_000
"""Texts that were looked at, and need not be again: most of them come many times."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One experiment."""

    experiment: Experiment
    verdict: Verdict
    results: tuple[Result, ...]
    cases: Mapping[str, Case]
    """What it was asked, by the cases' ids."""
    faults: tuple[str, ...]
    """Lines of the data set and of the tape that were not used."""
    baseline: Baseline | None
    stopped: str
    """Why it did not come to its end."""


@dataclass(frozen=True, slots=True)
class Report:
    """One suite."""

    suite: str
    description: str
    min_pass: float
    tags: Mapping[str, float]
    """The share of cases with a tag that has to pass."""
    ran: tuple[Ran, ...]
    difference: Difference | None
    """How the second experiment differs from the first."""
    preferences: tuple[Preferences, ...] = ()
    """Which of the two's answers judges of pairs prefer."""

    @property
    def last(self) -> Ran:
        """The experiment that the suite's verdict is about."""
        return self.ran[-1]


def report_of(evaluated: "Sequence[Evaluated]", difference: Difference | None, scrub: Scrub) -> Report:
    """The report on one suite: one experiment, or two with how they differ."""
    suite = evaluated[0].plan.suite
    return Report(
        suite=suite.name,
        description=scrub(suite.settings.description),
        min_pass=suite.settings.min_pass,
        tags=suite.settings.tags,
        ran=tuple(scrubbed(_ran(one), scrub) for one in evaluated),
        difference=scrubbed(difference, scrub),
        preferences=scrubbed(evaluated[-1].preferences, scrub),
    )


def _ran(one: "Evaluated") -> Ran:
    faults = (*one.plan.dataset.faults, *one.plan.asking.tape.faults)
    return Ran(
        experiment=one.experiment,
        verdict=one.verdict,
        results=one.results,
        cases={case.id: case for case in one.plan.dataset.cases},
        faults=tuple(map(str, faults)),
        baseline=one.baseline,
        stopped=one.stopped,
    )


def scrubbed(value: T, scrub: Scrub) -> T:
    """The same value with every text in it scrubbed, keys included; what has no secret in it stays itself."""
    return cast("T", _scrubbed(value, lru_cache(_MOST_KNOWN)(scrub)))


def _scrubbed(value: Any, scrub: Scrub) -> Any:
    if isinstance(value, str):
        return value if isinstance(value, Enum) else scrub(value)
    if isinstance(value, Mapping):
        named = cast("Mapping[Any, Any]", value)
        pairs = named.items()
        found = [(_scrubbed(name, scrub), _scrubbed(said, scrub)) for name, said in pairs]
        same = all(new is name and it is said for (new, it), (name, said) in zip(found, pairs, strict=True))
        return named if same else dict(found)
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        its = [_scrubbed(one, scrub) for one in items]
        same = all(new is one for new, one in zip(its, items, strict=True))
        return items if same else tuple(its) if isinstance(value, tuple) else its
    if (names := _names(cast("type[Any]", type(value)))) is not None:
        changed = {
            name: said for name in names if (said := _changed(getattr(value, name), scrub)) is not None
        }
        return replace(value, **changed) if changed else value
    return value


def _changed(value: Any, scrub: Scrub) -> Any:
    """A value without its secrets; None where it has none."""
    said = _scrubbed(value, scrub)
    return None if said is value else said


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for other types."""
    return tuple(one.name for one in fields(kind)) if is_dataclass(kind) else None
