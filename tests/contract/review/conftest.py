"""A database with the tables of reviews and runs, and a way to ask a question in it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from roadworthy.db import Database
from roadworthy.db.tables import metadata, workflows
from roadworthy.db.tables.review import review_drafts, review_items, review_verdicts
from roadworthy.review import Item, Question, store

TABLES = [
    review_items,
    review_verdicts,
    review_drafts,
    workflows.runs,
    workflows.run_payloads,
    workflows.signals,
]
QUESTION = Question((("user", "Which share?"),), {"of": "it"}, {"type": "object"})


@pytest.fixture
def database(fresh_database_url: str) -> Iterator[Database]:
    """An open database with these tables."""
    opened = Database(fresh_database_url)
    opened.write_now(lambda tx: metadata.create_all(tx, tables=TABLES))
    yield opened
    opened.close()


@pytest.fixture
def ask(database: Database) -> Callable[..., Item]:
    """Store an open item; `about` are its fields."""
    blank = Item(
        id="review_01",
        environment="test",
        reason="No model answered.",
        created_at=1_000,
        run_id="run_1",
        question=QUESTION.as_json(),
    )

    def made(review_id: str = "review_01", **about: object) -> Item:
        item = replace(blank, id=review_id, **about)
        database.write_now(lambda tx: store.add(tx, item))
        return item

    return made
