"""`roadworthy reviews`: what a person sees of a question, and how its answer reaches the run."""

import io
import json
import sys

import pytest
import sqlalchemy as sa

from roadworthy import App
from roadworthy.db import Database, unpack, upgrade
from roadworthy.db.tables.workflows import signals
from roadworthy.review import Held, Kind, Question, Said, decided, store

pytestmark = pytest.mark.slow  # each command loads a project and its database

HOSTILE = "\x1b[2J[red]my card\u202e"
SCHEMA = {
    "type": "object",
    "properties": {"outcome": {"enum": ["answer", "refuse"]}, "message": {"type": "string"}},
    "required": ["outcome", "message"],
}
REPLY = {"outcome": "answer", "message": "It is on its way."}


@pytest.fixture
def ask(roadworthy, project):
    """Open a review for a queued run of the project; returns the ids of both."""

    def made(schema=SCHEMA, **about):
        queued = roadworthy("run", "sort_message", "--input", '{"text": "a"}', "--detach", "--json").json
        question = Question(
            messages=(("system", "You sort."), ("user", f"{HOSTILE} asked")),
            inputs={"text": f"{HOSTILE} input"},
            schema=schema,
            said=(Said("small", "invalid", f"{HOSTILE} said", "invalid_answer", "it is not JSON"),),
        )
        app = App.load(project)
        about = {
            "workflow": "sort_message",
            "prompt_version": "sort-message@v1",
            "run_id": queued["id"],
            **about,
        }
        item = app.reviews.new(question, reason="No model of route 'main' answered.", **about)
        app.database.write_now(lambda tx: store.add(tx, item))
        app.telemetry.close()
        app.database.close()
        return item.id, queued["id"]

    return made


def sent(project):
    """The signals that were sent: run, name, payload."""
    database = Database(f"sqlite:///{project / '.roadworthy' / 'roadworthy.db'}")
    query = sa.select(signals.c.run_id, signals.c.name, signals.c.payload)
    try:
        rows = database.read_now(lambda tx: tx.execute(query).all())
    finally:
        database.close()
    return [(row.run_id, row.name, unpack(row.payload)) for row in rows]


def test_a_list_shows_what_waits_and_no_content(roadworthy, ask):
    """Neither as a table nor as JSON."""
    review_id, run_id = ask()
    text, document = roadworthy("reviews", "list").out, roadworthy("reviews", "list", "--json")
    assert review_id in text
    assert "sort-message@v1" in text
    assert "No model of route 'main' answered." in text
    (item,) = document.json["reviews"]
    assert (item["id"], item["run_id"], item["status"]) == (review_id, run_id, "open")
    assert "card" not in text + document.out


def test_nothing_that_waits_is_said_in_words(roadworthy, project):
    """An empty table would look like a fault."""
    assert roadworthy("reviews", "list").out == "No reviews.\n"
    assert roadworthy("reviews", "list", "--json").json == {"reviews": [], "next": None}


def test_lists_come_in_pages_and_by_state(roadworthy, ask):
    """What is open: longest wait first; what was answered: newest first."""
    ids = [ask()[0] for _ in "abc"]
    first = roadworthy("reviews", "list", "--limit", "2", "--json").json
    second = roadworthy("reviews", "list", "--limit", "2", "--after", first["next"], "--json").json
    assert [one["id"] for one in first["reviews"] + second["reviews"]] == ids
    assert second["next"] is None
    for review_id in ids[:2]:
        assert roadworthy("reviews", "decline", review_id, "--note", "no", "--by", "maria").code == 0
    closed = roadworthy("reviews", "list", "--status", "declined", "--status", "answered", "--json").json
    assert [one["id"] for one in closed["reviews"]] == ids[1::-1]
    assert roadworthy("reviews", "list", "--workflow", "other", "--json").json["reviews"] == []


