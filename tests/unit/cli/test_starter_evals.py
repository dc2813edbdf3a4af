"""The evaluations of a new project: what its CI file runs passes, and stops what makes the prompt worse."""

import os
import shlex
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow


@pytest.fixture
def ci(project, tmp_path, monkeypatch):
    """What the CI file says, and the commands of ours in it, as a shell would read them."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    said = yaml.safe_load((project / ".github/workflows/evals.yml").read_text(encoding="utf-8"))
    runs = [step["run"] for step in said["jobs"]["evals"]["steps"] if "run" in step]
    ours = [shlex.split(os.path.expandvars(run))[1:] for run in runs if run.startswith("roadworthy ")]
    return said, ours, summary


def test_ci_runs_and_may_do_no_more_than_read(roadworthy, ci):
    """Its commands pass in the project as it is made, and leave a summary."""
    said, ours, summary = ci
    assert said["permissions"] == {"contents": "read"}
    assert all("@" in step["uses"] for step in said["jobs"]["evals"]["steps"] if "uses" in step)
    assert ours
    assert [(roadworthy(*words).code, words[:3]) for words in ours] == [(0, ["eval", "--changed", "--gate"])]
    assert summary.read_text(encoding="utf-8").startswith("### ✅ sort-message: pass")


def test_ci_stops_a_change_that_makes_the_prompt_worse(roadworthy, ci, project: Path):
    """A model that knows fewer words fails the gate, and the cases are named."""
    file = project / "rule.py"
    file.write_text(file.read_text(encoding="utf-8").replace('"refund", "charge", ', ""))
    _, (words,), summary = ci
    outcome = roadworthy(*words)
    assert outcome.code == 1
    assert "refund-threat: expected 'billing', got 'other'" in outcome.out
    assert "**high-risk**: 0.0% of 2 cases" in summary.read_text(encoding="utf-8")


def test_what_was_accepted_is_not_run_again(roadworthy, ci):
    """With a baseline of the same combination, there is nothing to do."""
    assert roadworthy("eval", "sort-message", "--accept").code == 0
    _, (words,), _ = ci
    assert "Every suite is as its baseline accepted it." in roadworthy(*words).out
