"""The commands, as one types them: what they print, what they refuse, and their exit codes."""

import json
import sys

import pytest

from roadworthy.cli.main import execute

APP = """import roadworthy

app = roadworthy.App.load(__file__)
reply = app.prompt("reply")
"""


@pytest.fixture
def run(project, fresh_database_url, monkeypatch, capsys):
    """Run a command in the project; gives what it printed, or its error where another code than 0 is due."""
    (project / "app_of_releases.py").write_text(APP)
    monkeypatch.setenv("ROADWORTHY__DATABASE__URL", fresh_database_url)
    monkeypatch.setenv("ROADWORTHY_ENV", "development")  # commands set it
    monkeypatch.chdir(project)

    def call(*words, code=0):
        known, path = set(sys.modules), list(sys.path)
        try:
            assert execute(list(words)) == code, capsys.readouterr()
        finally:
            sys.path[:] = path
            for name in set(sys.modules) - known:
                if name == "app_of_releases":
                    del sys.modules[name]
        said = capsys.readouterr()
        if "--json" in words:
            return json.loads(said.out)
        return said.out if code == 0 else said.err

    return call


def test_a_prompt_of_which_nobody_chose_a_version_is_told(run, monkeypatch) -> None:
    """Where a version takes an evaluation, a newer file would serve without one; not once one is chosen."""
    monkeypatch.setenv("ROADWORTHY__RELEASES__REQUIRE_EVAL", "true")
    assert "a newer one would" in run("prompts", "status")
    run("prompts", "promote", "reply", "v2", "--reason", "as it is")
    assert "a newer one would" not in run("prompts", "status")
    run("prompts", "clear", "reply")
    monkeypatch.setenv("ROADWORTHY__PROMPTS__REPLY__VERSION", "v2")
    assert "a newer one would" not in run("prompts", "status")


def test_a_version_is_promoted_split_and_rolled_back(run) -> None:
    """Status tells at each point what serves, since when, by whom and why."""
    assert "it is the newest" in run("prompts", "status")
    assert "reply in development: v1 serves (before: v2)." in run(
        "prompts", "promote", "reply", "v1", "--reason", "v2 rambles"
    )
    (row,) = run("prompts", "status", "--json")["prompts"]
    assert (row["source"], row["text"], row["changes"][0]["reason"]) == ("release", "v1", "v2 rambles")
    assert row["changes"][0]["by_name"]
    split = run("prompts", "split", "reply", "v1=90", "v2=10", "--json")
    assert [(arm["name"], arm["percent"]) for arm in split["arms"]] == [("v1", 90), ("v2", 10)]
    assert "v1 90%, v2 10%" in run("prompts", "list")
    assert "v1 90%, v2 10%" in run("prompts", "status", "reply")
    assert run("prompts", "rollback", "reply", "--json")["kind"] == "rollback"
    assert [one["kind"] for one in run("prompts", "status", "reply", "--json")["prompts"][0]["changes"]] == [
        "rollback",
        "split",
        "promote",
    ]
    assert "what settings and code say serves" in run("prompts", "clear", "reply")


def test_without_an_evaluation_production_refuses(run) -> None:
    """It says what to run; an override takes a reason."""
    words = ("prompts", "promote", "reply", "v1", "--environment", "production")
    assert "no passing evaluation" in run(*words, code=1)
    assert "needs a reason" in run(*words, "--override", code=2)
    change = run(*words, "--override", "--reason", "outage", "--json")
    assert (change["environment"], change["kind"]) == ("production", "override")


def test_flags_are_set_listed_and_cleared(run) -> None:
    """By value or by shares."""
    assert "No flags are set" in run("flags", "list")
    run("flags", "set", "new-rules", "on=10", "off=90", "--reason", "try")
    assert "on 10%, off 90%" in run("flags", "list")
    assert run("flags", "list", "--json")["flags"][0]["name"] == "new-rules"
    run("flags", "clear", "new-rules")
    assert run("flags", "list", "--json") == {"flags": []}
    assert "Nothing is released for flag 'new-rules'" in run("flags", "clear", "new-rules", code=2)
    assert "cannot name a flag" in run("flags", "set", "New Rules", "on", code=2)


def test_routes_are_switched(run) -> None:
    """By share, and back by the route's own name."""
    assert "default 50%, mini 50%" in run("routes", "split", "default", "default=50", "mini=50")
    assert "no route 'maxi'" in run("routes", "split", "default", "maxi", code=2)
    run("routes", "split", "default", "default")


def test_outcomes_of_a_split_are_told(run) -> None:
    """A split that nobody met has figures of nothing; without a split it is an error."""
    assert "Nothing was ever split" in run("prompts", "outcomes", "reply", code=2)
    run("prompts", "split", "reply", "v2=50", "v1=50")
    told = run("prompts", "outcomes", "reply")
    assert "v2 (0.5)" in told
    assert run("prompts", "outcomes", "reply", "--json")["arms"][1]["calls"] == 0
    assert "Nothing was ever split" in run("flags", "outcomes", "x", code=2)
    assert "Nothing was ever split" in run("routes", "outcomes", "default", code=2)


@pytest.mark.parametrize("shares", [["v1=90", "v2=20"], ["v1=x"], ["v9=50", "v1=50"]])
def test_wrong_shares_change_nothing(run, shares) -> None:
    """What serves is what served."""
    run("prompts", "split", "reply", *shares, code=2)
    assert run("prompts", "status", "--json")["prompts"][0]["source"] == "settings"


def test_a_passing_evaluation_of_exactly_this_lets_a_version_serve(run, project) -> None:
    """The evidence is on record with the change; another text under the label is refused again."""
    suite = project / "evals" / "reply"
    suite.mkdir(parents=True)
    (suite / "suite.toml").write_text(
        'prompt = "reply"\nmin_pass = 0.5\n\n[[evaluators]]\nkind = "contains"\nany = ["v1"]\n'
    )
    lines = [json.dumps({"id": f"c{n}", "inputs": {"text": f"hello {n}"}}) for n in range(12)]
    (suite / "cases.jsonl").write_text("\n".join(lines) + "\n")
    (project / "rules.py").write_text("def echo(request):\n    return request.messages[-1].text\n")
    words = ("prompts", "promote", "reply", "v1", "--environment", "production")
    assert "roadworthy eval reply --on v1 --environment production" in run(*words, code=1)
    run("eval", "reply", "--on", "v1", "--environment", "production")
    change = run(*words, "--json")
    assert change["evidence"]["v1"]["verdict"] == "pass"
    assert change["evidence"]["v1"]["experiment_id"].startswith("exp_")
    assert "no passing evaluation" in run(
        "prompts", "split", "reply", "v1=1", "v2=99", "--environment", "production", code=1
    )