def test_whoever_opens_a_review_sees_all_that_an_answer_needs(roadworthy, ask):
    """Messages, inputs, what the models said, the form of the answer, and how to give it."""
    review_id, run_id = ask()
    text = roadworthy("reviews", "show", review_id[:-3]).out
    for shown in (
        run_id,
        "system:",
        "asked",
        "input",
        "small: invalid",
        "it is not JSON",
        "said",
        '"outcome"',
    ):
        assert shown in text
    assert f"roadworthy reviews answer {review_id} --value JSON" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]my card" in text
    document = roadworthy("reviews", "show", review_id, "--json").json
    assert document["question"]["messages"][1] == {"role": "user", "text": f"{HOSTILE} asked"}


def test_an_answer_reaches_the_run_and_stands(roadworthy, project, ask):
    """The run's signal is there with it; who comes second is told, exit code 1."""
    review_id, run_id = ask()
    words = ["reviews", "answer", review_id, "--value", json.dumps(REPLY), "--by", "maria"]
    outcome = roadworthy(*words, "--note", "as in the handbook")
    assert outcome.code == 0
    assert f"{review_id} is answered by maria." in outcome.out
    assert f"{run_id} goes on." in outcome.out
    assert "No worker is alive" in outcome.out
    assert sent(project) == [(run_id, f"review:{review_id}", {"review_id": review_id, "status": "answered"})]
    again = roadworthy(*words)
    assert again.code == 1
    assert "was answered by 'maria'" in again.err
    text = roadworthy("reviews", "show", review_id).out
    assert "answered by maria" in text
    assert "It is on its way." in text
    assert "as in the handbook" in text
    assert "--value" not in text


def test_an_answer_may_come_from_a_file_or_standard_input(roadworthy, project, ask, monkeypatch):
    """JSON where there is a schema, and the text as it stands where there is none."""
    (project / "reply.json").write_text(json.dumps(REPLY), encoding="utf-8")
    (project / "reply.txt").write_text("It is\non its way.", encoding="utf-8")
    with_schema = [ask()[0] for _ in "ab"]
    texts = [ask(schema=None)[0] for _ in "abc"]
    answer = ["reviews", "answer", "--by", "maria", "--json"]
    roadworthy(*answer, with_schema[0], "--file", "reply.json")
    roadworthy(*answer, with_schema[1], "--value", "@reply.json")
    roadworthy(*answer, texts[0], "--file", "reply.txt")
    roadworthy(*answer, texts[1], "--text", "It is\non its way.")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"It is\non its way.")))
    roadworthy(*answer, texts[2], "--file", "-")
    given = [roadworthy("reviews", "show", one, "--json").json["answer"] for one in (*with_schema, *texts)]
    assert given == [REPLY, REPLY, *["It is\non its way."] * 3]


def test_an_answer_is_by_who_is_logged_in(roadworthy, ask, monkeypatch):
    """Unless another name is given."""
    monkeypatch.setenv("LOGNAME", "joao")
    first, second = ask()[0], ask()[0]
    words = ["--value", json.dumps(REPLY), "--json"]
    assert roadworthy("reviews", "answer", first, *words).json["answered_by"] == "joao"
    assert roadworthy("reviews", "answer", second, *words, "--by", "maria").json["answered_by"] == "maria"


def test_who_answers_has_to_be_said_where_the_system_does_not_know(roadworthy, ask, monkeypatch):
    """In a container, a user may have no name."""

    def nobody():
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nobody)
    outcome = roadworthy("reviews", "answer", ask()[0], "--value", json.dumps(REPLY))
    assert outcome.code == 2
    assert "--by NAME" in outcome.err


def test_declining_tells_the_run_too(roadworthy, project, ask):
    """The call that waits for it learns that there is no answer."""
    review_id, run_id = ask()
    words = ["reviews", "decline", review_id, "--by", "maria", "--note", "The customer has left.", "--json"]
    assert roadworthy(*words).json["status"] == "declined"
    assert sent(project) == [(run_id, f"review:{review_id}", {"review_id": review_id, "status": "declined"})]
    assert "note: The customer has left." in roadworthy("reviews", "show", review_id).out


