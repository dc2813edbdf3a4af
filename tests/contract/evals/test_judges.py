"""A judge from its first word, which only informs, to the labels by which it decides; on either database."""

import asyncio
import json

import pytest
import sqlalchemy as sa
from tests.contract.evals.conftest import case

from roadworthy.audit import Action
from roadworthy.cli import evals_judges
from roadworthy.cli.command import Place
from roadworthy.db.tables.audit import audit_entries
from roadworthy.errors import InvalidInput, StateConflict
from roadworthy.evals.judging import read_labels, read_record

PROMPT = """---
inputs:
  queue: {type: str}
---
# user
Is this a good queue? {{ queue }}
"""
SUITE = """
prompt = "sort-message"
min_pass = 0.6
[judges]
min_labels = 8
[[evaluators]]
kind = "not_empty"
[[evaluators]]
kind = "judge"
name = "tone"
prompt = "is-good"
field = "queue"
inputs = { queue = "output" }
"""
WORDS = ["parcel", "refund", "invoice", "weather"]
CASES = [case(f"c{n}", f"{WORDS[n % 4]} {n}", None, "common") for n in range(24)]


@pytest.fixture
def judged(desk):
    """A suite whose judge, by its own prompt, calls every queue but `other` good."""
    folder = desk.root / "prompts" / "is-good"
    folder.mkdir()
    (folder / "v1.md").write_text(PROMPT)
    desk.suite("sort-message", SUITE, CASES)
    desk.judge = "model:good"
    settings = desk.root / "roadworthy.toml"
    settings.write_text(
        settings.read_text()
        + '\n[models.good]\nprovider = "python"\nfunction = "model:good"\n'
        + '[routes.judging]\nmodels = ["good"]\n[prompts.is-good]\nroute = "judging"\n'
    )
    load = desk.app

    def app():
        made = load()
        made._functions.update({"model:good": lambda said: {"passed": said.inputs["queue"] != "other"}})
        made.prompt("is-good", output=dict)
        return made

    desk.app = app
    return desk


def labelled(desk, say, count=24, name="labels.jsonl"):
    """A file of labels."""
    lines = (json.dumps({"case": one["id"], "passed": say(one)}) + "\n" for one in CASES[:count])
    file = desk.root / name
    file.write_text("".join(lines))
    return read_labels(file)


def good(one):
    """What people say: as the judge, but for one case."""
    return "weather" not in one["inputs"]["text"] or one["id"] == "c7"


async def test_a_judge_informs_until_it_is_calibrated_and_then_decides(judged):
    """The same answers pass at first, and fail by its word once people agree with it."""
    async with judged.evals() as evals:
        before = await evals.run("sort-message")
        assert before.verdict.share == 1
        assert "tone informs only: not calibrated; needs 8 labels by people" in before.verdict.notes[0]
        bench = evals.bench("sort-message")
        found = await bench.compare(labelled(judged, good))
        bench.keep(found)
        after = await evals.run("sort-message")
    one = found.judges[0]
    assert (one.agreement.both_no, one.agreement.people_only) == (5, 1)
    assert after.verdict.share == pytest.approx(0.75)
    assert (
        "tone decides: kappa 0.88 with people on 24 outputs. It passed 75.0%; people would pass 79.2%"
        in (after.verdict.notes[0])
    )
    assert before.experiment.fingerprint != after.experiment.fingerprint


async def test_another_prompt_of_the_judge_is_another_judge(judged):
    """What was said of the old one does not let the new one decide."""
    async with judged.evals() as evals:
        await evals.run("sort-message")
        bench = evals.bench("sort-message")
        bench.keep(await bench.compare(labelled(judged, good)))
    (judged.root / "prompts/is-good/v2.md").write_text(PROMPT + "Be strict.\n")
    async with judged.evals() as evals:
        ran = await evals.run("sort-message")
    assert "changed since people's labels" in ran.verdict.notes[0]
    assert ran.verdict.share == 1
    assert all(score.informs for one in ran.results for score in one.scores if score.evaluator == "tone")


