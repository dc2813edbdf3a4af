"""Confidence from what people said of answers to what later answers get; on either database."""

import json
import random
from dataclasses import replace

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from roadworthy import App
from roadworthy.calls.calibrated import LEAST, ConfidenceFile
from roadworthy.calls.calibration import Calibration
from roadworthy.cli import confidence
from roadworthy.cli.command import Place
from roadworthy.db import upgrade
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.review import decisions, review_items
from roadworthy.errors import InvalidInput, SettingsError
from roadworthy.evals.confidence import learn, reviewed

SETTINGS = """
[project]
name = "shop"
[database]
url = "{url}"
[models.clerk]
provider = "python"
function = "model:clerk"
[routes.default]
models = ["clerk"]
"""
PROMPT = "---\ninputs:\n  text: str\n---\n# user\n{{ text }}\n"


class Sorted(BaseModel):
    """What the model says."""

    a: int
    confidence: float


@pytest.fixture
def root(tmp_path, fresh_database_url):
    """A project with one prompt."""
    (tmp_path / "roadworthy.toml").write_text(SETTINGS.format(url=fresh_database_url))
    folder = tmp_path / "prompts" / "sort"
    folder.mkdir(parents=True)
    (folder / "v1.md").write_text(PROMPT)
    return tmp_path


def load(root):
    """Its app, whose model is as sure as the text says."""
    app = App.load(root)
    app._functions.update({"model:clerk": lambda said: {"a": 1, "confidence": float(said.inputs["text"])}})
    app.sort = app.prompt("sort", output=Sorted)
    return app


def stored(
    app, number, *, score, right, by="person", share=None, prompt_hash="abc", signals=True, status=None
):
    """A call with a decision, as they are left on record."""
    said = json.dumps({"self_report": score}) if signals else None
    about = {"environment": app.settings.environment, "workflow": "desk", "prompt_version": "sort@v1"}
    call = {
        **about, "id": f"call_{number:04}", "prompt_id": "sort", "prompt_hash": prompt_hash,
        "route": "default", "status": "succeeded", "confidence": score, "signals": said,
        "model": "clerk-1", "started_at": 1,
    }  # fmt: skip
    verdict = "approved" if right else "rejected"
    decision = {
        **about, "id": f"dec_{number:04}", "run_id": "run_1", "step_id": "s", "call_id": call["id"],
        "prompt_hash": prompt_hash, "verdict": "approved" if by == "rule" else verdict, "by": by, "name": "x",
        "sampled": by == "rule", "sample_share": share, "review_id": f"review_{number:04}" if share else None,
        "value_hash": "", "created_at": 1_000 + number,
    }  # fmt: skip
    with app.database.engine.begin() as tx:
        tx.execute(calls.insert().values(**call))
        tx.execute(decisions.insert().values(**decision))
        if share:
            item = {
                "id": decision["review_id"], "environment": about["environment"], "kind": "sample",
                "status": status or verdict, "reason": "", "question": b"", "created_at": 1,
            }  # fmt: skip
            tx.execute(review_items.insert().values(**item))


@pytest.fixture
def app(root):
    """An app with its tables."""
    made = load(root)
    upgrade(made.database)
    yield made
    made.database.close()


def read(app, **more):
    """What is on record of its prompt."""
    return app.database.read_now(lambda tx: reviewed(tx, app.settings.environment, "sort", 0, **more))


def test_held_and_sampled_answers_are_outcomes(app):
    """Approved is right, all else wrong; a sample stands for as many as its share says."""
    stored(app, 1, score=0.5, right=True)
    stored(app, 2, score=0.5, right=False)
    stored(app, 3, score=0.9, right=True, by="rule", share=0.1)
    stored(app, 4, score=0.9, right=False, by="rule", share=0.5)
    stored(app, 5, score=0.9, right=True, by="rule", share=0.5, status="open")
    stored(app, 6, score=0.4, right=True, signals=False)
    found = read(app)
    assert [(one.right, one.weight, one.sampled) for one in found] == [
        (True, 1, False),
        (False, 1, False),
        (True, 10, True),
        (False, 2, True),
        (True, 1, False),
    ]
    assert found[-1].signals == {LEAST: 0.4}
    assert read(app, workflow="other") == []


