"""Trains a router and proves what share of requests it may send to the cheap model: `train`.

Every case belongs, by a hash of its words, to one of three parts:

    fit      half of them: a logistic regression learns which texts the cheap model answers well enough
    choose   from the surest texts downwards, as far as the loss is proven to stay within `max_loss`
    report   what came out, on cases that took no part

The loss is that of the mean score over all requests, against the strong model alone. The thresholds come from
the first part; on the second they are tested from the strictest on, each at the full confidence, up to the
first that fails. So the chance of one that loses more is at most 1 - confidence: fixed-sequence testing,
Angelopoulos et al., "Learn then Test" (2021, arXiv:2110.01052).
"""

import hashlib
import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadworthy.errors import ConfigurationError, InvalidInput
from roadworthy.models.learned.bound import Bound
from roadworthy.models.learned.file import Cases, Measured, RouterFile, Row
from roadworthy.models.learned.results import Case, Results
from roadworthy.models.learned.router import Scorer
from roadworthy.models.learned.terms import terms, words
from roadworthy.records import iso

MOST_TERMS = 20_000
_LEAST_CASES_OF_A_TERM = 3
"""A rarer term teaches nothing, and what only one person wrote stays out of the file."""
_INVERSE_PENALTY = 3.0
"""scikit-learn's `C`; from 1 to 10 it makes little difference on banking77."""
_FIT, _CHOOSE = 0.50, 0.35
_STEPS = 100
_DIGITS = 8
_LOSSES = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1)
_SHARE_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """The cases, each in one part, in an order that says nothing of them."""

    fit: tuple[Case, ...]
    choose: tuple[Case, ...]
    report: tuple[Case, ...]


Weights = dict[str, tuple[float, float]]
"""For each term its inverse document frequency and its weight."""
Scored = list[tuple[float, Case]]
"""Cases with their scores."""


def train(
    results: Results,
    *,
    route: str,
    cheap: str,
    strong: str,
    max_loss: float,
    trained_at_ms: int,
    confidence: float = 0.95,
    served: Mapping[str, str] | None = None,
    seed: int = 0,
) -> RouterFile:
    """A router for these results; its share is 0 where nothing is proven. `seed` varies the three parts.

    Raises:
        InvalidInput: `max_loss` or `confidence` is out of range.
        ConfigurationError: scikit-learn is not installed.
    """
    _check(max_loss, confidence)
    parts = split(results.cases, seed)
    intercept, weights = learn(parts.fit)
    scorer = Scorer(intercept, weights)
    steps = _thresholds(_scored(scorer, parts.fit))
    chosen_by, judged_by = _scored(scorer, parts.choose), _scored(scorer, parts.report)
    bound = Bound.fitting(confidence, (case.loss for case in parts.fit))
    chosen = choose(chosen_by, steps, bound, sorted({*_LOSSES, max_loss}))
    threshold = chosen[max_loss]
    measured = _measure(judged_by, threshold, bound)
    max_share = math.floor(measured.share * 10**_SHARE_DIGITS) / 10**_SHARE_DIGITS
    return RouterFile(
        route=route,
        cheap=cheap,
        strong=strong,
        served=dict(served or {}),
        trained_at=iso(trained_at_ms),
        data_sha256=results.sha256,
        cases=Cases(
            lines=results.lines, fit=len(parts.fit), choose=len(parts.choose), report=len(parts.report)
        ),
        max_loss=max_loss,
        confidence=confidence,
        bound=bound.name,
        threshold=threshold,
        max_share=max_share,
        loss_bound=None if threshold is None else _at_most(_losses(chosen_by, threshold), bound),
        more_cases=None if max_share else _more_cases(chosen_by, steps, bound, max_loss),
        measured=measured,
        table=tuple(_row(limit, judged_by, step) for limit, step in chosen.items()),
        intercept=intercept,
        terms=weights,
    )


def split(cases: Sequence[Case], seed: int = 0) -> Parts:
    """The three parts. A case's words alone say where it belongs, so more cases move none of the others."""
    placed: list[tuple[float, Case]] = []
    for case in cases:
        digest = hashlib.sha256(f"{seed} {' '.join(words(case.text))}".encode()).digest()
        placed.append((int.from_bytes(digest[:8]) / 2**64, case))
    placed.sort(key=lambda one: one[0])
    return Parts(
        fit=tuple(case for place, case in placed if place < _FIT),
        choose=tuple(case for place, case in placed if _FIT <= place < _FIT + _CHOOSE),
        report=tuple(case for place, case in placed if place >= _FIT + _CHOOSE),
    )


def learn(cases: Sequence[Case]) -> tuple[float, Weights]:
    """The intercept and the weights.

    What is learned is the mean of two things: that the cheap model does as well as the strong one, and that
    it does well. The first alone takes a question on which both fail for a safe one; with both, up to a fifth
    more may be routed on banking77.
    """
    wanted = [(1.0 - max(0.0, case.loss) + case.cheap) / 2 for case in cases]
    vectorizer, classifier = fit([case.text for case in cases], wanted)
    if classifier is None:
        sure = (math.fsum(wanted) + 1) / (len(wanted) + 2)
        return round(math.log(sure / (1 - sure)), _DIGITS), {}
    names: list[str] = vectorizer.get_feature_names_out().tolist()
    frequencies: list[float] = vectorizer.idf_.tolist()
    weights: list[float] = classifier.coef_[0].tolist()
    return (
        round(float(classifier.intercept_[0]), _DIGITS),
        {
            name: (round(frequency, _DIGITS), round(weight, _DIGITS))
            for name, frequency, weight in zip(names, frequencies, weights, strict=True)
        },
    )


