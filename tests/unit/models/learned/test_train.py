"""Training proves a share on cases of its own, reports it on others, and what runs is what was trained."""

import random
import sys
from itertools import pairwise

import pytest

from roadworthy.errors import ConfigurationError, InvalidInput
from roadworthy.models.learned import Case, LearnedRouter, Results, RouterFile, train
from roadworthy.models.learned.bound import Bound
from roadworthy.models.learned.results import merged
from roadworthy.models.learned.router import Scorer
from roadworthy.models.learned.train import choose, fit, learn, split

pytestmark = pytest.mark.slow  # scikit-learn takes seconds to load

JANUARY = 1_767_225_600_000


def trained_on(results: Results, max_loss: float = 0.01, **more: object) -> RouterFile:
    """A router for these results."""
    return train(
        results,
        route="answer",
        cheap="small",
        strong="large",
        max_loss=max_loss,
        trained_at_ms=JANUARY,
        **more,
    )


@pytest.fixture(scope="module")
def results(make_results) -> Results:
    """Four thousand cases, two thirds of them easy."""
    return make_results(4000)


@pytest.fixture(scope="module")
def trained(results) -> RouterFile:
    """The router for them."""
    return trained_on(results)


def test_inference_equals_scikit_learn_s(results):
    """The rounded weights, applied without any dependency, give its decision function to a millionth."""
    cases = split(results.cases).fit
    wanted = [(1 - max(0.0, case.loss) + case.cheap) / 2 for case in cases]
    vectorizer, classifier = fit([case.text for case in cases], wanted)
    scorer = Scorer(*learn(cases))
    source = random.Random(1)
    texts = [case.text for case in results.cases[:300]]
    texts += [f"{one} unknown {two}, {one} PARCEL 17 parcel!" for one, two in pairwise(texts)]
    source.shuffle(texts)
    expected = classifier.decision_function(vectorizer.transform(texts))
    assert [scorer.log_odds(text) for text in texts] == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_easy_share_is_found_and_its_loss_is_small(trained, make_results):
    """About two thirds may be routed; on fresh cases the loss is within what was allowed."""
    assert 0.55 <= trained.max_share <= 0.7
    assert trained.loss_bound is not None
    assert trained.loss_bound <= trained.max_loss
    assert trained.max_share <= trained.measured.share
    router = LearnedRouter(trained)
    fresh = make_results(8000, seed=99).cases
    routed = [case for case in fresh if router.choose(case.text).cheap]
    assert len(routed) <= trained.max_share * len(fresh)
    assert sum(case.loss for case in routed) / len(fresh) <= trained.max_loss


def test_the_report_compares_with_chance(trained):
    """Picking the same share at random, or routing all, loses far more."""
    measured = trained.measured
    assert measured.loss == pytest.approx(measured.worse - measured.better, abs=2e-6)
    assert measured.loss <= measured.loss_at_most
    assert measured.random_loss == pytest.approx(measured.share * measured.cheap_loss, abs=1e-5)
    assert measured.random_loss > 5 * max(measured.loss, 0.005)


def test_the_table_says_what_other_losses_would_allow(trained):
    """More loss allows a larger share; the row of the allowed loss is the router's own."""
    shares = [row.share for row in trained.table]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] > trained.max_share
    (own,) = (row for row in trained.table if row.max_loss == trained.max_loss)
    assert (own.share, own.loss) == (trained.measured.share, trained.measured.loss)


def test_what_was_learned_from_is_on_record(trained):
    """Names, time, hash and counts are in the file; what is reported took no part in learning or choosing."""
    assert (trained.route, trained.cheap, trained.strong) == ("answer", "small", "large")
    assert trained.trained_at == "2026-01-01T00:00:00.000Z"
    assert trained.data_sha256 == "0" * 64
    cases = trained.cases
    assert cases.lines == cases.fit + cases.choose + cases.report == 4000


def test_the_order_of_the_lines_makes_no_difference(make_results):
    """The same cases in another order make the same file, to the last digit."""
    cases = list(make_results(1000).cases)
    files = []
    for _ in range(2):
        random.Random(5).shuffle(cases)
        files.append(trained_on(Results(merged(cases), 1000, "")).text())
    assert files[0] == files[1]


def test_a_case_stays_in_its_part_when_others_come(make_results):
    """New cases move none of the old ones, so that nothing once reported on is learned from later."""
    cases = make_results(500).cases
    few, many = split(cases[:200]), split(cases)
    assert set(few.report) <= set(many.report)
    assert set(few.fit) <= set(many.fit)
    assert split(cases, seed=1) != many


