"""What was learnt of a prompt's confidence, for people and as JSON."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.cli.terminal import clean, say

if TYPE_CHECKING:
    from roadworthy.calls.calibrated import ConfidenceFile, ProvenBand
    from roadworthy.evals.confidence import Learnt
    from roadworthy.evals.statistics import Bin
    from roadworthy.settings import Settings

_WIDTH = 40
"""Characters of a bar from 0 to 1."""


def document(learnt: "Learnt") -> dict[str, Any]:
    """For `--json`: the file, its figures with the diagram before and after, and what taught nothing."""
    return {**learnt.file.as_json(), "left_out": learnt.left_out}


def print_learnt(learnt: "Learnt") -> None:
    """What it was learnt from, a diagram before and after, and the errors."""
    print_file(learnt.file)
    for why, count in learnt.left_out.items():
        say(f"  left out: {count} answers {why}", style="dim")
    _print_bins("The least score, as it is", learnt.before)
    _print_bins("Probabilities, each by a fit that had not seen the answer", learnt.after)


def print_file(file: "ConfidenceFile") -> None:
    """What a file was learnt from, and how well it does."""
    figures: dict[str, Any] = dict(file.figures)
    say(f"{clean(file.prompt_version)}  {clean(file.model)}  {file.fitted_at}", style="bold")
    say(
        f"  {file.answers} reviewed answers, {figures.get('right', 0)} right, "
        f"{figures.get('sampled', 0)} of them samples of automatic decisions; "
        f"they stand for {figures.get('answers_stood_for', 0):.0f}"
    )
    weights = zip(file.signals, file.calibration.weights, strict=True)
    told = ", ".join(f"{clean(name)} {weight:.2f}" for name, weight in weights)
    say(f"  {file.calibration.method}; weights of log odds: {told}")
    for name, key in (("calibration error", "calibration_error"), ("Brier score", "brier")):
        before, after = figures.get(f"{key}_before"), figures.get(f"{key}_after")
        if isinstance(before, float) and isinstance(after, float):
            say(f"  {name:<18} {before:.3f} -> {after:.3f}")
    for rate, band in file.bands.items():
        say(f"  at most {float(rate):.2%} wrong: {_told(band)}")


def _told(band: "ProvenBand") -> str:
    if band.proceed is not None:
        return f"from {band.proceed:.3f} on ({band.wrong} of {band.cases} answers that prove it were wrong)"
    more = f", about {band.more_cases:,} reviews more may" if band.more_cases else ""
    return f"nothing is proven{more}; a person decides"


def _print_bins(title: str, bins: "tuple[Bin, ...]") -> None:
    say()
    say(title, style="bold")
    say(f"  {'said':>6} {'right':>6}  {'95% interval':<14} {'answers':>7}  # right, | said")
    for one in bins:
        low, high = one.interval.low, one.interval.high
        say(
            f"  {one.predicted:>6.1%} {one.right:>6.1%}  {f'{low:.0%} to {high:.0%}':<14} {one.cases:>7}  "
            f"{_bar(one.right, one.predicted)}"
        )


def _bar(right: float, predicted: float) -> str:
    """A bar as long as the share that was right, with a mark at what was said."""
    filled, mark = round(right * _WIDTH), min(_WIDTH - 1, round(predicted * _WIDTH))
    row = ["#" if place < filled else "." for place in range(_WIDTH)]
    row[mark] = "|"
    return "".join(row)


def say_where(file: "ConfidenceFile", path: Path, *, dry_run: bool, settings: "Settings") -> None:
    """Where it is, or would be, and what makes it hold."""
    say()
    if dry_run:
        say("Nothing was written (--dry-run).")
        return
    say(f"Wrote {path}; commit it.")
    chosen = settings.prompts.get(file.prompt)
    if chosen is None or chosen.confidence is None:
        say_unused(file.prompt, path, settings)


def say_unused(prompt_id: str, path: Path, settings: "Settings") -> None:
    """What to write into the settings so that a file is used."""
    where = path.relative_to(settings.root).as_posix() if path.is_relative_to(settings.root) else str(path)
    say("Have answers use it, in roadworthy.toml:")
    say(f"  [prompts.{prompt_id}]")
    say(f'  confidence = "{where}"')
