"""`docs/testing.md` works as it is written: its project, its programs, its tests, its tables."""

import json
import re
from pathlib import Path

import pytest

from roadworthy.testing import fixtures, simulated

pytest_plugins = "pytester"

PAGE = (Path(__file__).parents[3] / "docs" / "testing.md").read_text(encoding="utf-8")

PROMPT = "---\ninputs: {text: str}\n---\n# user\nThe customer writes: {{ text }}\n"

RECORDING = """
from pathlib import Path

import record_answers


async def test_recording(roadworthy_project_app, roadworthy_simulated, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    roadworthy_simulated.add("On its way.")
    await record_answers.main()
    assert roadworthy_simulated.count == 1
"""


@pytest.fixture
def project(pytester):
    """Every named file of the page, in a folder."""
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
    for name, text in blocks:
        (pytester.path / name).write_text(text)
    (pytester.path / "prompts" / "draft-reply").mkdir(parents=True)
    (pytester.path / "prompts" / "draft-reply" / "v1.md").write_text(PROMPT)
    suite = pytester.path / "evals" / "draft-reply"  # of a function, which needs no tape
    suite.mkdir(parents=True)
    (suite / "suite.toml").write_text('function = "desk:by_rule"\n[[evaluators]]\nkind = "not_empty"\n')
    (suite / "cases.jsonl").write_text('{"id": "t-1", "inputs": {"request": "Where is it?"}}\n')
    return [name for name, _ in blocks]


def test_every_example_runs(project, pytester, run_pytest):
    """The tests of the page pass, with what its program recorded from a simulated model."""
    assert project[:2] == ["roadworthy.toml", "desk.py"]
    assert len(project) == len(re.findall(r"```(?:python|toml)\n", PAGE)), "a block has no file name"
    (pytester.path / "test_0_recording.py").write_text(RECORDING)

    result = run_pytest()

    result.assert_outcomes(passed=8)
    [line] = (pytester.path / "answers.jsonl").read_text().splitlines()
    assert json.loads(line)["response"]["text"] == "On its way."


def test_the_tables_name_every_fault_and_fixture():
    """A fault or fixture that is not on the page cannot be found."""
    faults = {
        name
        for name in simulated.__all__
        if isinstance(its := getattr(simulated, name), type) and issubclass(its, simulated.Fault)
    }
    named = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| \w+ \|.*", PAGE, re.MULTILINE))))
    assert named == faults - {"Fault"}
    batch_faults = {
        name
        for name in simulated.__all__
        if isinstance(its := getattr(simulated, name), type) and issubclass(its, simulated.BatchFault)
    }
    rows = "\n".join(re.findall(r"^\| it\w* \w+.*", PAGE, re.MULTILINE))
    assert set(re.findall(r"`([A-Z]\w+)`", rows)) == batch_faults - {"BatchFault"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == {
        name for name in vars(fixtures) if name.startswith("roadworthy_")
    }
