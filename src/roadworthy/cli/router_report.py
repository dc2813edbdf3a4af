"""Says what a trained router was proven to do, for people."""

from typing import TYPE_CHECKING

from roadworthy.cli.terminal import clean, say, show, table

if TYPE_CHECKING:
    from roadworthy.models.learned import RouterFile


def print_report(trained: "RouterFile") -> None:
    """What share may be routed and why, and what other losses would allow."""
    cheap, strong = clean(trained.cheap), clean(trained.strong)
    if trained.max_share:
        say(
            f"At most {trained.max_share:.1%} of the requests may go to {cheap} instead of {strong}.",
            style="bold",
        )
    else:
        say(f"Nothing may go to {cheap} instead of {strong}: 0% of the requests.", style="bold")
    for line in _proof(trained):
        say(line)
    say()
    made = table("allowed loss", "share", "measured loss", right=("allowed loss", "share", "measured loss"))
    for row in trained.table:
        mark = "*" if row.max_loss == trained.max_loss else ""
        made.add_row(f"{mark}{_points(row.max_loss)}", f"{row.share:.1%}", _points(row.loss))
    show(made)
    say(
        "In points of the mean score, 0 to 100. Each row is proven by itself, not all of them together.",
        style="dim",
    )


def _proof(trained: "RouterFile") -> list[str]:
    cases, seen = trained.cases, trained.measured
    parts = f"{cases.fit:,} to learn from, {cases.choose:,} to choose by, {cases.report:,} that took no part"
    lines = [f"Trained {clean(trained.trained_at[:10])} on {cases.lines:,} results: {parts}."]
    repeats = cases.lines - cases.fit - cases.choose - cases.report
    if repeats:
        lines.append(f"{repeats:,} of them say the same words as others, digits aside, and count once.")
    allowed, sure = _points(trained.max_loss), f"{trained.confidence:.4g}"
    if trained.loss_bound is not None:
        lines.append(
            f"Proven: at most {_points(trained.loss_bound)} points lost of {allowed} allowed, "
            f"at confidence {sure} ({trained.bound} bound)."
        )
    elif trained.more_cases is None:
        lines.append(
            f"A loss of at most {allowed} points is not proven at confidence {sure}, and more cases would "
            "hardly prove it: allow more, or take another cheap model."
        )
    if not trained.max_share and trained.more_cases is not None:
        lines.append(
            f"Too few cases to prove a loss of at most {allowed} points at confidence {sure}: "
            f"about {trained.more_cases:,} more are needed."
        )
    lines.append(
        f"Measured on those that took no part: {seen.share:.1%} routed, {_points(seen.loss)} points lost "
        f"({_points(seen.worse)} worse, {_points(seen.better)} better; at most {_points(seen.loss_at_most)})."
    )
    lines.append(
        f"The same share picked at random: {_points(seen.random_loss)} points lost. "
        f"{clean(trained.cheap)} alone: {_points(seen.cheap_loss)}."
    )
    if seen.loss > trained.max_loss:
        lines.append("Careful: these cases lost more than allowed. It may be chance; more cases will tell.")
    return lines


def _points(loss: float) -> str:
    return f"{loss * 100:.2f}"
