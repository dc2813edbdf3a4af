"""A database, and a way to ask a question in it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from roadworthy.db import Database
from roadworthy.review import Item, Question, store

QUESTION = Question((("user", "Which share?"),), {"of": "it"}, {"type": "object"})


@pytest.fixture
def database(fresh_database_url: str) -> Iterator[Database]:
    """An open database."""
    opened = Database(fresh_database_url)
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
