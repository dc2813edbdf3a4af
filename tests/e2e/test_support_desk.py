"""The support desk example from end to end: real processes, the real local model, a kill in the middle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "support_desk"
PICK = ("t-01", "t-23", "t-45", "t-56", "t-74", "t-78")
"""One the model answers, one without a passage, a claim, a privacy request, an empty one, one it fails at."""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A copy of the example without what earlier runs left, with a batch of six tickets."""
    folder = tmp_path / "desk"
    shutil.copytree(
        EXAMPLE, folder, ignore=shutil.ignore_patterns(".roadworthy", "outbox.jsonl", "__pycache__")
    )
    lines = (folder / "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = [line for line in lines if json.loads(line)["id"] in PICK]
    (folder / "six.jsonl").write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return folder


def command(desk: Path, *words: str) -> list[str]:
    """A command line on the example."""
    return [sys.executable, "-m", "roadworthy.cli.main", *words, "--project", str(desk)]


def run(desk: Path, *words: str) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(command(desk, *words), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def outbox(desk: Path) -> list[dict[str, str]]:
    """What the desk has sent, as the outside saw it."""
    file = desk / "outbox.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.local_model
def test_tickets_killed_half_way_are_answered_once_each(desk: Path) -> None:
    """The same command after a SIGKILL finishes every ticket; nothing is sent twice; all is on record."""
    words = ("batch", "run", "answer_ticket", str(desk / "six.jsonl"), "--field", "ticket_id=id", "--json")
    first = subprocess.Popen(command(desk, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up_at = time.monotonic() + 120
    while not outbox(desk) and first.poll() is None and time.monotonic() < give_up_at:
        os.sched_yield()
    assert first.poll() is None, "it ended before it could be killed"
    first.send_signal(signal.SIGKILL)
    first.wait()

    run(desk, *words)
    listed = json.loads(run(desk, "runs", "list", "--json", "--limit", "50"))
    runs = listed["runs"] if isinstance(listed, dict) else listed
    assert sorted(one["status"] for one in runs) == ["skipped", *["succeeded"] * 5]
    keys = [line["key"] for line in outbox(desk)]
    assert len(keys) == len(set(keys))

    rungs = {}
    for one in runs:
        shown = json.loads(run(desk, "runs", "show", one["id"], "--calls", "--json"))
        if shown["output"] is not None:
            rungs[shown["input"]["ticket_id"]] = shown["output"]["rung"]
        for call in shown["calls"]:
            assert call["prompt_version"] == "draft-reply@v2"
            assert call["tried"], "a call without attempts"
    assert set(rungs) == {"t-01", "t-23", "t-45", "t-56", "t-78"}
    assert rungs["t-23"] == "needs a person"
    assert rungs["t-56"] == "rule"
    assert rungs["t-01"] in ("model", "rule")


@pytest.mark.local_model
def test_drafts_are_evaluated_with_the_local_model(desk: Path) -> None:
    """Asked anew, a few cases have answers of the real model, judged by the desk's own evaluators."""
    cases = desk / "evals" / "draft-reply" / "cases.jsonl"
    cases.write_text(
        "".join(cases.read_text(encoding="utf-8").splitlines(keepends=True)[:2]), encoding="utf-8"
    )
    document = json.loads(run(desk, "eval", "draft-reply", "--tape", "refresh", "--json"))
    results = document["suites"][0]["experiments"][0]["results"]
    assert len(results) == 2
    assert all(one["outcome"]["usage"]["output_tokens"] for one in results)
    assert {score["evaluator"] for one in results for score in one["scores"]} >= {
        "exact outcome",
        "is_a_quote",
    }


def test_the_gate_holds_a_change_against_what_was_accepted(desk: Path) -> None:
    """From the committed tape, without a model: as committed it passes, and a rule that is gone stops it."""
    run(desk, "eval", "--gate", "--tape", "strict")
    assert "as its baseline accepted it" in run(desk, "eval", "--changed", "--gate", "--tape", "strict")
    rules = desk / "rules.py"
    text = rules.read_text(encoding="utf-8")
    assert "    _privacy,\n" in text
    rules.write_text(text.replace("    _privacy,\n", ""), encoding="utf-8")
    done = subprocess.run(
        command(desk, "eval", "--changed", "--gate", "--tape", "strict"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "must-refuse" in done.stdout


def test_the_data_set_of_the_desk_has_every_kind_of_case() -> None:
    """At least sixty cases, with all five tags."""
    lines = (EXAMPLE / "evals" / "answer-ticket" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    tags = {tag for line in lines for tag in json.loads(line)["tags"]}
    assert len(lines) >= 60
    assert tags >= {"common", "edge", "high-risk", "must-refuse", "must-escalate"}