def test_overconfident_scores_become_what_they_are_worth(app):
    """A clerk who says 0.95 and is right seven times in ten: with weights for those that were sampled."""
    rng = random.Random(1)
    for number in range(300):
        score = rng.choice([0.6, 0.8, 0.95])
        right = rng.random() < {0.6: 0.3, 0.8: 0.5, 0.95: 0.7}[score]
        sampled = {"by": "rule", "share": 0.25} if score == 0.95 else {}
        stored(app, number, score=score, right=right, **sampled)
    stored(app, 900, score=0.5, right=True, prompt_hash="old")
    answers = read(app)
    learnt = learn("sort", answers[:-1], 0)
    figures = learnt.file.figures
    assert learnt.file.signals == ("self_report",)
    for score in (0.6, 0.8, 0.95):
        its = [one.right for one in answers[:-1] if one.signals["self_report"] == score]
        assert learnt.file.confidence({"self_report": score}) == pytest.approx(sum(its) / len(its), abs=0.06)
    assert figures["calibration_error_after"] < 0.1 < figures["calibration_error_before"]
    assert figures["brier_after"] < figures["brier_before"]
    assert learnt.left_out == {}
    newest = learn("sort", [answers[-1], *answers[:-1]], 0)
    assert newest.left_out == {"of another version": 1}
    with pytest.raises(InvalidInput, match="1 reviewed answers"):
        learn("sort", answers, 0)
    with pytest.raises(InvalidInput, match="no answer of prompt 'sort'"):
        learn("sort", [], 0)


async def test_an_answer_is_as_sure_as_was_learnt(root, app, caplog):
    """Signals are on record as they were; of another version or model nobody knows, as a warning says."""
    answer = await app.sort(text="0.9")
    assert answer.confidence == pytest.approx(0.9)
    version = app.version("sort")
    file = ConfidenceFile(
        "sort", "sort@v1", version.content_hash, answer.model, ("self_report",),
        Calibration("logistic", -1.0, (0.5,)), "2026-11-21T00:00:00Z", 100,
    )  # fmt: skip
    settings = root / "roadworthy.toml"
    settings.write_text(settings.read_text() + '[prompts.sort]\nconfidence = "confidence/sort.json"\n')
    with pytest.raises(SettingsError, match=r"prompts\.sort\.confidence: There is no file"):
        load(root).check()
    file.write(root / "confidence/sort.json")
    fitted = load(root)
    fitted.check()
    answer = await fitted.sort(text="0.9")
    assert answer.confidence == pytest.approx(file.confidence({"self_report": 0.9})) != pytest.approx(0.9)
    row = fitted.database.read_now(
        lambda tx: tx.execute(sa.select(calls).where(calls.c.id == answer.call_id)).one()
    )
    assert (json.loads(row.signals), row.confidence) == ({"self_report": 0.9}, answer.confidence)
    fitted.database.close()
    for other in (replace(file, prompt_hash="old"), replace(file, model="clerk-2")):
        other.write(root / "confidence/sort.json")
        changed = load(root)
        assert (await changed.sort(text="0.9")).confidence is None
        changed.database.close()
    assert sum("is not calibrated" in one.message for one in caplog.records) == 2


async def test_the_commands_learn_and_show(root, app, capsys):
    """A diagram before and after, a file, and how to have it used."""
    for number in range(60):
        stored(app, number, score=0.9, right=number % 3 > 0)
    place = Place(root)
    await confidence.fit(place, workflow="desk", since="1970-01-01", dry_run=True)
    out = capsys.readouterr().out
    assert not (root / "confidence").exists()
    assert "60 reviewed answers, 40 right" in out
    await confidence.fit(place, prompt="sort", since="1970-01-01")
    out = capsys.readouterr().out
    assert 'confidence = "confidence/sort.json"' in out
    confidence.show(place, "sort", as_json=True)
    assert json.loads(capsys.readouterr().out)["answers"] == 60
    with pytest.raises(InvalidInput, match="0 prompts"):
        await confidence.fit(place, workflow="none")
