"""The record of an experiment: one suite, one variant, every case, at one moment; and of each result.

    running --> finished | stopped;  stopped --> running        (docs/states.md)

An experiment that was interrupted goes on where it stopped: results are stored as they come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from roadworthy.evals.evaluator import Score
from roadworthy.evals.target import Outcome
from roadworthy.records import Json

SAVED = "saved_usd"
"""In an experiment's summary: what the tape saved."""


class ExperimentStatus(StrEnum):
    """Where an experiment stands."""

    RUNNING = "running"
    """Cases are under way, or its process died; it can go on."""
    FINISHED = "finished"
    """Every case has its results."""
    STOPPED = "stopped"
    """Its budget was spent, or somebody stopped it; it can go on."""


class VerdictKind(StrEnum):
    """What an experiment says."""

    PASS = "pass"  # noqa: S105 - not a password
    """Good enough, as far as chance lets one say."""
    FAIL = "fail"
    """Not good enough, or worse than before."""
    INCONCLUSIVE = "inconclusive"
    """Too few cases to say either."""


@dataclass(frozen=True, slots=True)
class Result:
    """One case, once."""

    case_id: str
    repeat: int
    """0 for the first time."""
    tags: tuple[str, ...]
    case_hash: str
    outcome: Outcome
    scores: tuple[Score, ...] = ()

    @property
    def passed(self) -> bool | None:
        """Whether every evaluator that says yes or no said yes; None where none applied."""
        said = [one.passed for one in self._deciding if one.passed is not None or one.error]
        if not self.outcome.answered:  # unless that is what somebody expects
            return bool(said) and all(said)
        return all(said) if said else None

    @property
    def category(self) -> str:
        """The kind of the first failure; empty when it passed."""
        if self.passed is not False:
            return ""
        failed = [one for one in self._deciding if one.passed is False or one.error]
        if not self.outcome.answered and not failed:
            return self.outcome.error
        return failed[0].category or failed[0].evaluator

    @property
    def _deciding(self) -> list[Score]:
        return [score for score in self.scores if not score.informs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One suite run over one variant."""

    id: str
    suite: str
    variant: str
    """What was evaluated, for people: `draft-reply@v2`, `draft-reply@v2 by route small`."""
    status: ExperimentStatus
    parts: dict[str, str]
    """What the combination was made of; see `fingerprint.py`."""
    fingerprint: str
    """SHA-256 of `parts`: the combination's true name."""
    cases: int
    repeats: int
    environment: str
    """Whose settings it took."""
    prompt_hash: str = ""
    """The content of the prompt's version, where a prompt was evaluated."""
    commit: str = ""
    """The project's commit, with `+` for changes that are not committed; empty outside of git."""
    started_at: int
    finished_at: int | None = None
    cost_usd: Decimal = Decimal(0)
    """What it cost now; what came from the tape cost nothing."""
    verdict: VerdictKind | None = None
    summary: dict[str, Json] = field(default_factory=dict[str, Json])
    """The verdict with its grounds, as JSON; see `verdict.py`."""

    @property
    def saved_usd(self) -> Decimal:
        """What the answers that came from the tape cost when they were recorded, judges' included."""
        return Decimal(str(self.summary.get(SAVED, 0)))


def by_case(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by case, in the order of the data set, repeats in order."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.case_id, []).append(result)
    return {case_id: sorted(its, key=lambda one: one.repeat) for case_id, its in found.items()}


def pass_shares(results: Sequence[Result]) -> dict[str, float]:
    """Of each case that was judged, the share of its answers that passed."""
    found: dict[str, float] = {}
    for case_id, its in by_case(results).items():
        said = [one.passed for one in its if one.passed is not None]
        if said:
            found[case_id] = sum(said) / len(said)
    return found
