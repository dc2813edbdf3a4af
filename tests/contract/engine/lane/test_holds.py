"""What is set aside for a call that waits stands as long as its row in the lane, and never without it."""

from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.calls.lane.entry import Entry
from roadworthy.db.tables.budgets import reservations
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.lanes import batch_requests
from roadworthy.db.tables.workflows import runs
from roadworthy.workflows import Filter, RunStatus

BUDGET = {"budgets.day": {"scope": "environment", "per_day_usd": "1"}}
ALONE = {**BUDGET, "provider_batch.submit_after_seconds": 60}
"""Nothing is submitted before its deadline."""


class Overtaken(Entry):
    """The first time that a call is collected, its run is taken over before the step has ended."""

    values: dict[str, Any]
    times = 0

    async def collect(self, *given: Any) -> Any:
        """Collect the call, and have somebody else take its run."""
        collected = await super().collect(*given)
        type(self).times += 1
        if self.times == 1:
            taken = sa.update(runs).values(worker_id=None, claim=runs.c.claim + 1, due_at=1, **self.values)
            await self._database.write(lambda tx: tx.execute(taken))
        return collected


def overtaken(app: Any, **values: Any) -> None:
    """Let the first run of this app meet that."""
    app.pipeline.lane.entry.__class__ = type("Once", (Overtaken,), {"values": values})


async def test_a_run_that_is_taken_over_as_its_deadline_passes_holds_nothing_for_the_batch(street, finished):
    """Whoever goes on asks live; nothing of the first try was submitted, so nothing of it stays set aside."""
    app = street.app(**ALONE)
    overtaken(app, status="queued", lane_until=1)
    async with app.running():
        batch_id = await app.batches.load("answer", street.file(1), lane="provider-batch")
        assert (await finished(app, batch_id)).counts == {RunStatus.SUCCEEDED: 1}
        assert [one.lane for one in await street.rows(app, call_attempts)] == ["live"]
        await street.books_balance(app)


async def test_a_run_that_is_cancelled_as_it_is_collected_holds_nothing(street, until):
    """There is no request in the lane, and nothing set aside for one."""
    app = street.app(**ALONE)
    overtaken(app, status="cancelled")
    async with app.running():
        await app.batches.load("answer", street.file(1), lane="provider-batch")

        async def left() -> bool:
            return app.pipeline.lane.entry.times == 1 and not app._worker.executor.active

        await until(left)
        assert await street.rows(app, reservations) == []
        assert await street.rows(app, batch_requests) == []
        assert await street.reserved(app) == (0, 0)
        assert street.server.count == 0


async def test_a_run_that_is_taken_over_as_it_is_collected_is_collected_once(street, until):
    """The second try makes the one request, with what one request needs."""
    app = street.app(**ALONE)
    overtaken(app, status="queued")
    async with app.running():
        await app.batches.load("answer", street.file(1), lane="provider-batch")

        async def waits() -> bool:
            return [one.status for one in await street.rows(app, runs)] == ["waiting"]

        await until(waits)
        (held,) = await street.rows(app, reservations)
        (request,) = await street.rows(app, batch_requests)
        assert request.call_id == held.call_id
        assert await street.reserved(app) == (0, held.micro_usd)
        (run,) = await app.runs.find(Filter())
        await app.runs.cancel(run.id)

        async def withdrawn() -> bool:
            return not await street.rows(app, reservations)

        await until(withdrawn)
        assert await street.reserved(app) == (0, 0)


@pytest.mark.parametrize("room_usd", ["0.0000001", "0.0015"])
async def test_what_a_budget_has_no_room_for_in_the_batch_meets_its_answer_live(street, finished, room_usd):
    """Nothing is submitted and nothing is set aside: the call ends as a live one does."""
    app = street.app(**{**ALONE, "budgets.day": {"scope": "environment", "per_day_usd": room_usd}})
    async with app.running():
        batch_id = await app.batches.load("answer", street.file(3), lane="provider-batch", within_seconds=2)
        batch = await finished(app, batch_id)
        assert batch.counts == {RunStatus.DEAD: 3}
        failed = await app.runs.find(Filter(batch_id=batch.id))
        assert {run.error_kind for run in failed} == {"budget_spent"}
        assert {one.error_kind for one in await street.rows(app, calls)} == {"budget_spent"}
        assert (street.server.count, len(street.server.batches.submitted)) == (0, 0)
        assert await street.rows(app, reservations) == []
        assert await street.reserved(app) == (0, 0)