def fit(texts: Sequence[str], wanted: Sequence[float]) -> tuple[Any, Any]:
    """scikit-learn's vectorizer and classifier; no classifier where there is nothing to tell apart."""
    features, linear_model, sparse = _scikit_learn()
    vectorizer = features.TfidfVectorizer(
        analyzer=terms, min_df=_LEAST_CASES_OF_A_TERM, max_features=MOST_TERMS, sublinear_tf=True
    )
    if len(texts) < _LEAST_CASES_OF_A_TERM or not 0 < math.fsum(wanted) < len(wanted):
        return vectorizer, None
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:  # no term is in three cases
        return vectorizer, None
    # A case of which 0.75 is wanted counts 0.75 as a good one and 0.25 as a bad one.
    classifier = linear_model.LogisticRegression(C=_INVERSE_PENALTY, max_iter=2000)
    classifier.fit(
        sparse.vstack([matrix, matrix]),
        [1] * len(texts) + [0] * len(texts),
        sample_weight=[*wanted, *(1 - one for one in wanted)],
    )
    return vectorizer, classifier


def choose(
    scored: Scored, steps: Sequence[float], bound: Bound, limits: Iterable[float]
) -> dict[float, float | None]:
    """For each allowed loss the lowest threshold at which it is proven; None where there is none."""
    chosen: dict[float, float | None] = dict.fromkeys(limits)
    testing = list(chosen)
    for step in steps:
        losses = _losses(scored, step) if testing else []
        testing = [limit for limit in testing if bound.holds(losses, limit)]
        chosen.update(dict.fromkeys(testing, step))
    return chosen


def _thresholds(scored: Scored) -> list[float]:
    """The thresholds to test, from the strictest on: each lets a hundredth more of these cases pass."""
    scores = sorted((score for score, _ in scored), reverse=True)
    places = (
        {math.ceil(len(scores) * step / _STEPS) - 1 for step in range(1, _STEPS + 1)}
        if scores
        else set[int]()
    )
    return sorted({scores[place] for place in places if scores[place] > 0}, reverse=True)


def _scored(scorer: Scorer, cases: Sequence[Case]) -> Scored:
    return [(scorer.score(case.text), case) for case in cases]


def _losses(scored: Scored, threshold: float) -> list[float]:
    """What is lost on each case: nothing where the strong model answers."""
    return [case.loss if score >= threshold else 0.0 for score, case in scored]


def _at_most(losses: Sequence[float], bound: Bound) -> float:
    return math.ceil(bound.upper(losses) * 1e6) / 1e6


def _measure(scored: Scored, threshold: float | None, bound: Bound) -> Measured:
    least = math.inf if threshold is None else threshold
    losses = _losses(scored, least)
    share = _mean(float(score >= least) for score, _ in scored)
    cheap_loss = _mean(case.loss for _, case in scored)
    return Measured(
        share=_round(share),
        loss=_round(_mean(losses)),
        loss_at_most=_at_most(losses, bound),
        worse=_round(_mean(max(0.0, loss) for loss in losses)),
        better=_round(_mean(max(0.0, -loss) for loss in losses)),
        random_loss=_round(share * cheap_loss),
        cheap_loss=_round(cheap_loss),
    )


def _row(max_loss: float, scored: Scored, threshold: float | None) -> Row:
    least = math.inf if threshold is None else threshold
    share = _mean(float(score >= least) for score, _ in scored)
    return Row(max_loss=max_loss, share=_round(share), loss=_round(_mean(_losses(scored, least))))


def _more_cases(scored: Scored, steps: Sequence[float], bound: Bound, max_loss: float) -> int | None:
    """About how many more cases would prove the strictest threshold; None when no number does."""
    needed = bound.cases_needed(_losses(scored, steps[0]) if steps else [], max_loss)
    if needed is None:
        return None
    if needed <= len(scored):  # proven, but too few to be met again among those that took no part
        needed = 2 * len(scored)
    return math.ceil((needed - len(scored)) / _CHOOSE)


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known) if known else 0.0


def _round(value: float) -> float:
    return round(value, 6)


def _check(max_loss: float, confidence: float) -> None:
    if not 0 < max_loss < 1:
        raise InvalidInput(
            f"max_loss is {max_loss:g}, but must lie between 0 and 1.", hint="For example 0.01."
        )
    if not 0.5 <= confidence < 1:  # noqa: PLR2004 - below one half nothing is proven
        raise InvalidInput(
            f"confidence is {confidence:g}, but must be at least 0.5 and below 1.", hint="For example 0.95."
        )


def _scikit_learn() -> tuple[Any, Any, Any]:
    try:
        return (
            importlib.import_module("sklearn.feature_extraction.text"),
            importlib.import_module("sklearn.linear_model"),
            importlib.import_module("scipy.sparse"),
        )
    except ImportError as error:
        raise ConfigurationError(
            "Training a router needs scikit-learn, which is not installed.",
            hint="Run: pip install 'roadworthy[routing]'",
        ) from error
