"""What a verdict tells of its judges: why one only informs, or what people's labels make of its share."""

from collections.abc import Sequence
from statistics import fmean

from roadworthy.evals.evaluator import Evaluator
from roadworthy.evals.evaluators.judge import Judge
from roadworthy.evals.experiment import Result
from roadworthy.evals.judging.compare import corrected_share, words_of
from roadworthy.evals.judging.record import Record
from roadworthy.evals.suite import Suite


def judge_notes(
    suite: Suite, evaluators: Sequence[Evaluator], results: Sequence[Result], record: Record
) -> tuple[str, ...]:
    """A sentence for each judge of a suite."""
    return tuple(
        _note(suite, one, results, record)
        for one in evaluators
        if isinstance(one, Judge) and not one.settings.informs
    )


def _note(suite: Suite, judge: Judge, results: Sequence[Result], record: Record) -> str:
    why = record.why_not(judge.name, judge.version, suite.settings.judges)
    if why:
        return f"{judge.name} informs only: {why} (roadworthy evals calibrate {suite.name})."
    known = record.judges[judge.name]
    told = f"{judge.name} decides: kappa {known.kappa:.2f} with people on {known.labels} outputs"
    said = words_of(judge.name, results)
    labels = record.labels_of(results)
    both = [key for key in labels if key in said]
    if not both:
        return f"{told}; people have labelled none of these outputs, so its share stands uncorrected."
    share, corrected = fmean(said.values()), corrected_share(said, labels)
    low, high = corrected.interval.low, corrected.interval.high
    return (
        f"{told}. It passed {share:.1%}; people would pass {corrected.value:.1%} "
        f"(95% interval {low:.1%} to {high:.1%}, by {corrected.labels} labelled cases)."
    )
