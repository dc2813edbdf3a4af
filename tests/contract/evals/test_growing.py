"""Cases from what is on record: of real runs, reviews and feedback, on both databases."""

import asyncio

import pytest
from pydantic import BaseModel

from roadworthy import App
from roadworthy.errors import InvalidInput, NotFound
from roadworthy.evals import growing
from roadworthy.evals.growing import Target
from roadworthy.review import Filter, ItemStatus
from roadworthy.review.feedback import Feedback, Scale, Subject

SETTINGS = """
[models.rule]
provider = "python"
function = "grown_model:answer"
[routes.default]
models = ["rule"]
attempts = 1
repairs = 0
"""
PROMPT = "---\ninputs:\n  ticket: str\n---\n# user\n{{ ticket }}\n"
MODEL = """
def answer(request):
    if "broken" in str(request):
        return {"nothing": "that fits"}
    return {"reply": "Hello."}
"""
REFUND = Target("prompt", "refund", "development")
DESK = Target("workflow", "desk", "development")


class Reply(BaseModel):
    """What the model says."""

    reply: str


@pytest.fixture
def app(fresh_database_url, tmp_path, monkeypatch):
    """A desk where a person decides every time."""
    (tmp_path / "roadworthy.toml").write_text(SETTINGS)
    (tmp_path / "prompts" / "refund").mkdir(parents=True)
    (tmp_path / "prompts" / "refund" / "v1.md").write_text(PROMPT)
    (tmp_path / "grown_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    quick = {"workers.poll_seconds": 0.05}
    made = App.load(tmp_path, overrides={"database.url": fresh_database_url, **quick})
    ask = made.prompt("refund", output=Reply)

    @made.workflow
    async def desk(ticket: str) -> str:
        decision = await made.decide(await ask(ticket=ticket))
        return decision.value.reply if decision.verdict != "rejected" else "rejected"

    yield made
    made.database.close()


async def asked(app, ticket):
    """A run that waits for a person, and the review."""
    handle = await app.runs.start("desk", {"ticket": ticket})
    for _ in range(400):
        for item in await app.reviews.find(Filter(status=(ItemStatus.OPEN,))):
            if item.run_id == handle.id:
                return handle, item.id
        await asyncio.sleep(0.05)
    raise AssertionError(ticket)


def read(app, how, target, record_id):
    """Drafts of one record."""
    return app.database.read_now(lambda tx: how(tx, target, record_id))


async def test_what_people_decided_is_what_is_expected(app):
    """An edit gives the edited value, an approval the answer, a rejection nothing but a note."""
    async with app.running():
        expected = {}
        verdicts = [("edit", {"reply": "Dear."}, ""), ("approve", None, ""), ("reject", None, "Too short.")]
        for verdict, value, note in verdicts:
            handle, review_id = await asked(app, f"please {verdict}")
            await app.reviews.decide(review_id, verdict, by="ann", value=value, note=note)
            await app.runs.finished(handle.id, timeout_seconds=30)
            (draft,) = read(app, growing.of_review, REFUND, review_id)
            assert (draft.inputs, draft.source) == ({"ticket": f"please {verdict}"}, review_id)
            (by_run,) = read(app, growing.of_run, REFUND, handle.id)
            assert (by_run.expected, by_run.inputs) == (draft.expected, draft.inputs)
            assert by_run.source.startswith("call_")
            expected[verdict] = (draft.expected, draft.note)
    assert expected == {
        "edit": ({"reply": "Dear."}, "edited by a person"),
        "approve": ({"reply": "Hello."}, "approved by a person"),
        "reject": (None, "rejected by a person: Too short."),
    }
    failures = app.database.read_now(lambda tx: growing.of_failures(tx, REFUND, 0, 10))
    assert sorted(one.inputs["ticket"] for one in failures) == ["please edit", "please reject"]
    later = app.database.read_now(lambda tx: growing.of_failures(tx, REFUND, app.clock.now_ms() + 1, 10))
    assert later == []


async def test_cases_of_a_workflow_are_inputs_of_its_runs(app):
    """A correction of a run's result is what is expected of the workflow, and not of its prompt."""
    async with app.running():
        handle, review_id = await asked(app, "hello")
        await app.reviews.decide(review_id, "approve", by="ann")
        await app.runs.finished(handle.id, timeout_seconds=30)
        subject = Subject(handle.id, Scale.STARS)
        said = await app.feedback.give(
            Feedback(id="", subject=subject, rating=1, comment="rude", correction="Good day.")
        )
    (draft,) = read(app, growing.of_feedback, DESK, said)
    assert (draft.inputs, draft.expected, draft.source) == ({"ticket": "hello"}, "Good day.", said)
    assert draft.note == "rated 1 (stars) by an end user; rude"
    (of_prompt,) = read(app, growing.of_feedback, REFUND, said)
    assert (of_prompt.inputs, of_prompt.expected) == ({"ticket": "hello"}, None)
    (bad,) = app.database.read_now(lambda tx: growing.of_failures(tx, DESK, 0, 10))
    assert (bad.source, bad.kind) == (said, "end user unhappy")
    (plain,) = read(app, growing.of_run, DESK, handle.id)
    assert (plain.expected, plain.note) == (None, "the run ended as succeeded")


async def test_a_failed_call_is_a_failure_of_its_prompt_and_of_its_workflow(app):
    """With its inputs, and the kind of the failure."""
    async with app.running():
        handle = await app.runs.start("desk", {"ticket": "broken"})
        await app.runs.finished(handle.id, timeout_seconds=30)
    (draft,) = app.database.read_now(lambda tx: growing.of_failures(tx, REFUND, 0, 10))
    assert (draft.inputs, draft.kind) == ({"ticket": "broken"}, "the call failed: invalid_answer")
    (run,) = app.database.read_now(lambda tx: growing.of_failures(tx, DESK, 0, 10))
    assert (run.inputs, run.source) == ({"ticket": "broken"}, handle.id)
    elsewhere = Target("prompt", "refund", "production")
    assert app.database.read_now(lambda tx: growing.of_failures(tx, elsewhere, 0, 10)) == []


async def test_what_has_no_inputs_on_record_is_told(app):
    """A call without a run keeps what was sent, not what the prompt was given."""
    async with app.running():
        answer = await app.prompt("refund", output=Reply)(ticket="alone")
        with pytest.raises(InvalidInput, match=r"The inputs of call_.* are not on record"):
            read(app, growing.of_call, REFUND, answer.call_id)
        with pytest.raises(InvalidInput, match="belongs to no run"):
            read(app, growing.of_call, DESK, answer.call_id)
        with pytest.raises(InvalidInput, match="asked 'refund', and the suite is about 'other'"):
            read(app, growing.of_call, Target("prompt", "other"), answer.call_id)
        with pytest.raises(NotFound):
            read(app, growing.of_call, REFUND, "call_0")
