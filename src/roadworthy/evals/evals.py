"""`Evals`: the suites of a project, run, compared, and held against what was before; `app.evals`.

run        one experiment: a suite on one variant, on record, with its verdict
compare    two of them, case by case
preferred  which of their answers judges of pairs prefer
changed    the suites whose combination is not that of their baseline
evidence   what says that a combination is good enough to serve
bench      where its judges are compared with people
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from roadworthy.errors import NotFound, StateConflict
from roadworthy.evals import baseline, store, tape
from roadworthy.evals.baseline import Baseline, baseline_of
from roadworthy.evals.comparison import Difference, compared
from roadworthy.evals.evaluated import Evaluated
from roadworthy.evals.evaluators.pairwise import Pairwise
from roadworthy.evals.evidence import evidence, passes, planned
from roadworthy.evals.experiment import SAVED, Experiment, ExperimentStatus, Result, VerdictKind, pass_shares
from roadworthy.evals.fingerprint import differing
from roadworthy.evals.judging import judge_notes, read_record
from roadworthy.evals.judging.calibrate import JUDGES, Bench, versions_of
from roadworthy.evals.judging.pairs import judge_pairs
from roadworthy.evals.notes import notes, unanswered
from roadworthy.evals.plan import Plan, plan
from roadworthy.evals.project import SERVES, Project, Variant, variant_of
from roadworthy.evals.record import cost_of, opened, stop
from roadworthy.evals.reports import Report, report_of
from roadworthy.evals.runner import Limits, Runner
from roadworthy.evals.suite import Suite, find, load_suites
from roadworthy.evals.tape import Mode, Tape
from roadworthy.evals.verdict import judge, with_preferences
from roadworthy.prompts import store as prompt_store
from roadworthy.records import Json


class Evals:
    """The evaluations of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._project.settings.root

    @property
    def environment(self) -> str:
        """Whose settings and releases hold."""
        return self._project.settings.environment

    @property
    def database_url(self) -> str:
        """Where experiments are on record, for another process; it may hold a password."""
        return self._project.settings.database.url

    @property
    def suites(self) -> dict[str, Suite]:
        """Every suite, by name. Raises `ConfigurationError`."""
        return load_suites(self._project.settings.root)

    async def run(
        self,
        name: str,
        variant: Variant = SERVES,
        *,
        mode: Mode = "use",
        resume: str | None = None,
        keep_going: bool = False,
        repeats: int | None = None,
        begun: Callable[[Plan, int], None] | None = None,
        watch: Callable[[Result], None] | None = None,
    ) -> Evaluated:
        """Run a suite on one variant, and judge it against its thresholds and its baseline.

        `resume` goes on with an experiment that was stopped. `begun` is told what will be run and how many
        answers that is, `watch` each result.

        Raises:
            NotFound: There is no such suite, version, route or experiment.
            ConfigurationError: The suite or its data set has faults.
            StateConflict: What is to go on is another combination by now.
        """
        suite = find(self.suites, name)
        before = baseline.read(suite.baseline_file)
        if repeats is not None:
            suite = replace(suite, settings=suite.settings.model_copy(update={"repeats": repeats}))
        experiment_id = resume or self._project.ids.new("exp")
        tapes = Tape(self._project.database, self._project.clock, name, suite.tape_file, mode)
        made = plan(self._project, suite, variant, tapes, experiment_id, keep_going=keep_going)
        made = replace(made, words=variant.words + _words(mode, repeats, keep_going=keep_going))
        experiment, known = await opened(self._project, made, experiment_id, going_on=resume is not None)
        cases, settings = made.dataset.cases, suite.settings
        if begun is not None:
            begun(made, len(cases) * settings.repeats - len(known))

        async def keep(results: Sequence[Result]) -> None:
            await self._project.database.write(lambda tx: store.add_results(tx, experiment_id, results))

        limits = Limits(settings.concurrency, settings.timeout_seconds, settings.evaluator_seconds)
        runner = Runner(made.target, made.evaluators, limits, store=keep, watch=watch)
        try:
            async with made.target.running():
                ran = await runner.run(cases, settings.repeats, known)
        except BaseException:
            await stop(self._project, experiment)
            raise
        finally:
            await made.asking.pipeline.close()
        verdict = judge(settings, ran.results, len(cases), before)
        told = judge_notes(suite, made.evaluators, ran.results, read_record(suite.judges_file))
        verdict = replace(verdict, notes=(*notes(made.evaluators, cases, ran.results), *told))
        experiment = replace(
            experiment,
            status=ExperimentStatus.STOPPED if ran.stopped else ExperimentStatus.FINISHED,
            finished_at=self._project.clock.now_ms(),
            cost_usd=await cost_of(self._project, experiment, ran.results),
            verdict=None if ran.stopped else verdict.kind,
            summary={
                **verdict.as_json(),
                JUDGES: cast("Json", versions_of(made.evaluators)),
                SAVED: str(experiment.saved_usd + tapes.saved_usd),
            },
        )
        await self._project.database.write(lambda tx: store.change(tx, experiment))
        return Evaluated(made, experiment, ran.results, verdict, before, tapes, ran.stopped, ran.late)

    async def recorded(self, name: str, experiment_id: str) -> Evaluated:
        """An experiment that is on record, judged by today's thresholds. Raises `NotFound`."""
        database, suite = self._project.database, find(self.suites, name)
        experiment = await database.read(lambda tx: store.get(tx, experiment_id))
        results = tuple(await database.read(lambda tx: store.results(tx, experiment_id)))
        before = baseline.read(suite.baseline_file)
        verdict = judge(suite.settings, results, experiment.cases, before)
        stopped = "" if experiment.status is ExperimentStatus.FINISHED else "it has not come to its end"
        tapes = Tape(database, self._project.clock, name, None, "off")
        return Evaluated(planned(self._project, suite), experiment, results, verdict, before, tapes, stopped)

    def compare(self, before: Evaluated, after: Evaluated) -> Difference:
        """How the second differs from the first."""
        hashes = [{one.case_id: one.case_hash for one in its.results} for its in (before, after)]
        return compared(pass_shares(before.results), pass_shares(after.results), hashes[0], hashes[1])

    async def preferred(self, before: Evaluated, after: Evaluated, mode: Mode = "use") -> Evaluated:
        """The second of two with what the suite's judges of pairs say of both, and its verdict with that.

        What that costs counts into the second's budget. A judge that decides, as people's labels let it, is a
        ground of the verdict; one that informs is a note.
        """
        suite, database = after.plan.suite, self._project.database
        if not any(isinstance(one, Pairwise) for one in after.plan.evaluators):
            return after
        tapes = Tape(database, self._project.clock, suite.name, suite.tape_file, mode)
        made = plan(self._project, suite, SERVES, tapes, after.experiment.id, keep_going=True)
        now_ms = self._project.clock.now_ms()
        await database.write(lambda tx: prompt_store.keep_texts(tx, made.texts, now_ms))
        cases, record = {one.id: one for one in made.dataset.cases}, read_record(suite.judges_file)
        try:
            said = [
                await judge_pairs(one, cases, before.results, after.results, suite.settings, record)
                for one in made.evaluators
                if isinstance(one, Pairwise)
            ]
        finally:
            await made.asking.pipeline.close()
        after.tape.used |= tapes.used
        cost_usd = await cost_of(self._project, after.experiment, after.results)
        saved_usd = after.experiment.saved_usd + tapes.saved_usd
        summary = {**after.experiment.summary, SAVED: str(saved_usd)}
        experiment = replace(after.experiment, cost_usd=cost_usd, summary=summary)
        await database.write(lambda tx: store.change(tx, experiment))
        verdict = with_preferences(after.verdict, said)
        return replace(after, experiment=experiment, verdict=verdict, preferences=tuple(said))

    def report(self, evaluated: Sequence[Evaluated]) -> Report:
        """What is reported of a suite's one experiment, or of two and how they differ; without any secret."""
        difference = self.compare(*evaluated) if len(evaluated) > 1 else None
        return report_of(evaluated, difference, self._project.scrub)

    def changed(self, names: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
        """The suites that are not what their baseline accepted, each with the parts that changed.

        A suite without a baseline has changed altogether. Raises `NotFound` for a name that is none.
        """
        found: dict[str, tuple[str, ...]] = {}
        suites = self.suites
        for name in names or suites:
            suite = find(suites, name)
            made = planned(self._project, suite)
            before = baseline.read(suite.baseline_file)
            parts = ("no baseline",) if before is None else differing(before.parts, made.parts)
            if parts:
                found[name] = parts
        return found

    def accept(self, evaluated: Evaluated) -> Path:
        """Make an experiment its suite's baseline; the file is to be committed.

        Raises `StateConflict` for one that did not come to its end, or in which answers are missing: what
        counts as failed in a baseline could never get worse.
        """
        if evaluated.stopped:
            raise StateConflict(
                f"{evaluated.experiment.id} did not come to its end: {evaluated.stopped}",
                hint=f"Go on: roadworthy {shlex.join(again(evaluated.plan, evaluated.experiment.id))}",
            )
        missing = unanswered(evaluated.results)
        if missing:
            raise StateConflict(
                f"{missing.total()} of its {len(evaluated.results)} answers are missing, for no model "
                "could be asked: this is no baseline.",
                hint="Run it again when the models can be asked; what was answered is on tape.",
            )
        path = evaluated.plan.suite.baseline_file
        baseline.write(path, baseline_of(evaluated.experiment, evaluated.results))
        return path

    def write_tape(self, evaluated: Sequence[Evaluated]) -> Path:
        """Write what a suite's experiments were answered into its file, for machines without a model."""
        path = evaluated[0].plan.suite.tape_file
        tape.write(path, {key: said for one in evaluated for key, said in one.tape.used.items()})
        return path

    def variant(self, name: str, said: str | None) -> Variant:
        """What a word on the command line names of a suite's target. Raises `NotFound`."""
        if said is None:
            return SERVES
        kind, target = find(self.suites, name).target
        found = variant_of(said, self._project, target if kind == "prompt" else None)
        if found is None:
            raise NotFound(f"{said!r} is no version, route or model that suite {name!r} could be run on.")
        return found

    def bench(self, name: str, judge: str | None = None) -> Bench:
        """Where the judges of a suite are compared with people. Raises `NotFound`, `ConfigurationError`."""
        suite = find(self.suites, name)
        tapes = Tape(self._project.database, self._project.clock, name, suite.tape_file, "use")
        made = plan(self._project, suite, SERVES, tapes, self._project.ids.new("exp"), keep_going=True)
        return Bench(self._project, made, judge)

    def evidence(self, prompt_id: str, label: str) -> Experiment | Baseline | None:
        """What says whether this version of a prompt passes as it would serve here and now.

        The newest experiment of exactly this combination, else the baseline where it is of this combination.
        Of several suites of a prompt: one that does not pass, else None where one was not run, else the last.
        """
        found = [evidence(self._project, suite, label) for suite in self._suites_of(prompt_id)]
        against = (one for one in found if one is not None and one.verdict is not VerdictKind.PASS)
        return next(against, None if not found or None in found else found[-1])

    def missing(self, prompt_id: str, label: str) -> tuple[str, ...]:
        """The suites of a prompt that say nothing of this version, or not that it passes."""
        suites = self._suites_of(prompt_id)
        return tuple(suite.name for suite in suites if not passes(self._project, suite, label))

    def _suites_of(self, prompt_id: str) -> list[Suite]:
        return [suite for suite in self.suites.values() if suite.target == ("prompt", prompt_id)]


def again(plan: Plan, experiment_id: str) -> list[str]:
    """The command that goes on with an experiment, without the program's name."""
    return ["eval", plan.suite.name, *plan.words, "--resume", experiment_id]


def _words(mode: Mode, repeats: int | None, *, keep_going: bool) -> tuple[str, ...]:
    words = () if mode == "use" else ("--tape", mode)
    words += () if repeats is None else ("--repeats", str(repeats))
    return (*words, "--keep-going") if keep_going else words
