"""What reviewed answers teach: a file of confidence, and how well it does on answers it had not seen.

Only answers of one version of the prompt, by one model, with the same signals teach it: those of the newest
one. Where fewer than 20 of them have their signals on record, the least score alone is learnt from.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from roadworthy.calls.calibrated import LEAST, ConfidenceFile
from roadworthy.errors import InvalidInput
from roadworthy.evals.confidence.outcomes import Reviewed
from roadworthy.evals.statistics import Bin, brier, expected_calibration_error, fit, reliability
from roadworthy.records import Json, iso

_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt, and how well it does."""

    file: ConfidenceFile
    used: tuple[Reviewed, ...]
    left_out: dict[str, int]
    """Reviewed answers that teach nothing here, by why."""
    before: tuple[Bin, ...]
    """Reliability of the least score as it was."""
    after: tuple[Bin, ...]
    """Reliability of probabilities by fits that had not seen the answer."""


def learn(prompt_id: str, answers: Sequence[Reviewed], now_ms: int) -> Learnt:
    """Learn from reviewed answers, in order of time.

    Raises `InvalidInput` where there are fewer than 20, or they were all right or all wrong.
    """
    if not answers:
        raise InvalidInput(
            f"People have reviewed no answer of prompt {prompt_id!r} that has a score.",
            hint="Answers get scores from their own field `confidence`, and from @prompt.signal.",
        )
    newest = answers[-1]
    names, used, left_out = _alike(answers, newest)
    signals = [_scores(one, names) for one in used]
    right, weights = [one.right for one in used], [one.weight for one in used]
    fitted = fit(signals, right, weights=weights)
    least, after = [min(one.signals.values()) for one in used], fitted.held_out
    figures: dict[str, Json] = {
        "right": sum(right),
        "sampled": sum(one.sampled for one in used),
        "answers_stood_for": sum(weights),
        "calibration_error_before": expected_calibration_error(least, right, weights=weights),
        "calibration_error_after": expected_calibration_error(after, right, weights=weights),
        "brier_before": brier(least, right, weights),
        "brier_after": brier(after, right, weights),
        "log_losses": cast("Json", {str(method): loss for method, loss in fitted.log_losses.items()}),
    }
    file = ConfidenceFile(
        prompt=prompt_id,
        prompt_version=newest.prompt_version,
        prompt_hash=newest.prompt_hash,
        model=newest.model,
        signals=names,
        calibration=fitted.calibration,
        fitted_at=iso(now_ms),
        answers=len(used),
        figures=figures,
    )
    before = tuple(reliability(least, right, weights=weights))
    return Learnt(file, tuple(used), left_out, before, tuple(reliability(after, right, weights=weights)))


def _alike(
    answers: Sequence[Reviewed], newest: Reviewed
) -> tuple[tuple[str, ...], list[Reviewed], dict[str, int]]:
    """What the scores are, the answers that have them, and why others do not count."""
    left_out: Counter[str] = Counter()
    tests: list[tuple[str, Callable[[Reviewed], bool]]] = [
        ("of another version", lambda one: one.prompt_hash == newest.prompt_hash),
        ("by another model", lambda one: one.model == newest.model),
    ]
    used: list[Reviewed] = []
    for one in answers:
        why = next((why for why, holds in tests if not holds(one)), None)
        if why is None:
            used.append(one)
        else:
            left_out[why] += 1
    names = tuple(sorted(newest.signals))
    same = [one for one in used if set(one.signals) == set(names)]
    if len(same) >= _FEWEST or len(same) == len(used):
        left_out["with other signals"] += len(used) - len(same)
        return names, same, {why: count for why, count in left_out.items() if count}
    return (LEAST,), used, dict(left_out)


def _scores(one: Reviewed, names: tuple[str, ...]) -> list[float]:
    return [min(one.signals.values())] if names == (LEAST,) else [one.signals[name] for name in names]
