"""What an experiment says, for people at a terminal; `roadworthy.evals.reports` has everything else."""

from typing import TYPE_CHECKING

from roadworthy.cli import terminal
from roadworthy.cli.command import Place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roadworthy.evals import Evals
    from roadworthy.evals.comparison import Difference
    from roadworthy.evals.evaluated import Evaluated
    from roadworthy.evals.judging.pairs import Preferences

_MOST_CASES = 3
"""Of each kind of failure."""
_MOST_DIFFERENT = 10
_STYLES = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def say_changed(name: str, parts: tuple[str, ...]) -> None:
    """Why a suite is run."""
    if parts == ("no baseline",):
        terminal.say(f"{name}: it has no baseline yet.", style="dim")
    else:
        terminal.say(f"{name}: {', '.join(parts)} changed since its baseline.", style="dim")


def say_nothing(place: Place, evals: "Evals", *, changed: bool) -> None:
    """There was nothing to run."""
    if changed and evals.suites:
        terminal.say("Every suite is as its baseline accepted it.")
        return
    terminal.say(f"There are no suites. Make one: {place.command('evals', 'new', 'NAME')}")


def print_suite(
    place: Place, evals: "Evals", evaluated: "list[Evaluated]", written: "Sequence[Path]" = ()
) -> None:
    """What a suite's experiments say, and which files were `written`."""
    from roadworthy.evals.evals import again

    for one in evaluated:
        _print_experiment(one)
    if len(evaluated) > 1:
        before, after = evaluated
        _print_difference(evals.compare(before, after), before, after)
        for one in after.preferences:
            _print_preferences(one)
    last = evaluated[-1]
    if last.stopped:
        terminal.say(f"Stopped: {terminal.clean(last.stopped)}", style="red")
        terminal.say(f"Go on: {place.command(*again(last.plan, last.experiment.id))}")
    for path in written:
        terminal.say(f"Wrote {terminal.clean(path.relative_to(evals.root))}; commit it.")
    terminal.say()


def _print_experiment(one: "Evaluated") -> None:
    from roadworthy.evals.reports import by_evaluator, failures, reason, spent

    verdict, results = one.verdict, one.results
    cost = spent(results)
    saved = f", ${one.experiment.saved_usd:.4f} saved by the tape" if one.experiment.saved_usd else ""
    median = "" if cost.p50_seconds is None else f", {cost.p50_seconds:.2f} s a case"
    terminal.say(f"{one.plan.suite.name}  {one.experiment.variant}  {one.experiment.id}", style="bold")
    terminal.say(
        f"{len(results)} answers to {verdict.cases} cases, {cost.taped} from tape; "
        f"${one.experiment.cost_usd:.4f}{saved}{median}"
    )
    made = terminal.table("evaluator", "passed", "of", "mean", right=("passed", "of", "mean"))
    for row in by_evaluator(results):
        mean = "" if row.mean is None else f"{row.mean:.3f}"
        made.add_row(terminal.clean(row.evaluator), str(row.passed), str(row.of), mean)
    terminal.show(made)
    if verdict.categories:
        terminal.say("Cases that failed by kind, the most frequent kind and the worst cases first:")
        for category, its in failures(results).items():
            terminal.say(f"  {len(its):>4}  {terminal.clean(category)}")
            for failed in its[:_MOST_CASES]:
                said = terminal.clean(reason(failed.result), most=160)
                terminal.say(f"        {terminal.clean(failed.result.case_id)}: {said}", style="dim")
    if verdict.flicker:
        terminal.say(f"{verdict.flicker} cases passed sometimes and failed sometimes.")
    terminal.say(f"Verdict: {verdict.kind.value}", style=_STYLES[verdict.kind.value])
    for ground in verdict.grounds:
        terminal.say(f"  {ground.kind.value:<13}{ground.name}: {terminal.clean(ground.told)}")
    for note in verdict.notes:
        terminal.say(f"  note         {terminal.clean(note)}")


def _print_difference(difference: "Difference", before: "Evaluated", after: "Evaluated") -> None:
    from roadworthy.evals.reports import reason

    terminal.say(f"{_named(before, after)} -> {_named(after, before)}", style="bold")
    terminal.say(difference.told())
    reasons = {result.case_id: result for result in after.results if result.passed is False}
    for title, cases in (("Worse", difference.worse), ("Better", difference.better)):
        for case_id in cases[:_MOST_DIFFERENT]:
            why = terminal.clean(reason(reasons[case_id]), most=160) if case_id in reasons else ""
            terminal.say(f"  {title.lower():<7}{terminal.clean(case_id)}  {why}".rstrip())
        if len(cases) > _MOST_DIFFERENT:
            terminal.say(f"  and {len(cases) - _MOST_DIFFERENT} more {title.lower()}")


def _print_preferences(one: "Preferences") -> None:
    terminal.say(terminal.clean(one.told()))
    for title, cases in (("before", one.losses), ("after", one.wins)):
        for case_id in cases[:_MOST_DIFFERENT]:
            terminal.say(f"  {title:<7}{terminal.clean(case_id)}")
        if len(cases) > _MOST_DIFFERENT:
            terminal.say(f"  and {len(cases) - _MOST_DIFFERENT} more")
    terminal.say(f"  judging these pairs cost ${one.cost_usd:.4f}", style="dim")


def _named(one: "Evaluated", other: "Evaluated") -> str:
    """What an experiment is of, with its commit where the other one is of the same."""
    its = one.experiment
    return f"{its.variant} at {its.commit}" if its.variant == other.experiment.variant else its.variant
