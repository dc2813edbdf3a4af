"""Commands that execute nothing: what they print, for people and for programs."""

import json
import shutil

import pytest

from roadworthy.cli.choice import moment_ms
from roadworthy.cli.command import Place
from roadworthy.cli.terminal import clean
from roadworthy.errors import InvalidInput

pytestmark = pytest.mark.slow  # each command loads a project and its database

HOSTILE = "\x1b[2J[red]hi[/red]\u202e\r\n{}"


def test_init_makes_a_project_that_is_in_order(roadworthy, project):
    """What init writes passes its own check."""
    outcome = roadworthy("config", "check", "--json")
    assert outcome.code == 0
    assert outcome.json == {"ok": True, "faults": [], "warnings": []}


def test_init_refuses_a_folder_with_something_in_it(roadworthy, tmp_path):
    """Nothing of the user's is overwritten."""
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    outcome = roadworthy("init", tmp_path)
    assert outcome.code == 2
    assert "is not empty; nothing was written" in outcome.err
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_init_takes_any_name_that_settings_take(roadworthy, tmp_path):
    """A name with quotes is written so that the settings read it back."""
    assert roadworthy("init", tmp_path / "a", "--name", 'Mo\'s "desk"').code == 0
    assert (
        roadworthy("config", "show", "--json", "--project", tmp_path / "a").json["project"]["name"]
        == 'Mo\'s "desk"'
    )


def test_config_check_names_every_fault_at_once(roadworthy, project):
    """Missing keys of models in use, prompts that do not parse: all in one go, with file and line."""
    with (project / "roadworthy.toml").open("a", encoding="utf-8") as file:
        file.write('[models.far]\nprovider = "openai"\nmodel = "gpt-4o"\napi_key_env = "NO_SUCH_KEY"\n')
        file.write('[models.gone]\nprovider = "local"\npath = "gone.gguf"\n')
        file.write('[routes.second]\nmodels = ["far", "gone"]\n')
    (project / "prompts" / "sort-message" / "v2.md").write_text("no section", encoding="utf-8")
    outcome = roadworthy("config", "check", "--json")
    assert outcome.code == 1
    said = "\n".join(f"{one['file']}:{one['line']} {one['message']}" for one in outcome.json["faults"])
    assert "NO_SUCH_KEY" in said
    assert "gone.gguf" in said
    assert "prompts/sort-message/v2.md:" in said
    assert any("gpt-4o" in warning for warning in outcome.json["warnings"])


def test_config_check_finds_settings_for_workflows_that_do_not_exist(roadworthy, project):
    """The settings are held against the code."""
    with (project / "roadworthy.toml").open("a", encoding="utf-8") as file:
        file.write('[workflows.sort_mesage]\ntechnical_owner = "me"\n')
    outcome = roadworthy("config", "check")
    assert outcome.code == 1
    assert "there is no workflow 'sort_mesage'. Did you mean 'sort_message'?" in outcome.out


def test_config_show_masks_passwords(roadworthy, project, monkeypatch):
    """What comes from the environment does not reach the terminal."""
    monkeypatch.setenv("ROADWORTHY__DATABASE__URL", "postgresql://me:hunter2hunter2@db.example/desk")
    outcome = roadworthy("config", "show")
    assert "hunter2" not in outcome.out
    assert 'database.url = "postgresql://me:***@db.example/desk"' in outcome.out


def test_the_shared_options_may_stand_before_or_after_the_command(roadworthy, project, monkeypatch, tmp_path):
    """Both name the same project."""
    monkeypatch.chdir(tmp_path)
    before = roadworthy("--project", "desk", "prompts", "list", "--json")
    after = roadworthy("prompts", "list", "--json", "--project", "desk")
    assert before.json == after.json
    assert before.json["prompts"][0]["id"] == "sort-message"


def test_the_project_is_found_from_a_folder_inside_it(roadworthy, project, monkeypatch):
    """As git finds its repository."""
    monkeypatch.chdir(project / "prompts" / "sort-message")
    assert roadworthy("models", "list", "--json").json["models"][0]["name"] == "rule"


def test_prompts_can_be_shown_and_compared(roadworthy, project):
    """The text of a version, and what changed to the next one."""
    folder = project / "prompts" / "sort-message"
    (folder / "v2.md").write_text(
        (folder / "v1.md").read_text(encoding="utf-8") + "Thank you.\n", encoding="utf-8"
    )
    assert roadworthy("prompts", "show", "sort-message@v1", "--json").json["label"] == "v1"
    assert roadworthy("prompts", "show", "sort-message", "--json").json["label"] == "v2"
    assert "+Thank you." in roadworthy("prompts", "diff", "sort-message", "v1", "v2").out


