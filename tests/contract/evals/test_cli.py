"""`roadworthy evals` in a project as `roadworthy init` makes it: from a run on record to a case in a file."""

import json
import shutil
import sys

import pytest

from roadworthy.cli import terminal
from roadworthy.cli.main import execute

TICKET = "Where is my parcel? My token is sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789."


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    """A project with one run, and a suite of its prompt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    terminal.console.cache_clear()
    assert execute(["init", "desk"]) == 0
    monkeypatch.chdir(tmp_path / "desk")
    assert execute(["run", "sort_message", "--input", json.dumps({"text": TICKET}), "--json"]) == 0
    shutil.rmtree("evals")
    assert execute(["evals", "new", "sort-message"]) == 0
    capsys.readouterr()
    return tmp_path / "desk"


def test_a_run_becomes_a_case_once(project, capsys):
    """Without its secrets, with its source and tags, and told in the audit log; a dry run changes nothing."""

    def asked(*words):
        code = execute(list(words))
        out, err = capsys.readouterr()
        return code, out + err

    cases = project / "evals" / "sort-message" / "cases.jsonl"
    before = cases.read_text()
    _, out = asked("runs", "list", "--json")
    run_id = json.loads(out)["runs"][0]["id"]
    code, out = asked("evals", "add", "sort-message", "--from-run", run_id[:16], "--dry-run")
    assert (code, cases.read_text()) == (0, before)
    assert out.startswith("Would add call-")
    code, out = asked("evals", "add", "sort-message", "--from-run", run_id, "--tag", "edge", "--json")
    (added,) = json.loads(out)["added"]
    assert cases.read_text() == before + json.dumps(added) + "\n"
    assert added["inputs"] == {"text": "Where is my parcel? My token is [redacted]."}
    assert (added["tags"], added["source"][:5]) == (["edge"], "call_")
    _, out = asked("evals", "add", "sort-message", "--from-call", added["source"])
    assert f"equals case {added['id']}" in out
    _, out = asked("audit", "list", "--action", "case.added", "--json")
    assert [entry["subject"] for entry in json.loads(out)["entries"]] == ["sort-message"]
    _, out = asked("evals", "show", "sort-message", "--case", added["id"])
    assert json.loads(out) == added


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "sort-message"], "Say where cases come from, once"),
        (
            ["add", "sort-message", "--from-run", "run_1", "--from-failures"],
            "Say where cases come from, once",
        ),
        (["add", "sort-message", "--from-call", "call_012345678"], "There is no call"),
        (["add", "sort-mesage", "--from-failures"], "Did you mean 'sort-message'?"),
        (["show", "sort-message", "--case", "frist"], "Did you mean 'first'?"),
        (["new", "sort-message"], "There is evals/sort-message already."),
        (["new", "../x"], "cannot be the name of a suite"),
        (["import", "sort-message", "x.txt"], "Say --format"),
        (["export", "sort-message", "--format", "csv"], "CSV is read only"),
    ],
)
def test_mistakes_are_told(project, capsys, words, message):
    """With what to do, and exit code 2 or 1, without a traceback."""
    assert execute(["evals", *words]) in (1, 2)
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
