"""Verdicts: what may be said of how many cases, and what chance is not allowed to say."""

import pytest

from roadworthy.evals.baseline import Baseline
from roadworthy.evals.evaluator import Score
from roadworthy.evals.experiment import Result, VerdictKind, pass_shares
from roadworthy.evals.suite import SuiteSettings
from roadworthy.evals.target import Outcome
from roadworthy.evals.verdict import judge

EVALUATORS = [{"kind": "exact"}]


def settings(**more):
    """A suite's settings."""
    return SuiteSettings(evaluators=EVALUATORS, **more)


def results(passed, *, tags=(), repeats=1, start=0):
    """A result for each of these, a case each."""
    return [
        Result(f"c{start + n}", repeat, tags, f"h{start + n}", Outcome(output=1), (Score("e", passed=its),))
        for n, its in enumerate(passed)
        for repeat in range(repeats)
    ]


def baseline(shares):
    """A baseline of cases c0, c1 and so on."""
    return Baseline(
        experiment_id="exp_0",
        variant="v1",
        fingerprint="f",
        parts={},
        verdict=VerdictKind.PASS,
        at="2026-01-01T00:00:00.000Z",
        commit="",
        shares={f"c{n}": share for n, share in enumerate(shares)},
        hashes={f"c{n}": f"h{n}" for n in range(len(shares))},
    )


def grounds(verdict):
    """What each ground says."""
    return {one.name: one.kind.value for one in verdict.grounds}


def test_one_case_is_too_few_to_say_anything():
    """It passed, and nothing follows; how many more would decide is told."""
    verdict = judge(settings(), results([True]), 1, None)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert verdict.needs_more is not None
    assert verdict.needs_more >= 20


@pytest.mark.parametrize(
    ("passed", "cases", "kind"),
    [(60, 60, "pass"), (58, 60, "pass"), (56, 60, "inconclusive"), (45, 60, "fail"), (0, 60, "fail")],
)
def test_the_threshold_is_about_cases_like_these(passed, cases, kind):
    """By the one-sided bounds of the share that passed."""
    verdict = judge(settings(), results([n < passed for n in range(cases)]), cases, None)
    assert verdict.kind.value == kind


def test_all_of_them_is_said_of_these_cases_only():
    """Where every case has to pass, every case of the data set has to."""
    assert judge(settings(min_pass=1.0), results([True] * 5), 5, None).kind is VerdictKind.PASS
    assert judge(settings(min_pass=1.0), results([True] * 99 + [False]), 100, None).kind is VerdictKind.FAIL


def test_repeats_are_no_further_cases():
    """Ten cases, each answered twenty times alike, say no more than ten cases do."""
    once = judge(settings(), results([True] * 9 + [False]), 10, None)
    often = judge(settings(repeats=20), results([True] * 9 + [False], repeats=20), 10, None)
    assert often.lower == pytest.approx(once.lower, abs=0.02)
    assert often.kind is VerdictKind.INCONCLUSIVE


def test_a_tag_has_a_threshold_of_its_own():
    """One missed refusal fails, however good the rest is; a tag that no case has is no pass."""
    many = results([True] * 200)
    missed = results([True] * 9 + [False], tags=("must-refuse",), start=200)
    verdict = judge(settings(tags={"must-refuse": 1.0}), [*many, *missed], 210, None)
    assert grounds(verdict) == {"threshold": "pass", "must-refuse": "fail"}
    assert verdict.kind is VerdictKind.FAIL
    verdict = judge(settings(tags={"must-escalate": 1.0}), many, 200, None)
    assert verdict.kind is VerdictKind.INCONCLUSIVE


def test_only_a_loss_that_chance_does_not_explain_fails():
    """Two of a hundred may flip; ten may not."""
    before = baseline([1.0] * 100)
    two = judge(settings(min_pass=0.5), results([n >= 2 for n in range(100)]), 100, before)
    ten = judge(settings(min_pass=0.5), results([n >= 10 for n in range(100)]), 100, before)
    assert grounds(two)["baseline"] == "pass"
    assert "chance may explain it" in next(one.told for one in two.grounds if one.name == "baseline")
    assert grounds(ten)["baseline"] == "fail"


def test_a_largest_loss_has_to_be_shown():
    """With `max_loss`, a loss that may be larger is inconclusive, and the same results pass."""
    before, asked = baseline([1.0] * 100), settings(min_pass=0.5, max_loss=0.03)
    assert grounds(judge(asked, results([True] * 100), 100, before))["baseline"] == "pass"
    assert (
        grounds(judge(asked, results([n >= 2 for n in range(100)]), 100, before))["baseline"]
        == "inconclusive"
    )


def test_cases_that_changed_are_not_compared():
    """What is asked now is not what was asked then."""
    before = baseline([1.0] * 10)
    now = [
        Result(f"c{n}", 0, (), "another", Outcome(output=1), (Score("e", passed=False),)) for n in range(10)
    ]
    verdict = judge(settings(min_pass=0.0), now, 10, before)
    assert verdict.difference is not None
    assert verdict.difference.cases == 0
    assert len(verdict.difference.changed) == 10
    assert "nothing can be compared" in verdict.difference.told()


def test_what_only_informs_decides_nothing():
    """A score that informs neither fails nor passes a case."""
    said = (Score("judge", passed=False, informs=True), Score("exact", passed=True))
    result = Result("c", 0, (), "h", Outcome(output=1), said)
    assert (result.passed, result.category) == (True, "")
    alone = Result("c", 0, (), "h", Outcome(output=1), said[:1])
    assert alone.passed is None
    assert pass_shares([alone]) == {}


def test_no_results_are_no_verdict():
    """An experiment in which nothing was judged says so."""
    verdict = judge(settings(), [], 10, None)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert grounds(verdict)["judged"] == "inconclusive"
