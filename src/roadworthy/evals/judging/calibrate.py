"""Compares the judges of a suite with people, and keeps what that says: `Bench`.

experiment   the newest in which the judges, as they are now, judged; or the one that is named
labels       from a file, matched with its outputs
compared     each judge against people
position     a pairwise judge, asked in both orders about the outputs of two experiments
keep         judges.json, by which a judge may decide from now on
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roadworthy.errors import NotFound, StateConflict, did_you_mean
from roadworthy.evals import store
from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator
from roadworthy.evals.evaluators.judge import Judge
from roadworthy.evals.evaluators.pairwise import Pairwise
from roadworthy.evals.experiment import Experiment, Result
from roadworthy.evals.judging.compare import Compared, compare
from roadworthy.evals.judging.labels import Label, Matched, matched, output_hash, require_both_kinds
from roadworthy.evals.judging.record import Known, Record, read_record, write_record
from roadworthy.evals.judging.sheet import write_sheet
from roadworthy.evals.plan import Plan
from roadworthy.evals.project import Project
from roadworthy.evals.statistics import PositionBias, Preferred, position_bias
from roadworthy.evals.suite import Suite
from roadworthy.evals.target import Outcome
from roadworthy.records import iso

_NEWEST = 50
_MOST_PAIRS = 100
JUDGES = "judges"
"""In an experiment's summary: the version of each judge that took part."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What people's labels say of a suite's judges."""

    experiment: Experiment
    matched: Matched
    judges: tuple[Compared, ...]
    record: Record
    """What `judges.json` says with it."""


def judges_of(evaluators: Sequence[Evaluator]) -> dict[str, Judge]:
    """The judges among evaluators, by name."""
    return {one.name: one for one in evaluators if isinstance(one, Judge)}


def versions_of(evaluators: Sequence[Evaluator]) -> dict[str, str]:
    """Of each judge its version: for an experiment's summary."""
    return {name: one.version for name, one in judges_of(evaluators).items()}


