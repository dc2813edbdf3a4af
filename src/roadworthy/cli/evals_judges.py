"""`roadworthy evals calibrate`: what people's labels say of a suite's judges, for people and as JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.cli.command import Place
from roadworthy.cli.terminal import clean, say

if TYPE_CHECKING:
    from roadworthy.evals.judging import Compared
    from roadworthy.evals.judging.calibrate import Bench, Calibrated
    from roadworthy.evals.statistics import Interval, PositionBias
    from roadworthy.evals.suite import Suite


async def sheet(place: Place, name: str, judge: str | None, path: Path, size: int, exp: str | None) -> None:
    """Write a sheet of outputs to be labelled. Raises `StateConflict` where there is such a file."""
    from roadworthy.cli.project import load_app
    from roadworthy.errors import StateConflict

    try:
        async with load_app(place).evaluating() as evals:
            experiment, count = await evals.bench(name, judge).sheet(path, size, exp)
    except FileExistsError:
        hint = "Labels may stand in it: name another file."
        raise StateConflict(f"There is {str(path)!r} already.", hint=hint) from None
    say(f"Wrote {count} outputs of {experiment.id} to {path}, drawn at random.")
    say("Let people write true or false into `passed` of each line; then:")
    say(f"  {place.command('evals', 'calibrate', name, '--labels', str(path))}")


async def calibrate(
    place: Place,
    name: str,
    judge: str | None,
    labels: Path | None,
    exp: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Compare the judges with people, print what that says, and keep it."""
    from roadworthy.audit import Action
    from roadworthy.cli import terminal
    from roadworthy.cli.project import load_app

    app = load_app(place)
    async with app.evaluating() as evals:
        bench = evals.bench(name, judge)
        suite = bench.suite
        found = await _compared(bench, place, labels, exp)
        bias = await bench.positions() if judge is None else {}
        if found is not None and not dry_run:
            detail: dict[str, Any] = {"judges": {one.name: one.agreement.cases for one in found.judges}}
            bench.keep(found)
            await app.audit.record(Action.JUDGES_CALIBRATED, name, detail=detail)
    if as_json:
        terminal.print_json(_document(suite, found, bias))
        return
    if found is not None:
        _print(suite, found)
    for its, one in bias.items():
        _print_bias(its, one)
    if found is not None:
        said = "Nothing was written (--dry-run)." if dry_run else f"Wrote {suite.judges_file}; commit it."
        say(said)


async def _compared(
    bench: "Bench", place: Place, labels: Path | None, exp: str | None
) -> "Calibrated | None":
    from roadworthy.errors import InvalidInput
    from roadworthy.evals.judging import read_labels

    name = bench.suite.name
    if labels is not None:
        return await bench.compare(read_labels(labels), exp)
    if bench.judges:
        raise InvalidInput(
            "Say what people said of the outputs: --labels FILE.",
            hint=f"Have a sheet made: {place.command('evals', 'calibrate', name, '--sheet', 'labels.jsonl')}",
        )
    return None


def _document(
    suite: "Suite", found: "Calibrated | None", bias: "Mapping[str, PositionBias]"
) -> dict[str, Any]:
    told: dict[str, Any] = {"suite": suite.name, "judges": [], "position_bias": {}}
    if found is not None:
        told |= {"experiment": found.experiment.id, "labels_of_other_outputs": found.matched.others}
        told["judges"] = [
            {**one.as_json(), "decides": not _why_not(suite, found, one)} for one in found.judges
        ]
    told["position_bias"] = {
        name: {
            "pairs": one.pairs,
            "flipped_share": one.flipped_share,
            "to_first": one.to_first,
            "to_second": one.to_second,
            "p": one.p,
        }
        for name, one in bias.items()
    }
    return told


def _why_not(suite: "Suite", found: "Calibrated", one: "Compared") -> str:
    return found.record.why_not(one.name, one.version, suite.settings.judges)


def _print(suite: "Suite", found: "Calibrated") -> None:
    others = found.matched.others
    left = f"; {others} labels are of other outputs" if others else ""
    say(f"{suite.name}  {found.experiment.variant}  {found.experiment.id}", style="bold")
    say(f"{len(found.matched.labels)} outputs labelled by people{left}.")
    for one in found.judges:
        _print_judge(suite, found, one)


def _print_judge(suite: "Suite", found: "Calibrated", one: "Compared") -> None:
    its, corrected, wanted = one.agreement, one.corrected, suite.settings.min_pass
    say()
    say(clean(one.name), style="bold")
    rows = [
        ("both passed / failed", f"{its.both_yes} / {its.both_no}"),
        ("only the judge passed", str(its.judge_only)),
        ("only people passed", str(its.people_only)),
        ("kappa", _with(its.kappa.value, its.kappa.interval, "{:.3f}")),
        ("sensitivity", _with(its.sensitivity, its.sensitivity_interval, "{:.1%}")),
        ("specificity", _with(its.specificity, its.specificity_interval, "{:.1%}")),
        ("bias", f"{its.bias_points:+.1f} points: how much more often it passes than people"),
        ("share it passed", f"{one.raw_share:.1%} of {one.judged_cases} cases"),
        ("share by people", _with(corrected.value, corrected.interval, "{:.1%}")),
        ("a label was worth", f"{corrected.worth:.2f} labels without the judge"),
    ]
    for name, told in rows:
        say(f"  {name:<22}{told}")
    for note in (corrected.note, f"it judged {one.silent} labelled outputs not at all" if one.silent else ""):
        if note:
            say(f"  note: {note}")
    more = one.labels_until(wanted)
    if more:
        say(f"  About {more:,} labels more would show on which side of min_pass ({wanted:.1%}) people stand.")
    elif more is None:
        say(f"  It lies too close to min_pass ({wanted:.1%}) for any number of labels to tell.")
    why = _why_not(suite, found, one)
    if why:
        say(f"  It informs only: {why}.", style="yellow")
    else:
        say("  It may decide.", style="green")


def _with(value: float | None, interval: "Interval | None", form: str) -> str:
    if value is None or interval is None:
        return "cannot be said"
    return f"{form.format(value)}  (95% interval {form.format(interval.low)} to {form.format(interval.high)})"


def _print_bias(name: str, one: "PositionBias") -> None:
    say()
    say(clean(name), style="bold")
    say(f"  {one.pairs} pairs in both orders: {one.flipped_share:.1%} of its verdicts hung on the order")
    say(f"  towards what is shown first {one.to_first}, second {one.to_second} (p = {one.p:.3g})")
