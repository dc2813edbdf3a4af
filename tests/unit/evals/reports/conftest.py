"""Reports on a suite of three cases, whose texts do what they can to get out of their place."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from roadworthy.evals import Case, Experiment, ExperimentStatus, Outcome, Result, Score
from roadworthy.evals.comparison import compared
from roadworthy.evals.experiment import pass_shares
from roadworthy.evals.judging.pairs import Preferences
from roadworthy.evals.reports.report import Ran, Report, scrubbed
from roadworthy.evals.suite import SuiteSettings
from roadworthy.evals.verdict import judge
from roadworthy.telemetry.scrubber import Scrubber

SECRET = "hunter2-hunter2-hunter2"
HOSTILE = f"</pre><script>alert(1)</script> ]]> \x00\x1b[31m \u202e\ud800\ufffe `@team` | {SECRET}"
SETTINGS = SuiteSettings.model_validate(
    {"min_pass": 0.5, "tags": {"high-risk": 1.0}, "evaluators": [{"kind": "exact"}]}
)
CASES = {
    "good": Case("good", {"text": "Hello"}, "hello", ("common",)),
    HOSTILE: Case(HOSTILE, {"text": HOSTILE, HOSTILE: 1}, HOSTILE, ("high-risk", HOSTILE), note=HOSTILE),
    "lost": Case("lost", {"text": "Hi"}, "hi"),
}


def results(hostile: list[bool]) -> tuple[Result, ...]:
    """The first case passes, the second as often as it is said, the third has no answer."""

    def one(case_id: str, repeat: int, *, passed: bool) -> Result:
        outcome = Outcome(
            output={"said": HOSTILE if case_id == HOSTILE else "hello", "passed": passed},
            cost_usd=Decimal("0.01"),
            latency_seconds=0.5 + repeat,
        )
        score = Score("exact", passed) if passed else Score("exact", False, 0.25, HOSTILE, f"no: {HOSTILE}")
        return Result(case_id, repeat, CASES[case_id].tags, case_id, outcome, (score,))

    answers = [one("good", repeat, passed=True) for repeat in range(len(hostile))]
    answers += [one(HOSTILE, repeat, passed=passed) for repeat, passed in enumerate(hostile)]
    lost = Outcome(error="timeout", message=HOSTILE, latency_seconds=9)
    return (*answers, *(Result("lost", repeat, (), "lost", lost) for repeat in range(len(hostile))))


def ran(variant: str, its: tuple[Result, ...], stopped: str = "") -> Ran:
    """An experiment with these results."""
    experiment = Experiment(
        id=f"exp_{variant}",
        suite="reply",
        variant=f"reply@{variant}",
        status=ExperimentStatus.FINISHED,
        parts={"prompt": "a" * 64, "models": "b" * 64},
        fingerprint="c" * 64,
        cases=3,
        repeats=len(its) // 3,
        environment="development",
        commit="0123456789ab+",
        started_at=1_800_000_000_000,
    )
    return Ran(experiment, judge(SETTINGS, its, 3, None), its, CASES, (HOSTILE,), None, stopped)


def preferences() -> Preferences:
    """A judge of pairs that prefers one answer before, and one after."""
    return Preferences(
        judge=HOSTILE,
        losses=(HOSTILE,),
        wins=("good",),
        ties=1,
        same=1,
        flipped=0,
        silent=0,
        lower=-0.4,
        upper=0.4,
        p_value=1.0,
        needs_more=None,
        cost_usd=Decimal("0.25"),
        saved_usd=Decimal("0.5"),
        informs=HOSTILE,
    )


@pytest.fixture
def report() -> Callable[..., Report]:
    """The report on one variant, or on two where the second's answers are given too."""

    def make(first: list[bool], second: list[bool] | None = None, stopped: str = "") -> Report:
        scrubber = Scrubber()
        scrubber.register(SECRET)
        its = [ran("v1", results(first), stopped)]
        difference = None
        if second is not None:
            its.append(ran("v2", results(second)))
            shares = [pass_shares(one.results) for one in its]
            difference = compared(
                shares[0], shares[1], {one: one for one in CASES}, {one: one for one in CASES}
            )
        said = (preferences(),) if second is not None else ()
        made = Report("reply", f"About {HOSTILE}", 0.5, SETTINGS.tags, tuple(its), difference, said)
        return scrubbed(made, scrubber.scrub)

    return make


@pytest.fixture
def secret() -> str:
    """What no report may hold."""
    return SECRET
