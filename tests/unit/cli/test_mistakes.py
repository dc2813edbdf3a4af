"""Wrong commands, wrong input and broken projects: one message each, the right exit code, no traceback."""

import json

import pytest

pytestmark = pytest.mark.slow  # each command loads a project and its database


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "sort_mesage"], 2, "Did you mean 'sort_message'?"),
        (["run", "sort_message"], 2, "text: missing"),
        (["run", "sort_message", "--input", '{"text": 5}'], 2, "text: Input should be a valid string"),
        (["run", "sort_message", "--input", '{"txt": "a"}'], 2, "Did you mean 'text'?"),
        (["run", "sort_message", "--input", '{"text": '], 2, "is not JSON"),
        (["run", "sort_message", "--input", "[1]"], 2, "not a list"),
        (["run", "sort_message", "--input", "@none.json"], 2, "Cannot read the file 'none.json'"),
        (["run", "sort_message", "--input", "[" * 100_000], 2, "is not JSON"),
        (["run", "sort_message", "--key", ""], 2, "An idempotency key has 1 to 255 characters"),
        (["run"], 2, "Missing argument 'WORKFLOW'"),
        (["runs", "lst"], 2, "No such command 'lst'"),
        (["runs", "show", "run_zzzzzz"], 2, "is not the id of a run"),
        (["runs", "show", "run_01"], 2, "too short"),
        (["runs", "show", "run_00000000"], 2, "There is no run 'run_00000000'"),
        (["runs", "list", "--since", "yesterday"], 2, "'yesterday' is not a time"),
        (["runs", "list", "--status", "deda"], 2, "Did you mean 'dead'?"),
        (["runs", "list", "--min-cost", "much"], 2, "is not an amount of dollars"),
        (["runs", "list", "--limit", "0"], 2, "Invalid value for '--limit'"),
        (["runs", "resume"], 2, "Name the runs to resume"),
        (["runs", "signal", "run_00000000", "go", "--payload", "{"], 2, "is not JSON"),
        (["batch", "run", "sort_message", "none.jsonl"], 2, "cannot be read: No such file"),
        (["batch", "run", "sort_message", "rule.py"], 2, "A batch is read from .jsonl or .csv"),
        (["batch", "run", "sort_message", "messages.jsonl", "--field", "text"], 2, "INPUT=FIELD"),
        (["batch", "run", "sort_message", "messages.jsonl", "--column", "x=y.z"], 2, "a path begins with"),
        (["batch", "run", "sort_message", "messages.jsonl", "--column", "x=run.cots_usd"], 2, "run has no"),
        (["batch", "show", "batch_00000000"], 2, "There is no batch"),
        (["prompts", "show", "sort-mesage"], 2, "Did you mean 'sort-message'?"),
        (["prompts", "diff", "sort-message", "v1", "v9"], 2, "has no version 'v9'"),
        (["demo"], 2, "no demo.toml"),
        (["config", "show", "--environment", "Prod!"], 1, "may have only lower-case letters"),
        (["runs", "list", "--project", "nowhere"], 1, "There is no roadworthy.toml in 'nowhere'"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_a_mistake_gets_one_message_and_its_exit_code(roadworthy, project, words, code, said):
    """The message goes to standard error and says what to do; nothing goes to standard output."""
    outcome = roadworthy(*words)
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith("error: ")
    assert said in outcome.err


def test_an_error_is_json_where_json_was_asked_for(roadworthy, project):
    """Programs get code, message, hint and details on standard error."""
    outcome = roadworthy("run", "sort_mesage", "--json")
    assert outcome.out == ""
    assert json.loads(outcome.err) == {
        "code": "not_found",
        "message": "There is no workflow 'sort_mesage'.",
        "hint": "Did you mean 'sort_message'?",
        "details": {},
    }


def test_wrong_usage_is_json_too(roadworthy):
    """Even a mistyped option is answered in JSON."""
    assert json.loads(roadworthy("runs", "list", "--json", "--statuss", "x").err)["code"] == "usage"


def test_a_file_that_is_not_utf_8_is_named(roadworthy, project):
    """The message says where the encoding breaks."""
    (project / "input.json").write_bytes(b'{"text": "\xff"}')
    outcome = roadworthy("run", "sort_message", "--input", "@input.json")
    assert outcome.code == 2
    assert "'input.json' says is not valid UTF-8 (byte 10)" in outcome.err


def test_invalid_toml_is_named_with_its_line(roadworthy, project):
    """Every command says where the settings break."""
    with (project / "roadworthy.toml").open("a", encoding="utf-8") as file:
        file.write("[workers]\nconcurrency = many\n")
    outcome = roadworthy("runs", "list")
    assert outcome.code == 1
    assert "roadworthy.toml:" in outcome.err
    assert "not valid TOML" in outcome.err


def test_a_prompt_that_does_not_parse_stops_a_run_but_not_a_look(roadworthy, project):
    """What executes needs the prompts; what shows records does not."""
    (project / "prompts" / "sort-message" / "v1.md").write_text("# user\n{{ text \n", encoding="utf-8")
    outcome = roadworthy("run", "sort_message", "--input", '{"text": "a"}')
    assert outcome.code == 1
    assert "v1.md:" in outcome.err
    assert roadworthy("runs", "list").code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import nothing_of_that_name", "workflows.py:1: ModuleNotFoundError: No module named"),
        ("1 / 0", "workflows.py:1: ZeroDivisionError: division by zero"),
        ("def broken(:", "workflows.py:1: this is not valid Python"),
        ("raise SystemExit(3)", "workflows.py:1: SystemExit: 3"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_line(roadworthy, project, line, said):
    """One message with file and line; the traceback only with `--debug`."""
    file = project / "workflows.py"
    file.write_text(f"{line}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    outcome = roadworthy("run", "sort_message", "--input", '{"text": "a"}')
    assert outcome.code == 1
    assert said in outcome.err


def test_a_prompt_that_the_code_asks_for_and_that_is_missing_is_a_fault_of_the_code(roadworthy, project):
    """It is the author who has to act, so it is not wrong usage."""
    file = project / "workflows.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace('"sort-message"', '"sort-mesage"'), encoding="utf-8"
    )
    outcome = roadworthy("run", "sort_message", "--input", '{"text": "a"}')
    assert outcome.code == 1
    assert "There is no prompt 'sort-mesage'" in outcome.err
    assert "workflows.py:" in outcome.err


def test_two_apps_in_one_project_are_refused(roadworthy, project):
    """Two apps would each know half of the workflows."""
    (project / "roadworthy.toml").write_text('[project]\nname = "two"\n', encoding="utf-8")
    (project / "workflows.py").unlink()
    for name in ("first", "second"):
        (project / f"{name}.py").write_text(
            "from roadworthy import App\napp = App.load(__file__)\n", encoding="utf-8"
        )
    outcome = roadworthy("run", "any")
    assert outcome.code == 1
    assert "more than one App: first.app, second.app" in outcome.err


def test_modules_that_share_an_app_are_all_found(roadworthy, project):
    """A module that only declares workflows on another module's app counts as well."""
    (project / "roadworthy.toml").write_text('[project]\nname = "shared"\n', encoding="utf-8")
    (project / "workflows.py").unlink()
    (project / "base.py").write_text(
        "from roadworthy import App\napp = App.load(__file__)\n", encoding="utf-8"
    )
    (project / "more.py").write_text(
        "from base import app\n\n@app.workflow\nasync def greet() -> str:\n    return 'hello'\n",
        encoding="utf-8",
    )
    assert "greet" in roadworthy("run", "great").err


@pytest.mark.slow
def test_an_unreachable_server_is_named_soon(roadworthy, project, monkeypatch):
    """A person is not kept waiting as long as a worker would wait."""
    monkeypatch.setenv("ROADWORTHY__DATABASE__URL", "postgresql://nobody@127.0.0.1:9/none")
    outcome = roadworthy("runs", "list")
    assert outcome.code == 1
    assert "cannot be reached" in outcome.err


def test_an_unexpected_error_is_one_line(roadworthy, project, monkeypatch):
    """The traceback is for `--debug`."""
    monkeypatch.setattr("roadworthy.cli.prompts._load", lambda _place: 1 / 0)
    words = ("prompts", "diff", "reply", "v1", "v2")
    outcome = roadworthy(*words)
    assert outcome.code == 1
    assert outcome.err.startswith("error: An unexpected ZeroDivisionError: division by zero")
    assert "--debug" in outcome.err
    assert "Traceback" in roadworthy(*words, "--debug").err