def test_an_answer_of_the_wrong_form_is_refused_with_its_faults(roadworthy, project, ask):
    """Programs get them one by one; the run waits on."""
    outcome = roadworthy(
        "reviews", "answer", ask()[0], "--value", '{"outcome": "maybe"}', "--by", "maria", "--json"
    )
    assert outcome.code == 2
    assert json.loads(outcome.err)["details"]["faults"] == [
        "message: is missing",
        "outcome: must be 'answer' or 'refuse'",
    ]
    assert sent(project) == []


def test_an_id_that_is_not_unique_lists_what_it_may_mean(roadworthy, project, ask):
    """Neither review is answered."""
    ids = [ask()[0] for _ in "ab"]
    words = ["reviews", "answer", ids[0][:14], "--value", json.dumps(REPLY), "--by", "maria", "--json"]
    outcome = roadworthy(*words)
    assert outcome.code == 2
    assert set(json.loads(outcome.err)["details"]["matches"]) == set(ids)
    assert sent(project) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "review_zzzzzz"], "is not the id of a review"),
        (["show", "review_00000000"], "There is no review 'review_00000000'"),
        (["show", "review_00"], "too short"),
        (["list", "--status", "opne"], "Did you mean 'open'?"),
        (["list", "--after", "review_00000000"], "There is no review"),
        (["answer", "review_00000000"], "Give the answer once"),
        (["answer", "review_00000000", "--value", "1", "--text", "a"], "Give the answer once"),
        (["answer", "review_00000000", "--value", "{"], "There is no review"),
        (["decline", "review_00000000"], "Missing option '--note'"),
        (["decline", "review_00000000", "--note", "no"], "There is no review"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_message_and_exit_code_2(roadworthy, project, words, said):
    """The message says what to do; nothing goes to standard output."""
    outcome = roadworthy("reviews", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


def test_a_value_that_is_not_json_is_named(roadworthy, ask):
    """With how to quote it."""
    outcome = roadworthy("reviews", "answer", ask()[0], "--value", "{", "--by", "maria")
    assert outcome.code == 2
    assert "What --value says is not JSON" in outcome.err


@pytest.fixture
def hold(project):
    """Hold an answer for a decision, or have one drawn as a sample; returns the item's id."""

    def made(kind="decision", **about):
        held = Held(
            value=REPLY,
            schema=SCHEMA,
            evidence=[{"title": f"{HOSTILE} terms", "text": "Within 30 days.", "page": 3}, HOSTILE],
            because=f"{HOSTILE} between 0.2 and 0.8",
            verdict="approved" if kind == "sample" else "",
            confidence=0.5,
            proceed=0.8,
            reject=0.2,
            rung="small",
            checks=("promises_nothing",),
        )
        app = App.load(project)
        upgrade(app.database)
        item = app.reviews.new(held, kind=Kind(kind), reason="in between", workflow="sort_message", **about)
        app.database.write_now(lambda tx: store.add(tx, item))
        app.telemetry.close()
        app.database.close()
        return item.id

    return made


def test_an_answer_is_shown_with_its_evidence_and_what_can_be_done(roadworthy, hold):
    """Whatever it says steers no terminal."""
    review_id = hold()
    shown = roadworthy("reviews", "show", review_id).out
    wanted = ("Within 30 days.", "page", "It is on its way.", "promises_nothing", "reviews reject")
    assert all(one in shown for one in wanted)
    assert "\x1b[2J" not in shown
    document = roadworthy("reviews", "show", review_id, "--json").json
    assert (document["kind"], document["verdicts"], document["draft"]) == ("decision", [], None)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("approve",), "approved"),
        (("edit", "--value", json.dumps({**REPLY, "message": "Tomorrow."})), "edited"),
        (("edit", "--value", json.dumps(REPLY)), "approved"),
        (("reject", "--note", "It is not."), "rejected"),
    ],
)
def test_a_verdict_closes_the_item_under_a_name(roadworthy, hold, words, status):
    """The second one is told who was first."""
    review_id = hold()
    name, *rest = words
    closed = roadworthy("reviews", name, review_id, *rest, "--by", "maria", "--json").json
    assert (closed["status"], closed["answered_by"]) == (status, "maria")
    second = roadworthy("reviews", "approve", review_id, "--by", "joao")
    assert second.code == 1
    assert f"was {status} by 'maria'" in second.err


