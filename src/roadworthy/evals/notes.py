"""What is to be known of an experiment besides its verdict: missing answers, evaluators that were silent."""

from collections import Counter
from collections.abc import Iterator, Sequence

from roadworthy.errors import ErrorKind
from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator
from roadworthy.evals.evaluators.pairwise import Pairwise
from roadworthy.evals.experiment import Result
from roadworthy.evals.target import NOT_ON_TAPE

_OF_A_MOMENT = frozenset(ErrorKind) - {
    ErrorKind.BAD_REQUEST,
    ErrorKind.CONTEXT_WINDOW,
    ErrorKind.NOT_ALLOWED,
    ErrorKind.REFUSED,
    ErrorKind.TIMEOUT,  # too slow is too slow, whoever was
}


def unanswered(results: Sequence[Result]) -> Counter[str]:
    """Answers that are missing because no model could be asked, by kind: they say nothing of the cases."""
    kinds = {*_OF_A_MOMENT, NOT_ON_TAPE}
    return Counter(one.outcome.error for one in results if one.outcome.error in kinds)


def notes(evaluators: Sequence[Evaluator], cases: Sequence[Case], results: Sequence[Result]) -> Iterator[str]:
    """In a sentence each."""
    missing = unanswered(results)
    if missing:
        kinds = ", ".join(f"{kind} {count}" for kind, count in missing.most_common())
        again = (
            "where models can be asked, record them (--save-tape)"
            if NOT_ON_TAPE in missing
            else "run it again, and only these are asked"
        )
        yield (
            f"{missing.total()} of {len(results)} answers are missing, for no model could be asked "
            f"({kinds}). They count as failed; {again}."
        )
    for evaluator in evaluators:
        if isinstance(evaluator, Pairwise):
            continue
        if not any(evaluator.applies(case) for case in cases):
            yield (
                f"{evaluator.name} judged nothing: no case has its tags and expects what it compares with."
            )
            continue
        if evaluator.blocks:  # its failures are told with the cases
            continue
        said = [score for one in results for score in one.scores if score.evaluator == evaluator.name]
        unable = [score for score in said if score.error]
        if unable:
            reason = unable[0].reason.rstrip(".")
            yield f"{evaluator.name} could not judge {len(unable)} of {len(said)} answers: {reason}."