async def test_too_few_labels_and_too_little_agreement_do_not_do(judged):
    """Labels of several files add up."""
    async with judged.evals() as evals:
        await evals.run("sort-message")
        bench = evals.bench("sort-message")
        bench.keep(await bench.compare(labelled(judged, good, count=5)))
        assert "needs 3 more" in (await evals.run("sort-message")).verdict.notes[0]
        rest = tuple(one for one in labelled(judged, good, count=12) if one.line > 5)
        more = await bench.compare(rest)
        assert more.judges[0].agreement.cases == 12
        worse = await bench.compare(labelled(judged, lambda one: int(one["id"][1:]) % 2 == 0))
        bench.keep(worse)
        assert "agrees with people too little" in (await evals.run("sort-message")).verdict.notes[0]


async def test_a_judge_that_has_not_judged_yet_cannot_be_compared(judged):
    """Neither before its first experiment, nor with labels of one kind."""
    async with judged.evals() as evals:
        with pytest.raises(StateConflict, match="No finished experiment"):
            await evals.bench("sort-message").compare(labelled(judged, good))
        await evals.run("sort-message")
        with pytest.raises(InvalidInput, match="all 24 outputs passed"):
            await evals.bench("sort-message").compare(labelled(judged, lambda _: True))


async def test_a_sheet_is_drawn_at_random_and_read_back(judged):
    """People see input and output and not the judge's word; what they fill in are labels of these outputs."""
    async with judged.evals() as evals:
        ran = await evals.run("sort-message")
        bench = evals.bench("sort-message")
        file = judged.root / "sheet.jsonl"
        experiment, count = await bench.sheet(file, 16)
        assert (experiment.id, count) == (ran.experiment.id, 16)
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert {*lines[0]} == {"case", "repeat", "passed", "inputs", "expected", "output", "output_hash"}
        assert [one["case"] for one in lines] != sorted(one["case"] for one in lines)
        for one in lines:
            one["passed"] = one["output"]["queue"] != "other"
        file.write_text("".join(json.dumps(one) + "\n" for one in lines))
        found = await bench.compare(read_labels(file))
    assert (found.judges[0].agreement.cases, found.judges[0].agreement.kappa.value) == (16, 1)
    assert found.judges[0].judged_cases == 24


async def test_a_judge_of_pairs_is_asked_in_both_orders(judged):
    """One that always prefers what is shown first is found out."""
    suite = SUITE.replace('kind = "judge"', 'kind = "pairwise"').replace('name = "tone"', 'name = "better"')
    suite = suite.replace('inputs = { queue = "output" }', 'inputs = { queue = "first" }')
    judged.suite("sort-message", suite, CASES)
    load = judged.app

    def app():
        made = load()
        made._functions["model:good"] = lambda _: {"better": "first"}
        return made

    judged.app = app
    async with judged.evals() as evals:
        await evals.run("sort-message")
        with pytest.raises(StateConflict, match="no two experiments"):
            await evals.bench("sort-message").positions()
        await evals.run("sort-message", evals.variant("sort-message", "second"))
        bias = (await evals.bench("sort-message").positions())["better"]
    assert (bias.pairs, bias.to_first, bias.to_second, bias.flipped_share) == (18, 18, 0, 1)
    assert bias.p < 0.001


def test_the_command_compares_and_keeps(judged, capsys, monkeypatch):
    """It prints what people's labels say, writes judges.json, and the audit log has it."""
    app = judged.app()
    monkeypatch.setattr("roadworthy.cli.project.load_app", lambda place: app)

    async def run(**options):
        async with app.evaluating() as evals:
            await evals.run("sort-message", evals.variant("sort-message", "second"))
        file = judged.root / "labels.jsonl"
        labelled(judged, good)
        await evals_judges.calibrate(Place(judged.root), "sort-message", None, file, None, **options)

    asyncio.run(run(dry_run=True, as_json=False))
    out = capsys.readouterr().out
    assert "It informs only: agrees with people too little: kappa 0.00" in out
    assert not (judged.root / "evals/sort-message/judges.json").exists()
    asyncio.run(run(dry_run=False, as_json=True))
    told = json.loads(capsys.readouterr().out)
    assert told["judges"][0]["labels"] == 24
    assert not told["judges"][0]["decides"]
    assert read_record(judged.root / "evals/sort-message/judges.json").judges["tone"].labels == 24
    found = asyncio.run(_actions(app))
    assert Action.JUDGES_CALIBRATED.value in found


async def _actions(app):
    async with app.running(work=False):
        return await app.database.read(lambda tx: tx.scalars(sa.select(audit_entries.c.action)).all())
