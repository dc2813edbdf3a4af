"""Each finding says what to do, for the project as it is."""

from dataclasses import replace

import pytest

from roadworthy.settings import ModelSettings, RouteSettings, Settings
from roadworthy.testing.drill.figures import Figures
from roadworthy.testing.drill.findings import Case, findings
from roadworthy.testing.drill.sacred import NAMES, Ruling
from roadworthy.testing.drill.scenario import SCENARIOS

CALM = Figures(
    runs=40,
    answered={"big": 40},
    degraded=0,
    late=0,
    refused={},
    dead={},
    wrong=0,
    acted_on_wrong=0,
    irreversible_on_wrong=0,
    p50_seconds=0.1,
    p99_seconds=0.2,
    spent_micro_usd=0,
    cost_known=True,
    calls=40,
    requests=40,
    retries=0,
    acts=0,
    irreversible=0,
    repeated_acts=0,
)
HELD = tuple(Ruling(name, True, "") for name in NAMES)


def found(tmp_path, *, models=("big",), then=(), rulings=HELD, troubled=9, scenario="malformed", **changed):
    """What is found where these figures are other than on a calm day."""
    providers = {"big": "anthropic", "twin": "anthropic", "other": "openai"}
    settings = Settings(
        root=tmp_path,
        models={name: ModelSettings(provider=providers[name], model=name) for name in models},
        routes={"default": RouteSettings(models=list(models), then=list(then))},
    )
    figures = replace(CALM, **changed)
    case = Case(SCENARIOS[scenario], settings, ("default",), figures, rulings, troubled)
    return [f"{one.what} {one.do}" for one in findings(case)]


def test_a_calm_drill_finds_nothing(tmp_path):
    """Nothing is made up."""
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("models", "then", "do"),
    [
        (
            ("big",),
            (),
            'routes.default has one model: add another one, at another provider, or say then = ["cache"].',
        ),
        (("big", "twin"), (), "All models of routes.default are at anthropic: add one elsewhere"),
        (("big", "other"), (), 'routes.default ends with its models: say then = ["cache"].'),
        (("big", "other"), ("review",), "Catch StepFailed in the workflow"),
    ],
)
def test_dead_runs_need_a_further_rung(tmp_path, models, then, do):
    """The first thing that the route lacks."""
    [said] = found(tmp_path, models=models, then=then, dead={"unavailable": 3})
    assert said.startswith("3 of 40 runs ended without a clear status (3 unavailable).")
    assert do in said


def test_an_open_breaker_is_told_apart(tmp_path):
    """Time in a drill is real, and the outage is short: the reader must not blame the route alone."""
    _, said = found(tmp_path, dead={"circuit_open": 7, "unavailable": 1})
    assert said.startswith("7 of them met an open breaker")
    assert "--over" in said


@pytest.mark.parametrize(
    ("kind", "do"),
    [
        ("throttled", "retry_after_seconds"),
        ("budget_spent", "degrade_to"),
        ("not_permitted", "[residency]"),
        ("needs_person", "Let the workflow itself ask"),
        ("over_budget", "routes.default has one model"),
    ],
)
def test_a_refusal_is_advised_by_its_kind(tmp_path, kind, do):
    """Another model does not help against a throttle."""
    [said] = found(tmp_path, refused={kind: 2})
    assert said.startswith(f"2 of 40 runs were refused ({kind}).")
    assert do in said


def test_a_run_without_an_end_needs_time(tmp_path):
    """Another model would not help it."""
    [said] = found(tmp_path, dead={"unfinished": 1})
    assert "timeout_seconds" in said
    assert "--patience" in said


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"refused": {"throttled": 2}}, "2 of 40 runs were refused (throttled)."),
        ({"answered": {"later": 4}}, "4 of 40 runs wait to be asked again."),
        ({"answered": {"review": 4}}, "4 of 40 runs wait for a person."),
        ({"wrong": 3}, "3 wrong answers came out of a call as a model's answer; none was acted on."),
        ({"late": 1}, "1 of 40 runs were late."),
        ({"requests": 50, "retries": 10}, "Retries added 25% of requests."),
        ({"by_tenant_p99_seconds": {"loud": 9.0, "quiet": 6.0}}, "The quiet tenant waited up to 6.0 s"),
    ],
)
def test_each_figure_that_is_not_as_it_should_be_is_found(tmp_path, changed, part):
    """One finding for one thing."""
    [said] = found(tmp_path, **changed)
    assert part in said


def test_an_irreversible_action_on_a_wrong_answer_comes_before_the_answer(tmp_path):
    """The graver one first; both name a check."""
    first, second = found(tmp_path, wrong=3, acted_on_wrong=2, irreversible_on_wrong=1)
    assert first.startswith("1 irreversible actions were decided on an answer that was wrong.")
    assert second.startswith(
        "3 wrong answers came out of a call as a model's answer; 2 of them were acted on."
    )


@pytest.mark.parametrize("number", range(4))
def test_a_broken_rule_is_found_first(tmp_path, number):
    """With what one can see it by."""
    rulings = [Ruling(name, place != number, "why") for place, name in enumerate(NAMES)]
    said = found(tmp_path, rulings=rulings, late=1)
    assert said[0].startswith(f"A sacred rule broke, {NAMES[number]}: why.")


def test_a_drill_in_which_nothing_happened_says_so(tmp_path):
    """A green report of nothing is worth nothing; a scenario without faults in requests has no such doubt."""
    assert len(found(tmp_path, troubled=0)) == 1
    assert found(tmp_path, troubled=0, scenario="crash") == []