def test_an_edit_that_breaks_the_form_changes_nothing(roadworthy, hold):
    """It is said what is wrong; an edit is given once."""
    review_id = hold()
    wrong = roadworthy("reviews", "edit", review_id, "--value", '{"outcome": "maybe"}')
    assert wrong.code == 2
    assert "message: is missing" in wrong.err
    assert roadworthy("reviews", "edit", review_id).code == 2
    assert roadworthy("reviews", "list", "--json").json["reviews"][0]["status"] == "open"


def test_items_are_listed_by_kind_assigned_and_claimed(roadworthy, hold):
    """An unknown kind is told."""
    held, sample = hold(), hold("sample")
    found = roadworthy("reviews", "list", "--kind", "sample", "--json").json["reviews"]
    assert [one["id"] for one in found] == [sample]
    assert roadworthy("reviews", "list", "--kind", "sampel").code == 2
    assert roadworthy("reviews", "assign", held, "--to", "ann").out == f"{held} is assigned to ann.\n"
    assert roadworthy("reviews", "assign", held, "--json").json["assigned_to"] is None
    assert roadworthy("reviews", "claim", held, "--by", "ann").out == f"ann looks at {held}.\n"
    assert roadworthy("reviews", "claim", held, "--by", "ben").out == f"ann looks at {held}.\n"
    assert roadworthy("reviews", "claim", held, "--by", "ann", "--minutes", "0").out.startswith("Nobody")


def test_two_people_who_have_to_agree_are_told_how_it_stands(roadworthy, project, hold):
    """After the first verdict the item is open, and only its writer sees it."""
    review_id = hold()
    database = Database(f"sqlite:///{project / '.roadworthy' / 'roadworthy.db'}")
    database.write_now(lambda tx: tx.execute(sa.text("UPDATE review_items SET people = 2")) and None)
    database.close()
    assert "still open" in roadworthy("reviews", "approve", review_id, "--by", "ann").out
    assert "ann said" not in roadworthy("reviews", "show", review_id, "--by", "ben").out
    assert "ann said approve" in roadworthy("reviews", "show", review_id, "--by", "ann").out
    assert "approved by ann and ben" in roadworthy("reviews", "approve", review_id, "--by", "ben").out


def test_stats_say_what_would_lower_the_share(roadworthy, project, hold):
    """In words and as JSON; without any decision that is said."""
    hold()
    assert roadworthy("reviews", "stats").out == "No decisions yet.\n"
    made = decided.Decided(
        id="dec_1",
        run_id="run_1",
        step_id="step_1",
        call_id=None,
        environment="development",
        workflow="sort_message",
        prompt_version="p@v1",
        prompt_hash="h",
        verdict="approved",
        by="rule",
        name="band",
        sampled=True,
        sample_share=0.98,
        value_hash="h",
        created_at=1,
    )
    database = Database(f"sqlite:///{project / '.roadworthy' / 'roadworthy.db'}")
    database.write_now(lambda tx: decided.add(tx, made))
    database.close()
    text, (found,) = (
        roadworthy("reviews", "stats").out,
        roadworthy("reviews", "stats", "--json").json["stats"],
    )
    assert "98.0% now, 100.0% so far" in text
    assert "209 more reviews without an error lower the share to 1.0%" in text
    assert (found["automatic"], found["sampled"], found["error_rate_at_most"]) == (1, 1, 1.0)
    assert found["lowered_by"][-1] == {"share": 0.01, "more_clean_reviews": 209}
