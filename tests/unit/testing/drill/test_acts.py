"""In a rehearsal every action is written down with who decided on it, and none is carried out."""

from decimal import Decimal

import pytest
from pydantic import BaseModel

from roadworthy import Answer, App, Decision
from roadworthy.errors import StepFailed
from roadworthy.prompts import Prompts
from roadworthy.records import Usage
from roadworthy.settings import Settings
from roadworthy.testing import FakeClock
from roadworthy.testing.drill.acts import Recorder, read


class Receipt(BaseModel):
    """What an action returns."""

    number: int
    note: str


ANSWER = Answer("yes", "call-1", "big", "p@v1", "h", "m", Usage(), Decimal(0), True, 0.0, 1)


@pytest.fixture
def app(tmp_path):
    """A project whose actions must not be carried out."""
    settings = Settings.load(tmp_path, overrides={"database.url": f"sqlite:///{tmp_path / 'r.db'}"})
    app = App(settings, Prompts({}))
    app.rehearse = Recorder(tmp_path / "acts.jsonl", FakeClock(1000))
    return app


@pytest.fixture
def project(app):
    """Its workflows, by name."""

    @app.action(irreversible=True)
    def pay(amount: int, decision: Decision[str], *, key: str = "") -> Receipt:
        raise AssertionError("carried out")

    @app.action
    async def note(answer: Answer[str], *, key: str = "") -> None:
        raise AssertionError("carried out")

    @app.step
    async def noted_in_a_step() -> None:
        await note(ANSWER, key="inside")

    @app.workflow
    async def decided() -> Receipt:
        await note(ANSWER)
        await noted_in_a_step()
        return await pay(5, Decision[str].by_rule(ANSWER, rule="small"), key="k-1")

    @app.workflow
    async def undecided() -> Receipt:
        return await pay(5, ANSWER)

    return app


@pytest.fixture
def settings_file(tmp_path):
    """A project needs one."""
    (tmp_path / "roadworthy.toml").write_text("")


pytestmark = pytest.mark.usefixtures("settings_file")


@pytest.mark.slow
async def test_actions_are_written_down_and_give_the_plainest_value(project, tmp_path):
    """Also one inside of a step; the key is the one that the outside would have been given."""
    async with project.running():
        handle = await project.runs.start("decided", {})
        receipt = await handle.result(timeout_seconds=30)
    assert receipt == Receipt(number=0, note="note")
    acts = read(tmp_path / "acts.jsonl")
    assert [(one.action, one.irreversible) for one in acts] == [
        ("note", False),
        ("note", False),
        ("pay", True),
    ]
    assert [one.key for one in acts] == [f"{handle.id}:1", "inside", "k-1"]
    assert acts[2].decisions == ({"by": "rule", "name": "small", "call_id": "call-1"},)
    assert [one.answers for one in acts] == [("call-1",)] * 3
    assert [one.is_decided for one in acts] == [False, False, True]
    assert {(one.run_id, one.time_ms) for one in acts} == {(handle.id, 1000)}


@pytest.mark.slow
async def test_an_unchecked_answer_is_refused_as_in_earnest(project, tmp_path):
    """What an action is given is checked before anything stands in for it."""
    async with project.running():
        handle = await project.runs.start("undecided", {})
        with pytest.raises(StepFailed, match="was given an Answer"):
            await handle.result(timeout_seconds=30)
    assert read(tmp_path / "acts.jsonl") == []


@pytest.mark.slow
async def test_without_a_rehearsal_actions_are_carried_out(project):
    """The seam is open only where somebody set it."""
    project.rehearse = None
    async with project.running():
        handle = await project.runs.start("decided", {})
        with pytest.raises(StepFailed, match="carried out"):
            await handle.result(timeout_seconds=30)
