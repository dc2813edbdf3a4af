"""`roadworthy access`, `keys` and `audit`, and what the other commands leave in the audit log."""

import asyncio
import json
import stat
from contextvars import copy_context
from pathlib import Path

import pytest

from roadworthy.audit import Entry, Filter
from roadworthy.cli.command import Place
from roadworthy.cli.project import load_app
from roadworthy.db import Database

pytestmark = pytest.mark.slow  # each command loads a project and its database

HOSTILE = "<b>[red]Robert'); DROP TABLE people;--"


def entries(roadworthy, *words):
    """What the log says of actions, oldest first."""
    found = roadworthy("audit", "list", "--json", *words).json["entries"]
    return [(one["action"], one["subject"], one["actor_kind"], one["actor"]) for one in reversed(found)]


@pytest.fixture(autouse=True)
def _user(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "joao")


def test_a_person_is_added_let_in_and_disabled(roadworthy, project):
    """Names are text, whatever they hold, and each change is in the log with who made it."""
    made = roadworthy("access", "add", HOSTILE, "--email", "R@x.org", "--role", "owner", "--json").json
    assert (made["name"], made["email"]) == (HOSTILE, "r@x.org")
    other = roadworthy("access", "add", "Jo", "--json").json
    assert "never been" not in roadworthy("access", "people").out
    assert HOSTILE in "".join(roadworthy("access", "people").out.split("\n"))
    link = roadworthy("access", "link", "r@x.org", "--json").json
    assert link["path"] == f"/sign-in?token={link['secret']}"
    refused = roadworthy("access", "disable", made["id"])
    assert (refused.code, "last owner" in refused.err) == (1, True)
    assert roadworthy("access", "grant", other["id"], "owner", "--json").json["changed"]
    assert not roadworthy("access", "grant", other["id"], "owner", "--json").json["changed"]
    assert roadworthy("access", "disable", "r@x.org", "--json").json["changed"]
    assert entries(roadworthy) == [
        ("person.added", made["id"], "terminal", "joao"),
        ("grant.given", made["id"], "terminal", "joao"),
        ("person.added", other["id"], "terminal", "joao"),
        ("link.made", made["id"], "terminal", "joao"),
        ("grant.given", other["id"], "terminal", "joao"),
        ("person.disabled", made["id"], "terminal", "joao"),
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("access", "add", "\x1b[2J"), "printable"),
        (("access", "add", "Jo", "--email", "no address"), "email"),
        (("access", "add", "Jo", "--role", "ownr"), "Did you mean 'owner'"),
        (("access", "add", "Jo", "--tenant", "acme"), "--role"),
        (("access", "add", "Jo", "--role", "viewer", "--tenant", ""), "names it"),
        (("access", "add", "Jo", "--role", "viewer", "--workflow", ""), "names a workflow"),
        (("access", "link", "nobody@x.org"), "There is no person"),
        (("access", "disable", "person_\x1b[2J"), r"person_\x1b[2J"),
        (("keys", "create", "x", "--role", "owner"), "for people"),
        (("keys", "create", "x", "--expires", "soon"), "length of time"),
        (("keys", "create", "x", "--expires", "999d"), "max_key_days"),
        (("keys", "revoke", "key_0"), "There is no key"),
        (("audit", "show", "1"), "There is no audit entry"),
        (("audit", "show", "9" * 400), "There is no audit entry"),
        (("audit", "list", "--action", "run.cancel"), "Did you mean 'run.cancelled'"),
        (("audit", "verify", "--head", "5"), "not a head"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(roadworthy, project, words, told):
    """With exit code 2, in words that steer no terminal."""
    outcome = roadworthy(*words)
    assert outcome.code == 2
    assert told in outcome.err
    assert "\x1b" not in outcome.err
    assert entries(roadworthy) == []


def test_the_secret_of_a_key_is_shown_once(roadworthy, project):
    """In no list afterwards."""
    words = ("--tenant", "acme", "--workflow", "a", "--workflow", "b", "--expires", "12h", "--json")
    made = roadworthy("keys", "create", "billing", *words).json
    assert [(one["role"], one["workflow"], one["tenant"]) for one in made["grants"]] == [
        ("service", "a", "acme"),
        ("service", "b", "acme"),
    ]
    listed = roadworthy("keys", "list", "--json")
    assert made.pop("secret")[9:] not in listed.out + roadworthy("keys", "list").out
    assert listed.json == {"keys": [made]}
    assert roadworthy("keys", "revoke", made["id"]).out == f"{made['id']} is revoked.\n"
    assert roadworthy("keys", "list", "--json").json["keys"][0]["state"] == "revoked"


def test_what_is_done_to_runs_is_in_the_log(roadworthy, project):
    """Started, cancelled, resumed, signalled, replayed: each with the run and who did it."""
    words = ("run", "sort_message", "--input", '{"text": "a"}', "--detach", "--key", "k", "--json")
    run = roadworthy(*words).json["id"]
    assert roadworthy(*words).json["id"] == run
    assert roadworthy("runs", "cancel", run).code == 0
    assert roadworthy("runs", "resume", run, "--detach").code == 0
    assert roadworthy("runs", "signal", run, "go").code == 0
    new = roadworthy("runs", "replay", run, "--detach", "--json").json["runs"][0]["id"]
    assert entries(roadworthy) == [
        (action, subject, "terminal", "joao")
        for action, subject in (
            ("run.started", run),
            ("run.cancelled", run),
            ("run.resumed", run),
            ("run.signalled", run),
            ("run.replayed", new),
        )
    ]
    assert roadworthy("audit", "list", "--workflow", "sort_message", "--json").json["entries"][0]["seq"] == 5


def test_a_file_and_the_cache_are_in_the_log(roadworthy, project):
    """One entry for a batch, however many runs it makes."""
    Path("lines.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    batch = roadworthy("batch", "run", "sort_message", "lines.jsonl", "--detach", "--json").json["id"]
    assert roadworthy("cache", "clear", "--yes").code == 0
    assert entries(roadworthy) == [
        ("batch.loaded", batch, "terminal", "joao"),
        ("cache.cleared", "", "terminal", "joao"),
    ]


def test_what_code_does_is_the_systems_and_what_it_starts_is_no_entry(roadworthy, project):
    """The runs' own records tell what was started; the user of the terminal did not do it."""
    app = copy_context().run(load_app, Place(project))  # a command's own actor ends with it

    async def program() -> list[Entry]:
        async with app.running(work=False):
            run = await app.runs.start("sort_message", {"text": "a"})
            await app.runs.signal(run.id, "go")
            await app.runs.cancel(run.id)
            return await app.audit.find(Filter())

    (entry,) = asyncio.run(program())
    assert (entry.action, entry.actor_kind, entry.workflow) == ("run.cancelled", "system", "sort_message")


def test_a_change_of_the_log_is_found_and_told(roadworthy, project):
    """Exit code 1; with a head that was kept elsewhere, also what the log alone cannot tell."""
    for name in ("a", "b", "c"):
        roadworthy("access", "add", name)
    kept = roadworthy("audit", "head", "--json").json["head"]
    assert roadworthy("audit", "verify", "--head", kept).code == 0
    database = Database(f"sqlite:///{project / '.roadworthy' / 'roadworthy.db'}")

    def tamper(tx) -> None:
        tx.exec_driver_sql("DROP TRIGGER audit_entries_stay_as_they_are")
        tx.exec_driver_sql("UPDATE audit_entries SET actor = 'nobody' WHERE seq = 2")

    database.write_now(tamper)
    database.close()
    outcome = roadworthy("audit", "verify")
    assert (outcome.code, outcome.out.splitlines()[0]) == (1, "Entry 2 was changed.")
    found = roadworthy("audit", "verify", "--json")
    assert (found.code, found.json["ok"], found.json["entries"]) == (1, False, 1)


def test_a_signed_log_needs_its_key(roadworthy, project, monkeypatch):
    """From the environment or a file; without it nothing is changed that cannot be recorded."""
    settings = project / "roadworthy.toml"
    plain = settings.read_text()
    settings.write_text(plain + '\n[audit]\nkey_env = "AUDIT_KEY"\n')
    missing = roadworthy("access", "add", "Jo")
    assert missing.code == 1
    assert "AUDIT_KEY" in missing.err
    monkeypatch.setenv("AUDIT_KEY", "too-short")
    assert "fewer than 32" in roadworthy("access", "add", "Jo").err
    monkeypatch.setenv("AUDIT_KEY", "k" * 40)
    assert roadworthy("access", "add", "Jo").code == 0
    settings.write_text(plain)
    refused = roadworthy("access", "add", "Maria")
    assert "is signed" in refused.err
    file = project / "audit.key"
    file.write_text("k" * 40 + "\n")
    file.chmod(stat.S_IRUSR)
    settings.write_text(plain + '\n[audit]\nkey_file = "audit.key"\n')
    assert roadworthy("audit", "verify", "--json").json["signed_from"] == 1
    assert len(json.loads(roadworthy("access", "people", "--json").out)["people"]) == 1
