"""`roadworthy demo` runs what a project's `demo.toml` says, and tells where it came out otherwise."""

import json

import pytest

pytestmark = pytest.mark.slow  # each command loads a project and its database

PLAN = """\
workflow = "sort_message"
file = "labelled.jsonl"
fields = { text = "body" }
sample = 3
columns = ["text=input.text", "queue=output.queue|run.status", "prompt=call.prompt", "why=run.why"]
count_by = ["queue"]
[expected]
column = "queue"
field = "label.queue"
same = { nothing = "skipped" }
"""
LINES = [("Where is my parcel?", "delivery"), ("  ", "nothing"), ("I was charged twice.", "other")]


def test_the_demonstration_prints_a_table_counts_and_differences(roadworthy, project):
    """Skipped items say why, and an outcome that is not the expected one is named."""
    lines = [json.dumps({"body": body, "label": {"queue": queue}}) for body, queue in LINES]
    (project / "labelled.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (project / "demo.toml").write_text(PLAN, encoding="utf-8")
    outcome = roadworthy("demo")
    assert outcome.code == 0, outcome.err
    assert "sort-message@v1" in outcome.out
    assert "empty" in outcome.out
    assert "queue: 1 delivery, 1 skipped, 1 billing" in outcome.out
    assert "As expected: 2 of 3." in outcome.out
    different = outcome.out.partition("As expected")[2].split()
    assert different[different.index("twice.") + 1 :][:2] == ["other", "billing"]
    run_id = outcome.out.partition("roadworthy runs show ")[2].split()[0]
    assert roadworthy("runs", "show", run_id, "--calls").code == 0


def test_a_plan_that_lacks_something_is_named(roadworthy, project):
    """The file and what it lacks."""
    (project / "demo.toml").write_text('workflow = "sort_message"\n', encoding="utf-8")
    outcome = roadworthy("demo")
    assert outcome.code == 1
    assert "demo.toml does not say file" in outcome.err
