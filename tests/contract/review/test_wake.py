"""A person's answer and the run that waits for it, in one transaction, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadworthy import App
from roadworthy.db import unpack
from roadworthy.db.tables.workflows import signals
from roadworthy.errors import NotFound
from roadworthy.review import ItemStatus, Question, signal_name, store

SCHEMA = {"type": "object", "properties": {"share": {"type": "number"}}}


@pytest.fixture
def app(fresh_database_url: str, tmp_path: Path) -> Iterator[App]:
    """An app with one workflow, which waits for a person."""
    (tmp_path / "roadworthy.toml").touch()
    quick = {"workers.poll_seconds": 0.05, "workers.shutdown_seconds": 0.1}
    made = App.load(tmp_path, overrides={"database.url": fresh_database_url, **quick})

    @made.workflow
    async def ask_person(review_id: str) -> dict[str, str]:
        return await made.wait_for_signal(signal_name(review_id))

    yield made
    made.database.close()


async def ask(app: App, review_id: str, run_id: str | None) -> None:
    """Open an item under this id."""
    item = app.reviews.new(Question((), None, SCHEMA), reason="No model answered.", run_id=run_id)
    values = {name: getattr(item, name) for name in item.__dataclass_fields__}
    await app.database.write(lambda tx: store.add(tx, type(item)(**{**values, "id": review_id})))


def sent(tx: sa.Connection) -> list[tuple[str, object]]:
    """The signals that were sent: names and payloads."""
    rows = tx.execute(sa.select(signals.c.name, signals.c.payload))
    return [(row.name, unpack(row.payload)) for row in rows]


async def test_the_run_that_waits_goes_on_with_the_answer(app):
    """It learns which review, and how it ended."""
    async with app.running():
        for review_id, status in (("review_01", "answered"), ("review_02", "declined")):
            handle = await app.runs.start("ask_person", {"review_id": review_id})
            await ask(app, review_id, handle.id)
            if status == "answered":
                await app.reviews.answer(review_id, {"share": 1}, "maria")
            else:
                await app.reviews.decline(review_id, "maria", "Nobody knows.")
            assert await handle.result(timeout_seconds=20) == {"review_id": review_id, "status": status}


async def test_an_answer_whose_run_cannot_be_woken_is_not_stored(app):
    """Either both happen or neither: nobody is told that a run goes on which does not."""
    await ask(app, "review_01", "run_gone")
    with pytest.raises(NotFound, match="run_gone"):
        await app.reviews.answer("review_01", {"share": 1}, "maria")
    assert (await app.reviews.get("review_01")).status is ItemStatus.OPEN
    assert await app.database.read(sent) == []


async def test_a_repeated_transaction_wakes_the_run_once(app):
    """The first one may have been stored although nobody heard of it."""
    async with app.running(work=False):
        handle = await app.runs.start("ask_person", {"review_id": "review_01"})
        await ask(app, "review_01", handle.id)
        write = app.database.write

        async def twice(work):
            await write(work)
            return await write(work)

        app.database.write = twice
        await app.reviews.answer("review_01", {"share": 1}, "maria")
        assert await app.database.read(sent) == [
            ("review:review_01", {"review_id": "review_01", "status": "answered"})
        ]
