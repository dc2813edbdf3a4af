"""Batches: one run for each line of a file, however often it is loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadworthy import App
from roadworthy.db.tables.workflows import batches, runs
from roadworthy.workflows import Filter, RunStatus


@pytest.fixture
def doubling(make_app: Callable[..., App]) -> Callable[[], App]:
    """Make an app that doubles numbers."""

    def make() -> App:
        app = make_app()

        @app.workflow
        async def double(number: int) -> int:
            return number * 2

        return app

    return make


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three good lines, one that is no JSON, and one that does not fit."""
    path = tmp_path / "numbers.jsonl"
    path.write_text(
        '{"number": 1}\n{"number": 2}\nnonsense\n{"nummer": 3}\n{"number": 4}\n', encoding="utf-8"
    )
    return path


async def test_every_line_is_a_run_or_is_rejected_with_its_reason(doubling, file, until):
    """What cannot be used stops nothing else."""
    app = doubling()
    async with app.running():
        batch_id = await app.batches.load("double", file)

        async def finished() -> bool:
            return (await app.batches.get(batch_id)).finished

        await until(finished)
        batch = await app.batches.get(batch_id)
        assert (batch.total, batch.counts, batch.rejects) == (5, {RunStatus.SUCCEEDED: 3}, 2)
        found = await app.runs.find(Filter(batch_id=batch_id))
        outputs = {run.batch_item: (await app.runs.payload(run.id))[1] for run in found}
        assert outputs == {1: 2, 2: 4, 5: 8}
        rejects = {reject.line: reject.reason for reject in await app.batches.rejects(batch_id)}
        assert set(rejects) == {3, 4}
        assert "not JSON" in rejects[3]
        assert "Did you mean 'number'?" in rejects[4]


async def test_a_batch_whose_loading_was_cut_off_goes_on_where_it_was(doubling, file):
    """The same command again, in another process, adds what is missing and doubles nothing."""
    one, two = doubling(), doubling()

    def cut_off(tx: sa.Connection) -> None:
        tx.execute(sa.delete(runs).where(runs.c.batch_item > 1))
        tx.execute(sa.update(batches).values(total=None, loaded_at=None))

    async with one.running(work=False):
        batch_id = await one.batches.load("double", file)
        await one.database.write(cut_off)
        assert not (await one.batches.get(batch_id)).finished
        (kept,) = await one.runs.find(Filter())
    async with two.running(work=False):
        assert await two.batches.load("double", file) == batch_id
        found = await two.runs.find(Filter())
        assert (len(found), kept.id in {run.id for run in found}) == (3, True)
        assert await two.batches.load("double", file) == batch_id
        assert await two.runs.count(Filter()) == {RunStatus.QUEUED: 3}
