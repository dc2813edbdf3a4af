"""What an experiment says, for people and as a document."""

from typing import TYPE_CHECKING, Any

from roadworthy.cli import terminal
from roadworthy.cli.command import Place

if TYPE_CHECKING:
    from roadworthy.evals import Evals, Result
    from roadworthy.evals.comparison import Difference
    from roadworthy.evals.evals import Evaluated

_MOST_CASES = 3
"""Of each kind of failure."""
_MOST_DIFFERENT = 10
_STYLES = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def say_changed(name: str, parts: tuple[str, ...]) -> None:
    """Why a suite is run."""
    terminal.say(f"{name}: {', '.join(parts)} changed since its baseline.", style="dim")


def say_nothing(place: Place, *, changed: bool) -> None:
    """There was nothing to run."""
    if changed:
        terminal.say("Every suite is as its baseline accepted it.")
        return
    terminal.say(f"There are no suites. Make one: {place.command('evals', 'new', 'NAME')}")


def print_suite(place: Place, evals: "Evals", evaluated: "list[Evaluated]") -> None:
    """What a suite's experiments say."""
    for one in evaluated:
        _print_experiment(one)
    if len(evaluated) > 1:
        before, after = evaluated
        _print_difference(evals.compare(before, after), before, after)
    last = evaluated[-1]
    if last.stopped:
        terminal.say(f"Stopped: {terminal.clean(last.stopped)}", style="red")
        resume = place.command("eval", last.plan.suite.name, "--resume", last.experiment.id)
        terminal.say(f"Go on: {resume}")
    terminal.say()


def document(evals: "Evals", evaluated: "list[Evaluated]") -> dict[str, Any]:
    """The same for programs."""
    told: dict[str, Any] = {
        "suite": evaluated[0].plan.suite.name,
        "experiments": [_document(one) for one in evaluated],
    }
    if len(evaluated) > 1:
        told["difference"] = evals.compare(evaluated[0], evaluated[1]).as_json()
    return told


def _document(one: "Evaluated") -> dict[str, Any]:
    return {
        "id": one.experiment.id,
        "variant": one.experiment.variant,
        "status": one.experiment.status.value,
        "stopped": one.stopped,
        "fingerprint": one.experiment.fingerprint,
        "cost_usd": str(one.experiment.cost_usd),
        "verdict": one.verdict.as_json(),
        "results": [
            {
                "case": result.case_id,
                "repeat": result.repeat,
                "passed": result.passed,
                "category": result.category,
                "outcome": result.outcome.as_json(),
                "scores": [score.as_json() for score in result.scores],
            }
            for result in one.results
        ],
    }


def _print_experiment(one: "Evaluated") -> None:
    verdict, results = one.verdict, one.results
    taped = sum(result.outcome.taped for result in results)
    seconds = sorted(result.outcome.latency_seconds for result in results if result.outcome.answered)
    median = f", {seconds[len(seconds) // 2]:.2f} s a case" if seconds else ""
    terminal.say(f"{one.plan.suite.name}  {one.experiment.variant}  {one.experiment.id}", style="bold")
    terminal.say(
        f"{len(results)} answers to {verdict.cases} cases, {taped} from tape; "
        f"${one.experiment.cost_usd:.4f}{median}"
    )
    made = terminal.table("evaluator", "passed", "of", "mean", right=("passed", "of", "mean"))
    for name, passed, of, mean in _by_evaluator(results):
        made.add_row(terminal.clean(name), str(passed), str(of), "" if mean is None else f"{mean:.3f}")
    terminal.show(made)
    if verdict.categories:
        terminal.say("Failures by kind, the most frequent first:")
        for category, count in verdict.categories.items():
            terminal.say(f"  {count:>4}  {terminal.clean(category)}")
            for result in [its for its in results if its.category == category][:_MOST_CASES]:
                terminal.say(f"        {terminal.clean(result.case_id)}: {_why(result)}", style="dim")
    if verdict.flicker:
        terminal.say(f"{verdict.flicker} cases passed sometimes and failed sometimes.")
    terminal.say(f"Verdict: {verdict.kind.value}", style=_STYLES[verdict.kind.value])
    for ground in verdict.grounds:
        terminal.say(f"  {ground.kind.value:<13}{ground.name}: {terminal.clean(ground.told)}")


def _why(result: "Result") -> str:
    failed = (one for one in result.scores if one.passed is False or one.error)
    score = next(failed, None)
    said = score.reason if score is not None else result.outcome.message
    return terminal.clean(said, most=160)


def _by_evaluator(results: "tuple[Result, ...]") -> list[tuple[str, int, int, float | None]]:
    rows: dict[str, tuple[list[bool], list[float]]] = {}
    for result in results:
        for score in result.scores:
            said, values = rows.setdefault(score.evaluator, ([], []))
            if score.passed is not None:
                said.append(score.passed)
            if score.value is not None:
                values.append(score.value)
    return [
        (name, sum(said), len(said), sum(values) / len(values) if values else None)
        for name, (said, values) in rows.items()
    ]


def _print_difference(difference: "Difference", before: "Evaluated", after: "Evaluated") -> None:
    terminal.say(f"{before.experiment.variant} -> {after.experiment.variant}", style="bold")
    terminal.say(difference.told())
    reasons = {result.case_id: result for result in after.results if result.passed is False}
    for title, cases in (("Worse", difference.worse), ("Better", difference.better)):
        for case_id in cases[:_MOST_DIFFERENT]:
            why = _why(reasons[case_id]) if case_id in reasons else ""
            terminal.say(f"  {title.lower():<7}{terminal.clean(case_id)}  {why}".rstrip())
        if len(cases) > _MOST_DIFFERENT:
            terminal.say(f"  and {len(cases) - _MOST_DIFFERENT} more {title.lower()}")
