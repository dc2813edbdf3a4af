"""Whole workflows as targets: on a stage of their own, with no action carried out and nobody asked."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.evals.conftest import Desk, Sorted, case

from roadworthy import App, Decision, skip
from roadworthy.calls.calibrated import ConfidenceFile
from roadworthy.calls.calibration import Calibration
from roadworthy.evals import VerdictKind
from roadworthy.testing.stand_in import StandIn, asking

SUITE = """
workflow = "sort"
min_pass = 0.5
timeout_seconds = {seconds}
{more}
[[evaluators]]
kind = "exact"
field = "queue"
"""


class Flow:
    """A workflow of the project, and what it did to the world."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.acted: list[str] = []
        self.held = asyncio.Event()
        self.app = desk.app()
        self.declare(self.app)

    def declare(self, app: App) -> None:
        """Declare step, action and workflow."""

        @app.action(irreversible=True)
        async def deliver(decision: Decision[Sorted], *, key: str = "") -> int:
            self.acted.append(key)
            return 7

        @app.workflow
        async def sort(text: str) -> dict[str, Any]:
            if text == "spam":
                return skip("spam")
            if text == "hang":
                await app.sleep(3600)
            if text == "broken":
                raise ValueError("no such thing")
            answer = await app.sort(text=text)  # type: ignore[attr-defined]
            if text == "unsure":
                decision = await app.decide(answer)
            else:
                decision = Decision[Sorted].by_rule(answer, rule="any")
            ticket = await deliver(decision)
            return {"queue": decision.value.queue, "ticket": ticket}

    async def run(self, **options: Any):
        """Evaluate it."""
        with asking(self.app, {"rule": StandIn("rule", self.app.settings, self.desk)}):
            async with self.app.evaluating() as evals:
                return await evals.run("flow", **options)


@pytest.fixture
def flow(desk: Desk) -> Flow:
    """The project with a workflow, and a suite for it."""
    cases = [case("a", "a parcel", "delivery"), case("b", "a refund", "billing")]
    desk.suite("flow", SUITE.format(seconds=30, more=""), cases)
    return Flow(desk)


async def test_a_workflow_is_evaluated_with_its_actions_recorded(flow):
    """Its result is the output, its acts are there with what they were given, and nothing was done."""
    ran = await flow.run()
    assert [one.outcome.output["queue"] for one in ran.results] == ["delivery", "billing"]
    assert [one.passed for one in ran.results] == [True, True]
    act = ran.results[0].outcome.acts[0]
    assert (act["action"], act["irreversible"]) == ("deliver", True)
    assert act["arguments"]["decision"]["value"] == {"queue": "delivery"}
    assert flow.acted == []
    assert ran.experiment.cost_usd > 0


async def test_its_runs_are_in_no_database_of_the_project(flow):
    """No worker of the project could ever take them over."""
    await flow.run()
    async with flow.app.running(work=False) as app:
        from roadworthy.workflows import Filter

        assert await app.runs.find(Filter()) == []
        assert app.rehearse is None
        assert app.settings.environment == "development"


async def test_its_models_answer_from_the_tape(flow):
    """The second time no model is asked, although all of its code runs."""
    first = await flow.run()
    asked = len(flow.desk.asked)
    again = await flow.run(mode="strict")
    assert len(flow.desk.asked) == asked == 2
    assert [one.passed for one in again.results] == [True, True]
    assert again.experiment.cost_usd == 0
    assert (first.experiment.saved_usd, again.experiment.saved_usd) == (0, first.experiment.cost_usd)


async def test_how_a_run_ends_is_its_outcome(flow):
    """Skipped, broken, held for a person: each is told as what it is, and nobody is asked."""
    texts = {"spam": "skipped", "broken": "", "unsure": "needs_person"}
    flow.desk.cases("flow", [case(text, text, "other") for text in texts])
    ran = await flow.run()
    spam, broken, unsure = (one.outcome for one in ran.results)
    assert spam.output == {"skipped": "spam"}
    assert "no such thing" in broken.message
    assert (unsure.error, unsure.output) == ("needs_person", None)
    assert ran.verdict.kind is not VerdictKind.PASS
    assert flow.acted == []
    async with flow.app.running(work=False) as app:
        assert await app.reviews.open_items() == []


async def test_a_run_that_does_not_end_is_left_when_its_time_is_up(flow):
    """The others have their results."""
    flow.desk.suite(
        "flow",
        SUITE.format(seconds=2, more=""),
        [case("hang", "hang", "other"), case("a", "a parcel", "delivery")],
    )
    ran = await flow.run()
    assert [one.outcome.error for one in ran.results] == ["timeout", ""]


async def test_a_budget_of_the_experiment_stops_it(flow):
    """What a workflow spends counts as well."""
    cases = [case(f"c{n}", f"parcel {n}", "delivery") for n in range(60)]
    flow.desk.suite("flow", SUITE.format(seconds=30, more="budget_usd = 0.2\nconcurrency = 2"), cases)
    ran = await flow.run()
    assert ran.stopped
    assert 0 < len(ran.results) < 60
    assert ran.experiment.cost_usd <= 0.2


async def test_an_input_that_the_workflow_does_not_take_is_its_case_s_failure(flow):
    """It is told, and the others go on."""
    flow.desk.cases("flow", [{"id": "x", "inputs": {"nonsense": 1}, "expected": {"queue": "other"}}])
    ran = await flow.run()
    assert ran.results[0].outcome.error == "invalid_input"


async def test_another_version_of_a_prompt_is_pinned_for_a_workflow(flow):
    """Two versions of a prompt that a workflow asks are compared through the workflow."""
    flow.desk.prompt("v2", "---\ninputs:\n  text: {type: str}\n---\n# user\nSort it: {{ text }}\n")
    made = Flow(flow.desk)
    flow.desk.answer = lambda text: None
    with asking(made.app, {"rule": StandIn("rule", made.app.settings, flow.desk)}):
        async with made.app.evaluating() as evals:
            variants = [evals.variant("flow", f"sort-message@{label}") for label in ("v1", "v2")]
            before, after = [await evals.run("flow", one) for one in variants]
    assert (before.experiment.variant, after.experiment.variant) == (
        "sort by sort-message@v1",
        "sort by sort-message@v2",
    )
    assert before.experiment.fingerprint != after.experiment.fingerprint
    assert "Sort this" in flow.desk.sent[0]
    assert "Sort it" in flow.desk.sent[-1]


async def test_what_a_score_is_worth_is_part_of_what_a_workflow_does(flow, desk):
    """Another calibration is another combination: it decides what a person has to see."""
    before = (await flow.run()).experiment
    file = ConfidenceFile(
        "sort-message", "sort-message@v1", "a hash", "rule", ("least",), Calibration("logistic", 0.0, (1.0,)),
        "2026-11-21T00:00:00Z", 20,
    )  # fmt: skip
    file.write(desk.root / "sort.json")
    settings = desk.root / "roadworthy.toml"
    settings.write_text(settings.read_text() + '[prompts.sort-message]\nconfidence = "sort.json"\n')
    with_file = (await Flow(desk).run()).experiment
    replace(file, calibration=Calibration("logistic", 0.0, (2.0,))).write(desk.root / "sort.json")
    changed = (await Flow(desk).run()).experiment
    assert len({one.fingerprint for one in (before, with_file, changed)}) == 3
