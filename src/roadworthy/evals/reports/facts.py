"""What every format tells of an experiment: scores by evaluator and by tag, failures, cost and latency."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from roadworthy.evals.case import Tag
from roadworthy.evals.experiment import Result, by_case, pass_shares

_GRAVE = frozenset({Tag.HIGH_RISK.value, Tag.MUST_REFUSE.value, Tag.MUST_ESCALATE.value})


@dataclass(frozen=True, slots=True)
class Scored:
    """What one evaluator said."""

    evaluator: str
    passed: int
    of: int
    """Answers that it said yes or no of."""
    mean: float | None
    """Of the numbers that it gave; None without any."""
    errors: int
    """Answers that it could not judge."""
    informs: bool
    """Whether its no fails no case."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """The cases with one tag."""

    tag: str
    share: float
    """Of their answers, those that passed; each case counts once."""
    cases: int
    wanted: float | None
    """The share that has to pass; None where nothing is asked for."""


@dataclass(frozen=True, slots=True)
class Failed:
    """One case that failed, at least once."""

    result: Result
    """The first answer that failed."""
    passed: int
    answers: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What answers cost and how long they took, when they were recorded."""

    usd: Decimal
    """All of them together."""
    usd_per_case: Decimal
    p50_seconds: float | None
    p95_seconds: float | None
    input_tokens: int
    output_tokens: int
    taped: int
    """Answers that came from the tape."""


def by_evaluator(results: Iterable[Result]) -> list[Scored]:
    """A row for each evaluator, in the order in which they judged."""
    rows: dict[str, list[Scored]] = {}
    values: dict[str, list[float]] = {}
    for result in results:
        for score in result.scores:
            said = score.passed is not None
            one = Scored(score.evaluator, bool(score.passed), said, None, score.error, score.informs)
            rows.setdefault(score.evaluator, []).append(one)
            if score.value is not None:
                values.setdefault(score.evaluator, []).append(score.value)
    return [
        Scored(
            evaluator=name,
            passed=sum(one.passed for one in its),
            of=sum(one.of for one in its),
            mean=math.fsum(values[name]) / len(values[name]) if name in values else None,
            errors=sum(one.errors for one in its),
            informs=all(one.informs for one in its),
        )
        for name, its in rows.items()
    ]


def by_tag(results: Sequence[Result], wanted: Mapping[str, float]) -> list[Tagged]:
    """A row for each tag of a case that was judged, those with a threshold first."""
    shares = pass_shares(results)
    found: dict[str, dict[str, float]] = {tag: {} for tag in wanted}
    for result in results:
        for tag in result.tags if result.case_id in shares else ():
            found.setdefault(tag, {})[result.case_id] = shares[result.case_id]
    return [
        Tagged(tag, math.fsum(its.values()) / len(its), len(its), wanted.get(tag))
        for tag, its in found.items()
        if its
    ]


def failures(results: Sequence[Result]) -> dict[str, list[Failed]]:
    """Cases that failed, by category, the most frequent first; in each, the worst case first.

    Worse is what fails more often, what is tagged as grave, and what has the lower values.
    """
    found: dict[str, list[Failed]] = {}
    for its in by_case(results).values():
        first: dict[str, Result] = {}
        for one in its:
            if one.passed is False:
                first.setdefault(one.category, one)
        passed = sum(one.passed is True for one in its)
        for category, one in first.items():
            found.setdefault(category, []).append(Failed(one, passed, len(its)))
    frequent = sorted(found.items(), key=lambda item: -len(item[1]))
    return {category: sorted(its, key=_badness) for category, its in frequent}


def _badness(failed: Failed) -> tuple[float, bool, float]:
    values = [one.value for one in failed.result.scores if one.passed is False and one.value is not None]
    grave = bool(_GRAVE & {*failed.result.tags})
    return failed.passed / failed.answers, not grave, min(values, default=1.0)


def reason(result: Result) -> str:
    """Why an answer failed, as its first evaluator or the failure itself says; empty when it passed."""
    if result.passed is not False:
        return ""
    no = (one for one in result.scores if not one.informs and (one.passed is False or one.error))
    score = next(no, None)
    return score.reason if score is not None else result.outcome.message


def spent(results: Sequence[Result]) -> Spent:
    """Cost, time and tokens of all answers."""
    usd = sum((one.outcome.cost_usd for one in results), Decimal(0))
    seconds = latencies(results)
    return Spent(
        usd=usd,
        usd_per_case=usd / max(1, len({one.case_id for one in results})),
        p50_seconds=quantile(seconds, 0.5),
        p95_seconds=quantile(seconds, 0.95),
        input_tokens=sum(one.outcome.usage.input_tokens for one in results),
        output_tokens=sum(one.outcome.usage.output_tokens for one in results),
        taped=sum(one.outcome.taped for one in results),
    )


def latencies(results: Iterable[Result]) -> list[float]:
    """Seconds of the answers that came, the shortest first."""
    return sorted(one.outcome.latency_seconds for one in results if one.outcome.answered)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share does not exceed; None of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
