"""Inputs come from a file, from the record, or from the signature; the record is read and never made."""

import pytest

from roadworthy import App
from roadworthy.errors import InvalidInput
from roadworthy.prompts import load_prompts
from roadworthy.settings import Settings
from roadworthy.testing.drill.inputs import answers_on_record, from_file, on_record, sampled
from roadworthy.testing.drill.plan import Plan, lanes
from roadworthy.testing.drill.scenario import SCENARIOS

TOML = """
[models.rule]
provider = "python"
function = "rule:answer"
[routes.default]
models = ["rule"]
"""


@pytest.fixture
def app(tmp_path):
    """A project with a workflow that asks a model."""
    (tmp_path / "roadworthy.toml").write_text(TOML)
    (tmp_path / "prompts" / "ask").mkdir(parents=True)
    (tmp_path / "prompts" / "ask" / "v1.md").write_text(
        "---\ninputs: {text: str}\n---\n# user\nSay {{ text }}\n"
    )
    settings = Settings.load(tmp_path)
    app = App(settings, load_prompts(tmp_path / "prompts"))
    app._functions["rule:answer"] = lambda request: f"said {request.inputs['text']}"
    ask = app.prompt("ask")

    @app.workflow
    async def answer(text: str, times: int = 1) -> str:
        return (await ask(text=text)).value

    return app


def test_lines_of_a_file_are_inputs(tmp_path):
    """Fields are renamed where that is asked for; what is no object is left out."""
    file = tmp_path / "lines.jsonl"
    file.write_text('{"id": "t-1", "x": 1}\n[1]\nnot json\n{"id": "t-2"}\n')
    assert from_file(file, {"ticket": "id"}).values == ({"ticket": "t-1"}, {"ticket": "t-2"})
    assert from_file(file, {}).values[0] == {"id": "t-1", "x": 1}


def test_a_file_without_inputs_is_refused(tmp_path):
    """Nothing can be drilled with it."""
    (tmp_path / "lines.jsonl").write_text("[1]\n")
    with pytest.raises(InvalidInput, match=r"No line of 'lines\.jsonl'"):
        from_file(tmp_path / "lines.jsonl", {})


def test_without_a_database_nothing_is_on_record_and_none_is_made(app, tmp_path):
    """A look must leave no file behind."""
    assert on_record(app, "answer") is None
    assert answers_on_record(app, "answer") == {}
    assert not (tmp_path / ".roadworthy").exists()


@pytest.mark.slow
async def test_runs_and_answers_on_record_are_found(app):
    """The inputs of the last runs, and what was answered, by the text that was asked."""
    async with app.running():
        for text in ("yes", "no"):
            await (await app.runs.start("answer", {"text": text})).result(timeout_seconds=30)
    found = on_record(app, "answer")
    assert found.source == "the last 2 runs on record"
    assert [one["text"] for one in found.values] == ["no", "yes"]
    asked = answers_on_record(app, "answer")
    assert sorted(asked.values()) == ["said no", "said yes"]
    assert all(answer.removeprefix("said ") in text for text, answer in asked.items())
    assert on_record(app, "other") is None


def test_samples_fit_the_signature(app):
    """They are marked as made up."""
    found = sampled(app, "answer")
    assert found.made_up
    assert found.values[0]["text"] == "text"
    for values in found.values:
        app.runs.prepare("answer", values)


def test_a_flood_has_a_loud_and_a_quiet_tenant(app):
    """Five times as many at once, beside one at a time; inputs are used in turn."""
    plan = Plan("answer", sampled(app, "answer"), lambda _: [], runs=30, at_once=4)
    [usual] = lanes(plan, SCENARIOS["crash"])
    assert (len(usual.starts), usual.at_once) == (30, 4)
    assert len({start.user_id for start in usual.starts}) == 30
    loud, quiet = lanes(plan, SCENARIOS["flood"])
    assert (len(loud.starts), loud.at_once) == (30, 20)
    assert (len(quiet.starts), quiet.at_once) == (6, 1)
    assert {start.tenant for start in quiet.starts} == {"quiet"}
