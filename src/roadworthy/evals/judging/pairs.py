"""Which of two experiments' answers a judge of pairs prefers, case by case: `judge_pairs`, `Preferences`.

Each pair of answers is judged in both orders, and one wins only where both orders say so: all else is a tie.
Answers that are the same tie without being asked about. A case with repeats counts once, with the majority of
its pairs. The judge informs, until people's labels tell enough of the same answers apart as it does: where
they passed one answer of a pair and failed the other, they prefer the one that they passed.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from roadworthy.errors import BudgetSpent
from roadworthy.evals.case import Case
from roadworthy.evals.evaluators.pairwise import Pairwise, Preference, Side
from roadworthy.evals.experiment import Result
from roadworthy.evals.judging.labels import Key
from roadworthy.evals.judging.record import Record
from roadworthy.evals.statistics import cases_needed, cohen_kappa, mcnemar, tango
from roadworthy.evals.suite import JudgesSettings, SuiteSettings
from roadworthy.records import Json

CONFIDENCE = 0.95
_SAME = Preference("tie", ("tie", "tie"))
_TURNED: Mapping[Side, Side] = {"first": "second", "second": "first", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one judge of pairs says of two experiments."""

    judge: str
    losses: tuple[str, ...]
    """Cases whose answer before is preferred."""
    wins: tuple[str, ...]
    """Cases whose answer after is preferred."""
    ties: int
    """Cases of which neither is, those with the same answers included."""
    same: int
    """Pairs of answers that are the same."""
    flipped: int
    """Pairs of which its word hung on the order; they are ties."""
    silent: int
    """Pairs of which it gave no word that can be used, or was not asked any more."""
    lower: float
    upper: float
    """The two-sided 95% interval of wins less losses, as a share of cases (Tango's)."""
    p_value: float
    """How probable so uneven wins and losses are if neither is better: the sign test, mid-p."""
    needs_more: int | None
    """About how many cases more would tell, where chance may explain it."""
    cost_usd: Decimal
    """What judging cost now."""
    saved_usd: Decimal
    """What its words that came from the tape cost when they were recorded."""
    informs: str
    """Why it decides nothing; empty where it decides."""
    stopped: str = ""
    """Why not all pairs were judged."""

    @property
    def cases(self) -> int:
        """Cases that it judged."""
        return len(self.wins) + len(self.losses) + self.ties

    @property
    def worse(self) -> bool:
        """Whether the answers after are worse, by more than chance explains."""
        return len(self.losses) > len(self.wins) and self.p_value < 1 - CONFIDENCE

    @property
    def difference(self) -> float:
        """Wins less losses, as a share of cases."""
        return (len(self.wins) - len(self.losses)) / self.cases if self.cases else 0.0

    def told(self) -> str:
        """In a sentence or two."""
        stopped = f" It stopped: {self.stopped}" if self.stopped else ""
        if not self.cases:
            return f"{self.judge} judged no pair of answers.{stopped}"
        said = (
            f"{self.judge} prefers the answer before in {len(self.losses)} of {self.cases} cases, the answer "
            f"after in {len(self.wins)}, neither in {self.ties}: {self.difference:+.1%} "
            f"({self.lower:+.1%} to {self.upper:+.1%}, p = {self.p_value:.3f})"
        )
        if self.needs_more is not None:
            said += f"; chance may explain it, about {self.needs_more:,} cases more would tell"
        hung = f" {self.flipped} pairs hung on the order." if self.flipped else ""
        silent = f" Of {self.silent} pairs it said nothing." if self.silent else ""
        return f"{said}.{hung}{silent}{stopped}"

    def as_json(self) -> dict[str, Json]:
        """For records and reports."""
        names = ("judge", "ties", "same", "flipped", "silent", "cases", "difference", "lower", "upper")
        told: dict[str, Json] = {
            name: getattr(self, name) for name in (*names, "p_value", "needs_more", "informs", "stopped")
        }
        money: dict[str, Json] = {"cost_usd": str(self.cost_usd), "saved_usd": str(self.saved_usd)}
        return {**told, **money, "losses": list(self.losses), "wins": list(self.wins)}


