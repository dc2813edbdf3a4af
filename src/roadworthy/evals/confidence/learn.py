"""What reviewed answers teach: a file of confidence, and how well it does on answers it had not seen.

Only answers of one version of the prompt, by one model, with the same signals teach it: those of the newest
one. Where fewer than 20 of them have their signals on record, the least score alone is learnt from.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

from roadworthy.calls.calibrated import LEAST, ConfidenceFile, ProvenBand
from roadworthy.errors import InvalidInput
from roadworthy.evals.confidence.outcomes import Reviewed
from roadworthy.evals.statistics import Bin, accept_band, brier, expected_calibration_error, fit, reliability
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


def learn(
    prompt_id: str, answers: Sequence[Reviewed], now_ms: int, error_rates: Sequence[float] = ()
) -> Learnt:
    """Learn from reviewed answers, in order of time; and which band keeps to each of these error rates.

    A band is proven by other answers than those that shaped its scores: where one is wanted, every second
    answer is kept for that.

    Raises `InvalidInput` where there are fewer than 20, or they were all right or all wrong.
    """
    if not answers:
        raise InvalidInput(
            f"People have reviewed no answer of prompt {prompt_id!r} that has a score.",
            hint="Answers get scores from their own field `confidence`, and from @prompt.signal.",
        )
    newest = answers[-1]
    names, used, left_out = _alike(answers, newest)
    kept: list[Reviewed] = []
    if error_rates and _teaches(used[::2]):
        used, kept = used[::2], used[1::2]
        left_out = {**left_out, "kept to prove bands by": len(kept)}
    signals = [_scores(one, names) for one in used]
    right, weights = [one.right for one in used], [one.weight for one in used]
    fitted = fit(signals, right, weights=weights)
    least, after = [min(one.signals.values()) for one in used], fitted.held_out
    bins = [tuple(reliability(its, right, weights=weights)) for its in (least, after)]
    figures: dict[str, Json] = {
        "right": sum(right),
        "sampled": sum(one.sampled for one in used),
        "answers_stood_for": sum(weights),
        "calibration_error_before": expected_calibration_error(least, right, weights=weights),
        "calibration_error_after": expected_calibration_error(after, right, weights=weights),
        "brier_before": brier(least, right, weights),
        "brier_after": brier(after, right, weights),
        "log_losses": cast("Json", {str(method): loss for method, loss in fitted.log_losses.items()}),
        "reliability_before": [_told(one) for one in bins[0]],
        "reliability_after": [_told(one) for one in bins[1]],
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
        bands={
            f"{rate:g}": _band(kept, [fitted.calibration.apply(_scores(one, names)) for one in kept], rate)
            for rate in error_rates
        },
        figures=figures,
    )
    return Learnt(file, tuple(used), left_out, *bins)


def _told(one: Bin) -> dict[str, Json]:
    """A bin, for the file."""
    told: dict[str, Json] = {name: getattr(one, name) for name in ("low", "high", "predicted", "right")}
    interval: list[Json] = [one.interval.low, one.interval.high]
    return {**told, "interval": interval, "answers": one.cases, "stand_for": one.worth}


def _teaches(answers: Sequence[Reviewed]) -> bool:
    return len(answers) >= _FEWEST and len({one.right for one in answers}) > 1


def _band(kept: Sequence[Reviewed], scores: Sequence[float], error_rate: float) -> ProvenBand:
    """What answers prove of a band. Each is drawn by what it stands for, so that they are alike to all.

    An answer that stands for fewer is taken less often: the test that follows wants answers as they come.
    """
    most = max((one.weight for one in kept), default=1.0)
    drawn = [
        (score, one.right)
        for one, score in zip(kept, scores, strict=True)
        if _draw(one.call_id) < one.weight / most
    ]
    if not drawn:
        return ProvenBand(None)
    found = accept_band([score for score, _ in drawn], [right for _, right in drawn], error_rate=error_rate)
    more = None if found.more_cases is None else round(2 * found.more_cases * len(kept) / len(drawn))
    return ProvenBand(found.threshold, found.cases, found.wrong, more)


def _draw(call_id: str) -> float:
    """A number from 0 to 1 that has nothing to do with the answer, the same each time."""
    return int.from_bytes(sha256(call_id.encode()).digest()[:7], "big") / (1 << 56)


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