class Bench:
    """Where the judges of one suite are compared with people."""

    def __init__(self, project: Project, made: Plan, judge: str | None = None) -> None:
        """`judge` names one of them. Raises `NotFound` where the suite has no such judge, or none."""
        self._project = project
        self._plan = made
        every = judges_of(made.evaluators)
        name = made.suite.name
        if not every and not self.pairwise:
            raise NotFound(f"Suite {name!r} has no judge.", hint='Give it an evaluator of kind = "judge".')
        if judge is not None and judge not in every:
            raise NotFound(f"Suite {name!r} has no judge {judge!r}.", hint=did_you_mean(judge, every))
        self.judges = every if judge is None else {judge: every[judge]}

    @property
    def suite(self) -> Suite:
        """Whose judges they are."""
        return self._plan.suite

    @property
    def pairwise(self) -> tuple[Pairwise, ...]:
        """Those that say which of two outputs is better."""
        return tuple(one for one in self._plan.evaluators if isinstance(one, Pairwise))

    async def experiment(self, experiment_id: str | None = None) -> tuple[Experiment, list[Result]]:
        """What is to be labelled, or was.

        Raises `NotFound`, and `StateConflict` where no experiment has the word of these judges as they are.
        """
        name = self._plan.suite.name
        if experiment_id is not None:
            found = await self._project.database.read(lambda tx: store.get(tx, experiment_id))
            if found.suite != name or not self._judged(found):
                raise StateConflict(
                    f"In {experiment_id} the judges of {name!r} did not judge as they are now.",
                    hint=f"Run it again: roadworthy eval {name}",
                )
        else:
            newest = await self._project.database.read(
                lambda tx: store.latest(tx, suite=name, finished=True, limit=_NEWEST)
            )
            known = next((one for one in newest if self._judged(one)), None)
            if known is None:
                raise StateConflict(
                    f"No finished experiment of {name!r} has the word of its judges as they are now.",
                    hint=f"Run one: roadworthy eval {name}",
                )
            found = known
        return found, await self._project.database.read(lambda tx: store.results(tx, found.id))

    def _judged(self, experiment: Experiment) -> bool:
        said = experiment.summary.get(JUDGES)
        return isinstance(said, dict) and all(
            said.get(name) == its.version for name, its in self.judges.items()
        )

    async def compare(self, labels: Sequence[Label], experiment_id: str | None = None) -> Calibrated:
        """Each judge against these labels; those of pairs are compared with them where they are asked.

        Raises `InvalidInput` for labels of unknown cases, of no output of the experiment, or of one kind.
        """
        experiment, results = await self.experiment(experiment_id)
        found = matched(labels, results)
        before = read_record(self._plan.suite.judges_file).labels_of(results)  # labels add up
        found = Matched({**before, **found.labels}, found.others)
        require_both_kinds(found.labels)
        compared = tuple(
            compare(name, one.version, results, found.labels) for name, one in self.judges.items()
        )
        return Calibrated(experiment, found, compared, self._record(experiment, results, found, compared))

    def _record(
        self, experiment: Experiment, results: Sequence[Result], found: Matched, compared: Sequence[Compared]
    ) -> Record:
        before = read_record(self._plan.suite.judges_file)
        made_at = iso(self._project.clock.now_ms())
        judges = dict(before.judges)
        for one in compared:
            its = one.agreement
            interval = its.kappa.interval
            judges[one.name] = Known(
                name=one.name,
                version=one.version,
                labels=its.cases,
                kappa=its.kappa.value or 0.0,  # both kinds of labels are there, so that it has a value
                kappa_low=interval.low if interval else -1.0,
                kappa_high=interval.high if interval else 1.0,
                sensitivity=its.sensitivity,
                specificity=its.specificity,
                bias_points=its.bias_points,
                experiment=experiment.id,
                made_at=made_at,
            )
        hashes = {(one.case_id, one.repeat): output_hash(one.outcome) for one in results}
        labels = {case: dict(its) for case, its in before.labels.items()}
        for key, passed in found.labels.items():
            labels.setdefault(key[0], {})[hashes[key]] = passed
        return Record(judges, labels)

    def keep(self, calibrated: Calibrated) -> Path:
        """Write `judges.json`; the file is to be committed."""
        path = self._plan.suite.judges_file
        write_record(path, calibrated.record)
        return path

    async def sheet(self, path: Path, size: int, experiment_id: str | None = None) -> tuple[Experiment, int]:
        """Write outputs that people are to label, drawn at random; returns whose and how many."""
        experiment, results = await self.experiment(experiment_id)
        cases = {one.id: one for one in self._plan.dataset.cases}
        judged = [
            one
            for one in results
            if not self.judges or any(score.evaluator in self.judges for score in one.scores)
        ]
        return experiment, write_sheet(path, judged, cases, size, experiment.id)

    async def positions(self) -> dict[str, PositionBias]:
        """Of each judge of pairs, how far its word hangs on which output it is shown first.

        The pairs are outputs of the newest experiment and of one before it that differ. Raises
        `StateConflict` where there are none.
        """
        if not self.pairwise:
            return {}
        pairs = await self._pairs()
        found: dict[str, PositionBias] = {}
        try:
            for judge in self.pairwise:
                said = [await judge.prefer(*pair) for pair in pairs]
                found[judge.name] = position_bias(
                    (one.said[0], _by_position(one.said[1]))
                    for one in said
                    if one.said[0] is not None and one.said[1] is not None
                )
        finally:
            await self._plan.asking.pipeline.close()
        return found

    async def _pairs(self) -> list[tuple[Case, Outcome, Outcome]]:
        name = self._plan.suite.name
        newest = await self._project.database.read(
            lambda tx: store.latest(tx, suite=name, finished=True, limit=_NEWEST)
        )
        cases = {one.id: one for one in self._plan.dataset.cases}
        outcomes: list[dict[str, Outcome]] = []
        for one in newest:
            results = await self._project.database.read(lambda tx, one=one: store.results(tx, one.id))
            outcomes.append({its.case_id: its.outcome for its in results if its.repeat == 0})
            differing = [
                (cases[case], outcomes[0][case], outcome)
                for case, outcome in outcomes[-1].items()
                if case in cases
                and case in outcomes[0]
                and outcome.answered
                and outcomes[0][case].answered
                and outcome.output != outcomes[0][case].output
            ]
            if differing:
                size = min(_MOST_PAIRS, len(differing))
                return random.Random(newest[0].id).sample(differing, size)  # noqa: S311 - no secret
        raise StateConflict(
            f"There are no two experiments of {name!r} with other outputs, of which pairs could be judged.",
            hint=f"Run it on another version, route or model: roadworthy eval {name} --on NAME",
        )


def _by_position(side: Preferred) -> Preferred:
    """Which place was named when the second output stood first."""
    return "second" if side == "first" else "first" if side == "second" else side