async def judge_pairs(
    judge: Pairwise,
    cases: Mapping[str, Case],
    before: Sequence[Result],
    after: Sequence[Result],
    settings: SuiteSettings,
    record: Record,
) -> Preferences:
    """What a judge of pairs says of the answers of two experiments to the same cases."""
    pairs = _pairs(judge, cases, before, after)
    found: dict[Key, Preference] = {}
    stopped = ""
    places = iter(pairs.items())

    async def work() -> None:
        nonlocal stopped
        for key, (one, other) in places:
            if stopped:
                return
            try:
                found[key] = await _preferred(judge, cases[key[0]], one, other, settings.evaluator_seconds)
            except BudgetSpent as error:
                stopped = error.message

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(settings.concurrency, len(pairs))):
            workers.create_task(work())
    found = {key: found[key] for key in pairs if key in found}  # in the order of the data set again
    counted = _counted(judge.name, found, len(pairs), stopped)
    labels = record.labels_of(before), record.labels_of(after)
    informs = "set to inform" if judge.settings.informs else _why_not(found, *labels, settings.judges)
    return replace(counted, informs=informs)


def _pairs(
    judge: Pairwise, cases: Mapping[str, Case], before: Sequence[Result], after: Sequence[Result]
) -> dict[Key, tuple[Result, Result]]:
    """Answers to the same case, repeat by repeat; where one of them failed there is no pair."""
    known = {(one.case_id, one.repeat): one for one in before if one.outcome.answered}
    return {
        key: (known[key], one)
        for one in after
        if (key := (one.case_id, one.repeat)) in known
        and one.outcome.answered
        and known[key].case_hash == one.case_hash
        and one.case_id in cases
        and judge.compares(cases[one.case_id])
    }


async def _preferred(
    judge: Pairwise, case: Case, before: Result, after: Result, seconds: float
) -> Preference:
    if before.outcome.output == after.outcome.output:
        return _SAME
    try:
        async with asyncio.timeout(seconds):
            return await judge.prefer(case, before.outcome, after.outcome)
    except TimeoutError:
        return Preference("tie", (None, None))


def _counted(judge: str, found: Mapping[Key, Preference], pairs: int, stopped: str) -> Preferences:
    words: dict[str, Counter[Side]] = {}
    heard = {key: one for key, one in found.items() if None not in one.said}
    for (case, _), one in heard.items():
        words.setdefault(case, Counter())[one.better] += 1
    leaning = {case: its["second"] - its["first"] for case, its in words.items()}
    losses = sorted((case for case, by in leaning.items() if by < 0), key=lambda case: leaning[case])
    wins = sorted((case for case, by in leaning.items() if by > 0), key=lambda case: -leaning[case])
    total, p_value = len(words), mcnemar(len(wins), len(losses))
    interval = tango(len(wins), len(losses), total, confidence=CONFIDENCE)
    needs = None
    if total and p_value >= 1 - CONFIDENCE:
        wanted = cases_needed((len(wins) + len(losses)) / total, (len(wins) - len(losses)) / total)
        needs = None if wanted is None else max(1, wanted - total)
    return Preferences(
        judge=judge,
        losses=tuple(losses),
        wins=tuple(wins),
        ties=total - len(wins) - len(losses),
        same=sum(one is _SAME for one in heard.values()),
        flipped=sum(one.flipped for one in heard.values()),
        silent=pairs - len(heard),
        lower=interval.low,
        upper=interval.high,
        p_value=p_value,
        needs_more=needs,
        cost_usd=sum((one.cost_usd for one in found.values()), Decimal(0)),
        saved_usd=sum((one.saved_usd for one in found.values()), Decimal(0)),
        informs="",
        stopped=stopped,
    )


def _why_not(
    found: Mapping[Key, Preference],
    before: Mapping[Key, bool],
    after: Mapping[Key, bool],
    rules: JudgesSettings,
) -> str:
    """Why the judge may not decide; empty when it may."""
    people: dict[Key, Side] = {
        key: "second" if after[key] else "first"
        for key in found
        if key in before and key in after and before[key] != after[key] and None not in found[key].said
    }
    if len(people) < rules.min_labels:
        return (
            f"people's labels tell {len(people)} of these pairs apart, and {rules.min_labels} are asked for"
        )
    # Which of two comes first says nothing: each pair counts in both orders.
    here: list[tuple[Side, Side]] = [(found[key].better, side) for key, side in people.items()]
    words = [*here, *((_TURNED[word], _TURNED[side]) for word, side in here)]
    kappa = cohen_kappa([word for word, _ in words], [side for _, side in words]).value or 0.0
    if kappa < rules.min_kappa:
        return f"it agrees with people too little: kappa {kappa:.2f}, {rules.min_kappa:g} is asked for"
    return ""