def test_rare_words_and_numbers_stay_out_of_the_file(make_results):
    """What one or two people wrote, and every number, cannot be read in the file; what many wrote can."""
    cases = make_results(200).cases
    many = [Case(f"{case.text} bought {number}70{number}", 1.0, 1.0) for number, case in enumerate(cases)]
    few = [Case(f"{case.text} Evangelina", 1.0, 1.0) for case in cases[:2]]
    known = trained_on(Results((*cases, *many, *few), 402, "")).terms
    assert {"bought", "0", "bought 0"} <= known.keys()
    assert not [term for term in known if "evangelina" in term or "7" in term]


def test_too_few_cases_route_nothing_and_say_how_many_are_missing(make_results):
    """With a hundred cases nothing is proven; with as many more as it asks for, something may be."""
    few = trained_on(make_results(100, wrong_if_easy=0.0))
    assert (few.max_share, few.threshold, few.loss_bound) == (0.0, None, None)
    assert few.measured.share == 0
    assert few.more_cases is not None
    assert 500 < few.more_cases < 3000
    assert not LearnedRouter(few).choose("where is my parcel").cheap
    assert trained_on(make_results(100 + 2 * few.more_cases, wrong_if_easy=0.0)).max_share > 0.3


def test_a_cheap_model_that_is_much_worse_everywhere_is_not_used(make_results):
    """No threshold, no share, and no number of cases that would change it."""
    results = make_results(1000, wrong_if_easy=0.5, wrong_if_hard=0.5)
    worse = trained_on(results, max_loss=0.001)
    assert (worse.max_share, worse.more_cases) == (0.0, None)


def test_a_cheap_model_that_is_as_good_everywhere_takes_all(make_results):
    """Nothing to tell apart: every text goes to the cheap model, also when no loss was ever seen."""
    cases = tuple(Case(case.text, 1.0, 1.0) for case in make_results(3000).cases)
    router = trained_on(Results(cases, 3000, ""))
    assert (router.max_share, router.terms) == (1.0, {})
    assert LearnedRouter(router).choose("anything at all").cheap


def test_two_models_that_fail_alike_by_chance_may_be_exchanged(make_results):
    """What the cheap model wins elsewhere counts: noise in both models is no loss."""
    source = random.Random(2)
    cases = tuple(
        Case(case.text, float(source.random() > 0.04), float(source.random() > 0.04))
        for case in make_results(4000).cases
    )
    assert trained_on(Results(cases, 4000, ""), max_loss=0.02).max_share > 0.5


def test_graded_scores_are_learned_from_too(make_results):
    """Scores between 0 and 1 give a share by the bound for them."""
    cases = tuple(
        Case(case.text, 0.4 + case.cheap / 5, 0.4 + case.strong / 5) for case in make_results(4000).cases
    )
    router = trained_on(Results(cases, 4000, ""))
    assert router.bound == "betting"
    assert router.max_share > 0.4


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_handful_of_cases_is_no_error(make_results, number):
    """Parts may be empty; then nothing is proven."""
    assert trained_on(make_results(number)).max_share == 0.0


def test_a_chosen_threshold_seldom_loses_more_than_allowed():
    """Over 200 sets of cases, the true loss at the chosen threshold exceeds the limit as seldom as said."""
    source, bound, limit = random.Random(11), Bound(0.95, whole=True), 0.02
    steps = [1 - step / 20 for step in range(1, 21)]
    exceeded = 0
    for _ in range(200):
        scored = []
        for _ in range(800):
            score = source.random()
            worse = source.random() < (1 - score) * 0.3
            better = not worse and source.random() < 0.02
            scored.append((score, Case("", float(not worse), float(not better))))
        threshold = choose(scored, steps, bound, [limit])[limit]
        routed = 1 - (threshold or 1.0)
        true_loss = 0.15 * routed**2 - 0.02 * (routed - 0.15 * routed**2)
        exceeded += true_loss > limit
    assert exceeded <= 18  # 5% of 200 and 2.5 standard deviations


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_loss": 0.0}, "max_loss is 0"),
        ({"max_loss": 1.0}, "max_loss is 1"),
        ({"max_loss": float("nan")}, "max_loss is nan"),
        ({"confidence": 0.4}, "confidence is 0.4"),
        ({"confidence": 1.0}, "confidence is 1"),
    ],
)
def test_limits_that_prove_nothing_are_refused(make_results, values, said):
    """A loss of nothing and a certainty of one cannot be had."""
    with pytest.raises(InvalidInput, match=said):
        trained_on(make_results(10), **values)


def test_without_scikit_learn_the_extra_is_named(make_results, monkeypatch):
    """Whoever lacks it reads what to install."""
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises(ConfigurationError, match="needs scikit-learn") as caught:
        trained_on(make_results(50))
    assert caught.value.hint == "Run: pip install 'roadworthy[routing]'"
