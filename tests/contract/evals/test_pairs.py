"""Judges of pairs in a comparison: both orders, on tape, informing until labels agree; on either database."""

import json

import pytest
from tests.contract.evals.conftest import case

from roadworthy.evals import VerdictKind
from roadworthy.evals.judging import read_labels
from roadworthy.evals.reports import FORMATS

PROMPT = """---
inputs:
  one: {type: str}
  other: {type: str}
---
# user
Which queue is better? {{ one }} or {{ other }}
"""
SUITE = """
prompt = "sort-message"
min_pass = 0.1
[judges]
min_labels = 8
[[evaluators]]
kind = "not_empty"
[[evaluators]]
kind = "pairwise"
name = "finer"
prompt = "which"
field = "queue"
inputs = { one = "first", other = "second" }
"""
WORDS = ["parcel", "refund", "invoice", "weather"]
CASES = [case(f"c{n:02}", f"{WORDS[n % 4]} {n}", None, "common") for n in range(24)]


def knows(request):
    """Any queue is better than `other`, wherever it stands."""
    one, other = request.inputs["one"], request.inputs["other"]
    return {
        "better": "tie" if (one == "other") == (other == "other") else "second" if one == "other" else "first"
    }


@pytest.fixture
def paired(desk):
    """A suite whose judge of pairs counts how often it is asked; `desk.referee` is what it says."""
    folder = desk.root / "prompts" / "which"
    folder.mkdir()
    (folder / "v1.md").write_text(PROMPT)
    desk.suite("sort-message", SUITE, CASES)
    settings = desk.root / "roadworthy.toml"
    settings.write_text(
        settings.read_text()
        + '\n[models.good]\nprovider = "python"\nfunction = "model:good"\n'
        + '[routes.judging]\nmodels = ["good"]\n[prompts.which]\nroute = "judging"\n'
    )
    load = desk.app
    desk.referee, desk.judged = knows, []

    def judge(request):
        desk.judged.append(request)
        return desk.referee(request)

    def app():
        made = load()
        made._functions.update({"model:good": judge})
        made.prompt("which", output=dict)
        return made

    desk.app = app
    return desk


async def compared(evals, mode="use"):
    """What serves, and a route that calls everything `other`."""
    before = await evals.run("sort-message")
    after = await evals.run("sort-message", evals.variant("sort-message", "second"))
    return before, await evals.preferred(before, after, mode)


async def test_an_answer_wins_only_where_both_orders_say_so(paired):
    """The same answers are not asked about; the second time all comes from the tape."""
    async with paired.evals() as evals:
        before, after = await compared(evals)
        (said,) = after.preferences
        asked = len(paired.judged)
        again = (await compared(evals))[1].preferences
        report = evals.report([before, after])
    assert (len(said.losses), len(said.wins), said.ties, said.same, said.flipped) == (18, 0, 6, 6, 0)
    assert said.difference == -0.75
    assert said.worse
    assert 6 <= asked <= 36  # three pairs in two orders, some of them at the same time
    assert len(paired.judged) == asked
    assert again[0].losses == said.losses
    assert after.verdict.kind is not VerdictKind.FAIL
    assert "finer informs only: people's labels tell 0 of these pairs apart, and 8 are asked for." in (
        after.verdict.notes
    )
    assert json.loads(FORMATS["json"]([report]))["suites"][0]["preferences"][0]["losses"] == list(said.losses)


async def test_a_word_that_hangs_on_the_order_is_a_tie(paired):
    """A judge that always prefers what it is shown first finds nothing better."""
    paired.referee = lambda _: {"better": "first"}
    async with paired.evals() as evals:
        (said,) = (await compared(evals))[1].preferences
    assert (said.losses, said.wins, said.ties, said.flipped, said.p_value) == ((), (), 24, 18, 1)


async def test_words_that_cannot_be_used_are_no_ties(paired):
    """They are counted, and the pair is not judged."""
    paired.referee = lambda _: {"better": "neither, really"}
    async with paired.evals() as evals:
        (said,) = (await compared(evals))[1].preferences
    assert (said.cases, said.ties, said.silent) == (6, 6, 18)
    assert "Of 18 pairs it said nothing." in said.told()


async def test_a_strict_tape_asks_no_judge(paired):
    """What is not on tape was not judged; what was is."""
    async with paired.evals() as evals:
        (before, after) = await compared(evals, "strict")
        assert after.preferences[0].silent == 18
        assert not paired.judged
        known = await evals.preferred(before, after)
        file = evals.write_tape([before, known])
        assert len(file.read_text().splitlines()) == len(before.tape.used | known.tape.used)
        assert (await evals.preferred(before, after, "strict")).preferences[0].losses


async def test_a_judge_that_agrees_with_people_decides(paired):
    """People label outputs of both; where they tell pairs apart as it does, its word fails the comparison."""
    async with paired.evals() as evals:
        before, after = await compared(evals)
        bench = evals.bench("sort-message")
        assert not bench.judges
        for ran, good in ((before, lambda n: n % 4 != 3), (after, lambda n: n % 4 == 3)):
            sheet = paired.root / f"{ran.experiment.id}.jsonl"
            assert await bench.sheet(sheet, 24, ran.experiment.id) == (ran.experiment, 24)
            lines = [{"case": f"c{n:02}", "passed": good(n)} for n in range(24)]
            sheet.write_text("".join(json.dumps(one) + "\n" for one in lines))
            bench.keep(await bench.compare(read_labels(sheet), ran.experiment.id))
        decided = await evals.preferred(before, after)
        third = await evals.run("sort-message")
        better = await evals.preferred(after, third)
    assert not decided.preferences[0].informs
    assert decided.verdict.grounds[-1].name == "finer"
    assert decided.verdict.kind is VerdictKind.FAIL
    assert better.preferences[0].wins == decided.preferences[0].losses
    assert better.verdict.grounds[-1].kind is VerdictKind.PASS
