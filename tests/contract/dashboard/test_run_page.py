"""What the page of a run reads, on either database: pages of steps, tries, sums, and one step opened."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from roadworthy.dashboard.queries import run as queries
from roadworthy.db import Database, pack
from roadworthy.db.tables import metadata, workflows
from roadworthy.db.tables.calls import call_attempts, call_payloads, calls
from roadworthy.db.tables.review import decisions, review_items

TABLES = [
    workflows.runs,
    workflows.run_payloads,
    workflows.steps,
    workflows.step_payloads,
    workflows.attempts,
    calls,
    call_attempts,
    call_payloads,
    decisions,
    review_items,
]
RUN = {
    "id": "run_1",
    "workflow": "w",
    "status": "dead",
    "environment": "test",
    "input_hash": "",
    "created_at": 0,
}
STEP = {"run_id": "run_1", "name": "draft", "key": "", "kind": "call", "status": "succeeded", "attempt_at": 0}
CALL = {
    "run_id": "run_1",
    "environment": "test",
    "prompt_id": "draft",
    "prompt_version": "draft@v1",
    "prompt_hash": "",
    "route": "default",
    "status": "succeeded",
    "input_tokens": 10,
    "output_tokens": 5,
    "cost_micro_usd": 7,
    "cost_known": True,
}
EVERYTHING = queries.Rights(content=True, runs=lambda *_: sa.true(), reviews=lambda *_: sa.true())


@pytest.fixture
def database(fresh_database_url: str) -> Iterator[Database]:
    """A run of four steps: the second was set aside once, the third was retried, and asked a model twice."""
    opened = Database(fresh_database_url)

    def fill(tx):
        metadata.create_all(tx, tables=TABLES)
        tx.execute(sa.insert(workflows.runs), [{**RUN, "error_kind": "x", "error_position": 2}])
        places = [("a", 1, 0, 1), ("b0", 2, 3, 1), ("b", 2, 0, 1), ("c", 3, 0, 2), ("d", 4, 0, 1)]
        tx.execute(
            sa.insert(workflows.steps),
            [
                {**STEP, "id": name, "position": at, "rewound": rewound, "attempt": n, "started_at": at}
                for name, at, rewound, n in places
            ],
        )
        outcomes = {"a": {"ok": True, "value": {"said": 1}}, "b": {"ok": False, "failure": {}}}
        for step_id, outcome in outcomes.items():
            values = {"step_id": step_id, "run_id": "run_1", "input": pack({}), "output": pack(outcome)}
            tx.execute(sa.insert(workflows.step_payloads).values(values))
        tried = {"step_id": "c", "run_id": "run_1", "worker_id": "", "started_at": 3, "finished_at": 4}
        tx.execute(
            sa.insert(workflows.attempts),
            [{**tried, "number": 1, "status": "lost"}, {**tried, "number": 2, "status": "succeeded"}],
        )
        tx.execute(
            sa.insert(calls),
            [
                {**CALL, "id": "call_1", "step_id": "c", "attempts": 2, "started_at": 3},
                {**CALL, "id": "call_2", "step_id": "d", "attempts": 1, "started_at": 4, "cost_known": False},
            ],
        )
        asked = {"call_id": "call_1", "model": "m", "provider": "p", "started_at": 3, "finished_at": 4}
        tx.execute(
            sa.insert(call_attempts),
            [
                {**asked, "number": 1, "reason": "first", "status": "invalid"},
                {**asked, "number": 2, "reason": "repair", "status": "succeeded"},
            ],
        )

    opened.write_now(fill)
    yield opened
    opened.close()


def read(database, function, *arguments):
    """What a read gives."""
    found = []
    database.write_now(lambda tx: found.append(function(tx, *arguments)))
    return found[0]


def test_steps_come_in_pages_that_split_no_place(database, monkeypatch):
    """What was set aside stays with what replaced it; each page knows both neighbours."""
    monkeypatch.setattr(queries, "PAGE", 2)
    first = read(database, queries.steps_from, "run_1", 0)
    assert ([one.id for one in first.steps], first.earlier, first.later) == (["a"], None, 2)
    second = read(database, queries.steps_from, "run_1", 2)
    assert ([one.id for one in second.steps], second.earlier, second.later) == (["b0", "b"], 1, 3)
    third = read(database, queries.steps_from, "run_1", 3)
    assert ([one.id for one in third.steps], third.later) == (["c", "d"], None)


def test_tries_of_steps_and_of_calls_are_found(database):
    """Of those that took more than one, and no other."""
    tries = read(database, queries.steps_from, "run_1", 0).tries
    assert {step: [(one.name, one.status) for one in made] for step, made in tries.items()} == {
        "c": [
            ("attempt 1", "lost"),
            ("attempt 2", "succeeded"),
            ("asked: m", "invalid"),
            ("repair: m", "succeeded"),
        ]
    }


def test_calls_are_added_up_by_version(database):
    """And the step whose error ended the run is the one that counts, not the one set aside."""
    run = read(database, queries.run_of, "run_1")
    beside = read(database, queries.beside, run, EVERYTHING)
    assert beside.prompts == [queries.Asked("draft", "draft@v1", 2, 30, 14, is_known=False)]
    assert (beside.failed_step_id, beside.has_more_calls) == ("b", False)


def test_a_step_is_opened_in_its_own_run_only(database):
    """With its attempts and calls."""
    chosen = read(database, queries.chosen, "run_1", "c", EVERYTHING)
    assert [one.number for one in chosen.step.attempts] == [1, 2]
    assert [one["id"] for one in chosen.calls] == ["call_1"]
    assert read(database, queries.chosen, "run_2", "c", EVERYTHING) is None


def test_an_outcome_is_what_was_returned(database):
    """Not how it is stored; where a failure took its place there is none."""
    assert read(database, queries.step_payload, "a", "output").text == '{\n  "said": 1\n}'
    assert read(database, queries.step_payload, "b", "output") is None
    assert read(database, queries.step_payload, "d", "output") is None
