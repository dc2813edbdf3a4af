"""Runs an experiment: every case, as often as the suite says, is answered and judged.

    what the tape knows       judged at once, in the order of the data set, some hundred at a time
    what it does not know     asked by a few workers, each case within its time
    what is judged            stored some hundred at a time, so that an interrupted experiment can go on

A budget that is spent stops the experiment; what was answered until then is kept.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from roadworthy.errors import BudgetSpent
from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score
from roadworthy.evals.experiment import Result
from roadworthy.evals.settings import BUDGET
from roadworthy.evals.target import Asked, Outcome, Target

_AT_ONCE = 500

Store = Callable[[Sequence[Result]], Awaitable[None]]
Watch = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at a time, and for how long."""

    concurrency: int = 8
    case_seconds: float = 120
    evaluator_seconds: float = 60


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it."""

    results: tuple[Result, ...]
    """In the order of the data set, repeats in order."""
    stopped: str = ""
    """Why it did not come to its end; empty when it did."""
    late: bool = False
    """Whether something took too long; a function in a thread may still be at it."""


class Runner:
    """Runs cases against one target. One for each experiment."""

    def __init__(
        self,
        target: Target,
        evaluators: Sequence[Evaluator],
        limits: Limits,
        *,
        store: Store,
        watch: Watch | None = None,
    ) -> None:
        """`store` is handed results as they come, `watch` each one for whoever looks on."""
        self._target = target
        self._evaluators = [(one, inspect.iscoroutinefunction(one.score)) for one in evaluators]
        self._at_once = not any(waits for _, waits in self._evaluators)
        self._limits = limits
        self._store = store
        self._watch = watch
        self._found: dict[tuple[str, int], Result] = {}
        self._unstored: list[Result] = []
        self._hashes: dict[str, str] = {}
        self._stopped = ""
        self._late = False

    async def run(self, cases: Sequence[Case], repeats: int, known: Iterable[Result] = ()) -> Ran:
        """Run what has no result yet; `known` are results of an experiment that goes on."""
        self._hashes = {case.id: case.content_hash for case in cases}
        for one in known:
            if self._hashes.get(one.case_id) == one.case_hash:
                self._found[one.case_id, one.repeat] = one
        every = [(case, repeat) for case in cases for repeat in range(repeats)]
        open_ = [(case, repeat) for case, repeat in every if (case.id, repeat) not in self._found]
        try:
            for start in range(0, len(open_), _AT_ONCE):
                if not self._stopped:
                    await self._some(open_[start : start + _AT_ONCE])
                    await self._flush()
        finally:
            await self._flush()
        found = (self._found.get((case.id, repeat)) for case, repeat in every)
        return Ran(tuple(one for one in found if one is not None), self._stopped, self._late)

    async def _some(self, asked: Sequence[Asked]) -> None:
        known = await self._target.recall(asked)
        left: list[tuple[Case, int, Outcome | None]] = []
        for case, repeat in asked:
            outcome = known.get((case.id, repeat))
            if outcome is not None and (self._at_once or not outcome.answered):
                self._end(case, repeat, outcome, self._judged_now(case, outcome))
            else:
                left.append((case, repeat, outcome))
        if not left:
            return
        places = iter(left)

        async def work() -> None:
            for case, repeat, outcome in places:
                if self._stopped:
                    return
                await self._one(case, repeat, outcome)

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(self._limits.concurrency, len(left))):
                workers.create_task(work())

    async def _one(self, case: Case, repeat: int, outcome: Outcome | None) -> None:
        try:
            if outcome is None:
                outcome = await self._answered(case, repeat)
            scores = await self._judged(case, outcome)
        except BudgetSpent as error:  # others under way come to their end, for they are paid
            self._stopped = _why(error)
            return
        self._end(case, repeat, outcome, scores)
        if len(self._unstored) >= _AT_ONCE:
            await self._flush()

    async def _answered(self, case: Case, repeat: int) -> Outcome:
        seconds = self._limits.case_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._target.answer(case, repeat)
        except TimeoutError:
            self._late = True
            return Outcome(
                error="timeout", message=f"No answer within {seconds:g} s.", latency_seconds=seconds
            )

    async def _judged(self, case: Case, outcome: Outcome) -> list[Score]:
        if self._at_once:
            return self._judged_now(case, outcome)
        scores: list[Score] = []
        for evaluator, waits in self._asked(case, outcome):
            seconds = self._limits.evaluator_seconds
            try:
                said = evaluator.score(case, outcome)
                if waits:
                    async with asyncio.timeout(seconds):
                        said = await cast("Awaitable[Score]", said)
                scores.append(_weighed(evaluator, cast("Score", said)))
            except BudgetSpent:
                raise
            except TimeoutError:
                self._late = True
                scores.append(_unable(evaluator, f"it took longer than {seconds:g} s"))
            except Exception as error:  # noqa: BLE001 - an evaluator that stumbles has not judged, which is told
                scores.append(_unable(evaluator, f"{type(error).__name__}: {error}"))
        return scores

    def _judged_now(self, case: Case, outcome: Outcome) -> list[Score]:
        scores: list[Score] = []
        for evaluator, waits in self._asked(case, outcome):
            if waits:
                continue
            try:
                scores.append(_weighed(evaluator, cast("Score", evaluator.score(case, outcome))))
            except Exception as error:  # noqa: BLE001 - as above
                scores.append(_unable(evaluator, f"{type(error).__name__}: {error}"))
        return scores

    def _asked(self, case: Case, outcome: Outcome) -> list[tuple[Evaluator, bool]]:
        """Who judges this outcome; of one without an output only who looks at failures."""
        return [
            (one, waits)
            for one, waits in self._evaluators
            if (outcome.answered or one.judges_failures) and one.applies(case)
        ]

    def _end(self, case: Case, repeat: int, outcome: Outcome, scores: Sequence[Score]) -> None:
        result = Result(case.id, repeat, case.tags, self._hashes[case.id], outcome, tuple(scores))
        self._found[case.id, repeat] = result
        self._unstored.append(result)
        if self._watch is not None:
            self._watch(result)

    async def _flush(self) -> None:
        stored, self._unstored = self._unstored, []
        if stored:
            await self._store(stored)


def _why(error: BudgetSpent) -> str:
    if error.budget == BUDGET:
        return "What is left of its budget (budget_usd in suite.toml) may not be enough for another answer."
    return error.message


def _weighed(evaluator: Evaluator, score: Score) -> Score:
    return score if evaluator.blocks else replace(score, informs=True)


def _unable(evaluator: Evaluator, why: str) -> Score:
    return Score(
        evaluator.name,
        category=f"{evaluator.name} could not judge",
        reason=why,
        error=True,
        informs=not evaluator.blocks,
    )
