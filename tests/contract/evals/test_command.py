"""`roadworthy eval` in a new project, as its user would run it: by processes, with git."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

GIT = ("-c", "user.name=someone", "-c", "user.email=someone@example.com", "-c", "commit.gpgsign=false")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project as `roadworthy init` makes it, committed."""
    roadworthy(tmp_path, "init", "shop")
    folder = tmp_path / "shop"
    git(folder, "init", "--quiet")
    commit(folder, "first")
    return folder


def roadworthy(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with this exit code."""
    command = [sys.executable, "-m", "roadworthy.cli.main", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def git(folder: Path, *words: str) -> None:
    """Run git."""
    subprocess.run(["git", *GIT, *words], cwd=folder, check=True, timeout=60, capture_output=True)


def commit(folder: Path, message: str) -> None:
    """Commit everything."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text in a file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_change_that_makes_it_worse_is_stopped_by_the_gate(shop):
    """Accepted, nothing is to be done; worse, the exit code says so, and what changed is named."""
    wrote = roadworthy(shop, "eval", "--accept", "--save-tape").stdout
    assert "Wrote evals/sort-message/tape.jsonl; commit it." in wrote
    assert "Wrote evals/sort-message/baseline.json; commit it." in wrote
    commit(shop, "accepted")
    assert "as its baseline accepted it" in roadworthy(shop, "eval", "--changed", "--gate").stdout
    edit(shop / "rule.py", '"refund", ', "")
    done = roadworthy(shop, "eval", "--changed", "--gate", code=1)
    assert "models changed since its baseline" in done.stdout
    assert "high-risk" in done.stdout
    edit(shop / "rule.py", '"invoice", ', '"refund", "invoice", ')
    roadworthy(shop, "eval", "--changed", "--gate")


def test_two_commits_are_compared_case_by_case(shop):
    """Each side runs the code of its commit; no working tree is left behind."""
    edit(shop / "rule.py", '"refund", ', "")
    commit(shop, "second")
    done = roadworthy(shop, "eval", "--compare", "HEAD~1", "HEAD", "--json")
    difference = json.loads(done.stdout)["suites"][0]["difference"]
    assert len(difference["worse"]) == 2
    assert difference["better"] == []
    told = subprocess.run(["git", "worktree", "list"], cwd=shop, capture_output=True, text=True, check=True)
    assert len(told.stdout.splitlines()) == 1
    assert "no commit of this" in roadworthy(shop, "eval", "--compare", "HEAD", "nope", code=2).stderr


def test_a_commit_at_which_the_project_is_broken_is_told(shop):
    """With what the process there said."""
    edit(shop / "workflows.py", "app = App.load", "app = nonsense.load")
    commit(shop, "broken")
    edit(shop / "workflows.py", "app = nonsense.load", "app = App.load")
    done = roadworthy(shop, "eval", "--on", "HEAD", code=1)
    assert "cannot be evaluated at HEAD" in done.stderr
    assert "nonsense" in done.stderr


def test_an_interrupted_evaluation_says_how_it_goes_on(shop):
    """What was answered is kept, and the command that it prints takes only the rest."""
    edit(shop / "rule.py", "    text = str(", "    import time; time.sleep(0.4)\n    text = str(")
    suite = shop / "evals" / "sort-message" / "suite.toml"
    suite.write_text("concurrency = 1\n" + suite.read_text())
    with (shop / "roadworthy.toml").open("a") as file:
        file.write('\n[routes.other]\nmodels = ["rule"]\ntimeout_seconds = 60\n')
    options = ["--on", "other", "--repeats", "2", "--tape", "refresh"]
    command = [sys.executable, "-u", "-m", "roadworthy.cli.main", "eval", *options]
    process = subprocess.Popen(command, cwd=shop, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    while not line.startswith("3 of"):
        line = process.stderr.readline()
        assert line or process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    resume = next(one for one in rest.splitlines() if one.startswith("Go on: "))
    words = resume.removeprefix("Go on: roadworthy ").split()
    done = roadworthy(shop, *words, "--json")
    experiment = json.loads(done.stdout)["suites"][0]["experiments"][0]
    assert experiment["id"] == words[-1]
    assert experiment["variant"] == "sort-message@v1 by other"
    assert experiment["status"] == "finished"


def test_wrong_words_are_told(shop):
    """What the command takes is said."""
    assert "use, strict, refresh, off" in roadworthy(shop, "eval", "--tape", "wild", code=2).stderr
    assert "no suite 'sort'" in roadworthy(shop, "eval", "sort", code=2).stderr
    assert "--resume goes with" in roadworthy(shop, "eval", "--resume", "exp_1", code=2).stderr
    assert "no suite 'sort'" in roadworthy(shop, "eval", "sort", "--changed", "--gate", code=2).stderr
    assert "ask for one of them" in roadworthy(shop, "eval", "--json", "--report", "html", code=2).stderr
    (shop / "evals" / "sort-message" / "cases.jsonl").write_text("")
    assert "has no cases" in roadworthy(shop, "eval", code=1).stderr


def test_a_function_that_never_ends_does_not_keep_the_command(shop):
    """An evaluator in an endless loop is told to have taken too long, and the process ends."""
    with (shop / "workflows.py").open("a") as file:
        file.write("\n\n@app.evaluator\ndef endless(output):\n    while True:\n        pass\n")
    suite = shop / "evals" / "sort-message" / "suite.toml"
    text = 'evaluator_seconds = 0.5\n[[evaluators]]\nkind = "python"\nfunction = "endless"\n'
    suite.write_text(text)
    cases = suite.with_name("cases.jsonl")
    cases.write_text(cases.read_text().splitlines()[0] + "\n")
    done = roadworthy(shop, "eval", "--gate", code=1)
    assert "it took longer than 0.5 s" in done.stdout


def test_a_baseline_that_cannot_be_read_is_told_before_anything_is_asked(shop):
    """With a way out that works."""
    baseline = shop / "evals" / "sort-message" / "baseline.json"
    baseline.write_text("{")
    told = roadworthy(shop, "eval", code=1).stderr
    assert "answers are kept" not in told
    assert "remove it, and accept anew: roadworthy eval sort-message --accept" in told
    baseline.unlink()
    roadworthy(shop, "eval", "sort-message", "--accept")


def test_a_project_without_suites_is_told_so(shop):
    """Nothing was accepted where there is nothing."""
    (shop / "evals").rename(shop / "away")
    assert "There are no suites" in roadworthy(shop, "eval", "--changed", "--gate").stdout