def test_a_detached_run_is_queued_listed_shown_and_cancelled(roadworthy, project):
    """Records can be looked at and acted on without anybody executing."""
    words = ["run", "sort_message", "--input", json.dumps({"text": HOSTILE}), "--detach", "--json"]
    queued = roadworthy(*words, "--tag", "a", "--tenant", "t1", "--key", "k1").json
    assert queued["status"] == "queued"
    listed = roadworthy(
        "runs", "list", "--json", "--tag", "a", "--tenant", "t1", "--since", "1h", "--status", "queued"
    )
    assert [one["id"] for one in listed.json["runs"]] == [queued["id"]]
    shown = roadworthy("runs", "show", queued["id"][4:], "--json", "--calls", "--payloads").json
    assert shown["input"] == {"text": HOSTILE}
    assert shown["calls"] == []
    text = roadworthy("runs", "show", queued["id"][:-3])
    assert "\x1b" not in text.out
    assert "\u202e" not in text.out
    assert "[red]hi[/red]" in text.out
    assert roadworthy("runs", "cancel", queued["id"]).code == 0
    assert roadworthy("runs", "list", "--status", "cancelled", "--json").json["runs"][0]["id"] == queued["id"]


def test_the_same_key_with_another_input_is_a_conflict(roadworthy, project):
    """The first request stands; it is not wrong usage, so the exit code is 1."""
    words = ["run", "sort_message", "--detach", "--key", "k"]
    first = roadworthy(*words, "--input", '{"text": "a"}', "--json").json["id"]
    assert roadworthy(*words, "--input", '{"text": "a"}', "--json").json["id"] == first
    outcome = roadworthy(*words, "--input", '{"text": "b"}')
    assert outcome.code == 1
    assert first in outcome.err


def test_lists_come_in_pages(roadworthy, project):
    """`next` of one page is `--after` of the following."""
    ids = [
        roadworthy("run", "sort_message", "--input", '{"text": "a"}', "--detach", "--json").json["id"]
        for _ in "abc"
    ]
    first = roadworthy("runs", "list", "--limit", "2", "--json").json
    second = roadworthy("runs", "list", "--limit", "2", "--after", first["next"], "--json").json
    assert [one["id"] for one in first["runs"] + second["runs"]] == ids[::-1]
    assert second["next"] is None


def test_an_id_that_is_not_unique_lists_what_it_may_mean(roadworthy, project):
    """Nothing is done to either run."""
    ids = [
        roadworthy("run", "sort_message", "--input", '{"text": "a"}', "--detach", "--json").json["id"]
        for _ in "ab"
    ]
    outcome = roadworthy("runs", "cancel", ids[0][:12], "--json")
    assert outcome.code == 2
    assert set(json.loads(outcome.err)["details"]["matches"]) == set(ids)


@pytest.mark.slow
def test_a_ticket_of_ten_megabytes_is_taken(roadworthy, project):
    """From a file, as no shell takes so much."""
    (project / "big.json").write_text(json.dumps({"text": "a" * 10_000_000}), encoding="utf-8")
    outcome = roadworthy("run", "sort_message", "--input", "@big.json", "--detach", "--json")
    assert outcome.code == 0
    assert len(roadworthy("runs", "show", outcome.json["id"]).out) < 10_000


def test_a_detached_batch_maps_fields_and_keeps_rejects(roadworthy, project):
    """Only the mapped fields are taken, and a line without them is kept with the reason."""
    (project / "in.jsonl").write_text(
        '{"body": "a", "id": 1}\n{"bdy": "b"}\n{"body": 5}\nnot json\n', encoding="utf-8"
    )
    words = ["batch", "run", "sort_message", "in.jsonl", "--field", "text=body", "--detach", "--json"]
    loaded = roadworthy(*words).json
    assert (loaded["total"], loaded["counts"], loaded["rejects"]) == (4, {"queued": 1}, 3)
    assert roadworthy(*words).json["id"] == loaded["id"]
    shown = roadworthy("batch", "show", loaded["id"], "--json").json
    assert [one["line"] for one in shown["rejected"]] == [2, 3, 4]
    assert "has no field 'body'. Did you mean 'bdy'" in shown["rejected"][0]["reason"]
    assert roadworthy("batch", "list", "--json").json["batches"][0]["id"] == loaded["id"]


