"""Prompts that judge: their verdicts, their majority, their price, and when they may decide."""

from decimal import Decimal

import pytest

from roadworthy.evals import Outcome
from roadworthy.evals.evaluator import Calibrated, Workshop

CALIBRATED = Calibrated(labels=100, kappa=0.8)


class Shop:
    """Answers of a judge in order, and what it was asked."""

    def __init__(self, *answers, calibrated=True):
        self.answers = list(answers)
        self.asked = []
        self.calibrated = calibrated

    async def ask(self, prompt, inputs, repeat):
        """The next answer."""
        self.asked.append((prompt, inputs, repeat))
        said = self.answers.pop(0)
        return said if isinstance(said, Outcome) else Outcome(output=said, cost_usd=Decimal("0.01"))

    def workshop(self):
        """What evaluators are built with."""
        known = CALIBRATED if self.calibrated else None
        return Workshop(
            functions={},
            ask=self.ask,
            digest_of=lambda prompt: f"digest of {prompt}",
            suite="letters",
            calibrated=lambda name, version: known,
        )


@pytest.mark.parametrize(
    ("answer", "passed", "value", "reason"),
    [
        ({"passed": True, "reason": "good"}, True, None, "good"),
        ({"passed": False, "score": 0.9}, False, 0.9, ""),
        ({"score": 0.5}, True, 0.5, ""),
        ({"score": 0.49, "reason": "meh"}, False, 0.49, "meh"),
        ({"label": " PASS "}, True, None, " PASS "),
        ({"label": "rude", "reason": "it swears"}, False, None, "it swears"),
    ],
)
async def test_a_verdict(build, case_of, answer, passed, value, reason):
    """By `passed`, by `score`, or by `label`."""
    said = await build(Shop(answer).workshop(), kind="judge", prompt="is-good").score(case_of(), Outcome())
    assert (said.passed, said.value, said.reason) == (passed, value, reason)
    assert (said.cost_usd, said.informs) == (Decimal("0.01"), False)


@pytest.mark.parametrize("answer", ["fine", {}, {"score": 95}, {"score": True}, Outcome(error="provider")])
async def test_no_verdict_is_an_error(build, case_of, answer):
    """A score on a scale that nobody knows is none."""
    said = await build(Shop(answer).workshop(), kind="judge", prompt="is-good").score(case_of(), Outcome())
    assert said.error
    assert said.passed is None


async def test_it_is_given_what_the_settings_say(build, case_of):
    """Under the names of the prompt's own inputs."""
    shop = Shop({"passed": True})
    judge = build(
        shop.workshop(),
        kind="judge",
        prompt="is-good",
        field="text",
        inputs={"letter": "output", "q": "input"},
    )
    await judge.score(case_of("e", inputs={"a": 1}), Outcome(output={"text": "Dear"}))
    assert shop.asked == [("is-good", {"letter": "Dear", "q": {"a": 1}}, 0)]


async def test_the_majority_decides(build, case_of):
    """Each is another repeat, and all of them cost."""
    shop = Shop({"score": 0.2}, {"score": 0.8, "reason": "warm"}, {"score": 0.8, "reason": "kind"})
    judge = build(shop.workshop(), kind="judge", prompt="is-good", repeats=3)
    said = await judge.score(case_of(), Outcome())
    assert (said.passed, said.reason, said.cost_usd) == (True, "2 of 3: warm", Decimal("0.03"))
    assert said.value == pytest.approx(0.6)
    assert [repeat for *_, repeat in shop.asked] == [0, 1, 2]


async def test_no_majority_is_an_error(build, case_of):
    """A third answer that cannot be used decides nothing."""
    shop = Shop({"passed": True}, {"passed": False}, {})
    judge = build(shop.workshop(), kind="judge", prompt="is-good", repeats=3)
    assert (await judge.score(case_of(), Outcome())).error


async def test_a_judge_that_is_not_calibrated_only_informs(build, case_of):
    """It neither blocks nor passes, and says how that would change."""
    judge = build(Shop({"passed": False}, calibrated=False).workshop(), kind="judge", prompt="is-good")
    said = await judge.score(case_of(), Outcome())
    assert (judge.blocks, said.informs) == (False, True)
    assert said.reason == "informs only: not calibrated (roadworthy evals calibrate letters)"


def test_its_version_is_that_of_what_answers(build):
    """A calibration of another prompt, model or setting does not count."""
    first = build(Shop().workshop(), kind="judge", prompt="is-good")
    assert first.blocks
    assert "digest of is-good" in first.version
    assert first.version != build(Shop().workshop(), kind="judge", prompt="is-good", at_least=0.7).version


@pytest.mark.parametrize(
    ("ahead", "behind", "better", "flipped"),
    [
        ("first", "second", "first", False),
        ("second", "first", "second", False),
        ("first", "first", "tie", True),
        ("tie", "tie", "tie", False),
        ("first", "neither", "tie", True),
    ],
)
async def test_two_outputs_are_compared_in_both_orders(build, case_of, ahead, behind, better, flipped):
    """Only a preference that does not depend on the place counts."""
    shop = Shop({"better": ahead}, {"better": behind})
    judge = build(shop.workshop(), kind="pairwise", prompt="which", inputs={"a": "first", "b": "second"})
    assert not judge.applies(case_of())
    said = await judge.prefer(case_of(), Outcome(output="one"), Outcome(output="two"))
    assert (said.better, said.flipped, said.cost_usd) == (better, flipped, Decimal("0.02"))
    assert [inputs for _, inputs, _ in shop.asked] == [{"a": "one", "b": "two"}, {"a": "two", "b": "one"}]