@pytest.mark.parametrize(("provider", "warns"), [("google", False), ("bedrock", True)])
def test_a_lane_that_no_model_has_is_told_before_anything_is_asked(roadworthy, project, provider, warns):
    """Else a batch would be paid at live prices by who thinks that it costs half."""
    settings = project / "roadworthy.toml"
    model = f'[models.other]\nprovider = "{provider}"\nmodel = "any"\nregion = "eu-central-1"\n'
    text = settings.read_text(encoding="utf-8").replace('models = ["rule"]', 'models = ["other", "rule"]')
    settings.write_text(model + text, encoding="utf-8")
    words = ["batch", "run", "sort_message", "messages.jsonl", "--detach", "--json"]
    assert "batch API" not in roadworthy(*words).err
    assert ("has a batch API" in roadworthy(*words, "--lane", "provider-batch").err) is warns


def test_a_sample_is_spread_over_the_file(roadworthy, project):
    """The first line is always part of it, and so many are taken as asked."""
    lines = [json.dumps({"text": str(number)}) for number in range(10)]
    (project / "ten.jsonl").write_text("\n".join(lines), encoding="utf-8")
    words = ["batch", "run", "sort_message", "ten.jsonl", "--sample", "4", "--detach", "--json"]
    assert roadworthy(*words).json["total"] == 4
    found = roadworthy("runs", "list", "--json").json["runs"]
    assert sorted(one["batch_item"] for one in found) == [1, 3, 6, 8]


def test_a_server_database_is_upgraded_and_an_embedded_one_says_how_it_stands(roadworthy, project):
    """`db status` is exit code 1 until the schema is there."""
    shutil.rmtree(project / ".roadworthy")
    assert roadworthy("db", "status", "--json").code == 1
    assert roadworthy("db", "upgrade", "--json").json["changed"] is True
    assert roadworthy("db", "upgrade", "--json").json["changed"] is False
    assert roadworthy("db", "status", "--json").json["current"] is True


def test_schedules_and_workers_are_listed(roadworthy, project):
    """What starts by the clock with its next start; nobody works here."""
    with (project / "roadworthy.toml").open("a", encoding="utf-8") as file:
        file.write('[schedules.early]\nworkflow = "sort_message"\ncron = "0 6 * * *"\ninput = {text = "a"}\n')
    [schedule] = roadworthy("schedules", "list", "--json").json["schedules"]
    assert schedule["next_at"].endswith("06:00:00.000Z")
    assert roadworthy("workers", "list", "--json").json == {"workers": []}


def test_models_are_checked_where_they_run(roadworthy, project):
    """A function that does not exist is found without a run."""
    assert roadworthy("models", "check").code == 0
    (project / "rule.py").write_text("", encoding="utf-8")
    settings = project / "roadworthy.toml"
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("rule:answer", "absent_module:answer"), encoding="utf-8"
    )
    outcome = roadworthy("models", "check", "--json")
    assert outcome.code == 1
    assert outcome.json["models"][0]["kind"] == "not_configured"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2h", 1_000_000_000 - 7_200_000), ("1970-01-02", 86_400_000), ("1970-01-01T01:00+01:00", 0)],
)
def test_times_are_dates_or_how_long_ago(text, expected):
    """A date without a zone is UTC."""
    assert moment_ms(text, 1_000_000_000, "--since") == expected


def test_a_time_that_cannot_be_read_is_refused():
    """The message shows how to write one."""
    with pytest.raises(InvalidInput, match="is not a time"):
        moment_ms("soon", 0, "--since")


def test_a_suggested_command_names_the_same_place(monkeypatch, tmp_path):
    """It can be pasted as it stands."""
    monkeypatch.delenv("ROADWORTHY_PROJECT", raising=False)
    place = Place(tmp_path / "a b", "production")
    monkeypatch.setattr("sys.argv", ["roadworthy"])
    assert (
        place.command("runs", "list")
        == f"roadworthy runs list --project '{tmp_path}/a b' --environment production"
    )


def test_text_from_outside_cannot_steer_the_terminal():
    """Control characters and marks that reorder text are written out."""
    assert clean(HOSTILE) == "\\x1b[2J[red]hi[/red]\\u202e\\r\\n{}"
