"""Several workers, and workers that are killed: nothing is submitted, stored or billed twice."""

import pytest

from roadworthy.cli.execution import alive
from roadworthy.db.tables.calls import call_attempts
from roadworthy.db.tables.lanes import batch_requests, provider_batches
from roadworthy.testing import simulated as sim
from roadworthy.workflows import RunStatus

pytestmark = pytest.mark.slow  # starts processes

SETTINGS = {
    "budgets.day": {"scope": "environment", "per_day_usd": "1"},
    "provider_batch.submit_after_seconds": 60,
    "provider_batch.max_requests": 20,
}


async def ends_well(street, app, finished, batch_id):
    """Every run answered by the batch, which was submitted, stored and billed once."""
    batch = await finished(app, batch_id, seconds=60)
    assert batch.counts == {RunStatus.SUCCEEDED: 20}
    assert len(street.server.batches.submitted) == 1
    assert (street.server.billed, street.server.billed_in_batches) == (20, 20)
    attempts = await street.rows(app, call_attempts)
    assert {(one.lane, one.status, one.number) for one in attempts} == {("provider-batch", "succeeded", 1)}
    assert len(attempts) == 20
    await street.books_balance(app)
    assert {one.status for one in await street.rows(app, batch_requests)} == {"taken"}
    assert {one.state for one in await street.rows(app, provider_batches)} == {"done"}


@pytest.mark.parametrize(
    ("dialect", "call"),
    [
        ("openai", "upload"),
        ("openai", "create"),
        ("openai", "get"),
        ("anthropic", "create"),
        ("anthropic", "get"),
        ("google", "create"),
        ("google", "get"),
    ],
)
async def test_a_worker_that_is_killed_while_it_talks_to_the_provider(street, finished, until, call):
    """Before the batch is there, when it is there and nobody has been told, and when it runs."""
    street.server.batches.on(call, sim.Hang())
    victim = street.worker(**SETTINGS)
    loading = street.app(**SETTINGS)
    async with loading.running(work=False):
        batch_id = await loading.batches.load("answer", street.file(20), lane="provider-batch")
        await until(lambda: call in street.server.batches.calls, seconds=60)
        street.kill(victim)
        (batch,) = await street.rows(loading, provider_batches)
        assert batch.state == ("running" if call == "get" else "submitting")
    app = street.app(**SETTINGS)
    async with app.running():
        await ends_well(street, app, finished, batch_id)


async def test_a_worker_that_dies_in_the_middle_of_storing_results(street, finished, until):
    """What it had stored stays, what it was storing is stored by the next one."""
    victim = street.worker("dies", **SETTINGS)
    loading = street.app(**SETTINGS)
    async with loading.running(work=False):
        batch_id = await loading.batches.load("answer", street.file(20), lane="provider-batch")
        await until(lambda: victim.poll() is not None, seconds=60)
        ended = [one for one in await street.rows(loading, batch_requests) if one.ended_at is not None]
        assert len(ended) == 10
    app = street.app(**SETTINGS)
    async with app.running():
        await ends_well(street, app, finished, batch_id)


async def test_several_workers_submit_and_store_everything_once(street, finished, until):
    """Three processes on one database, with batches of a few."""
    few = {**SETTINGS, "provider_batch.max_requests": 4, "provider_batch.submit_after_seconds": 0.1}
    for _ in range(2):
        street.worker(**few)
    app = street.app(**few)
    async with app.running():

        async def all_work():
            return len(await alive(app)) == 2

        await until(all_work, seconds=60)
        batch_id = await app.batches.load("answer", street.file(40), lane="provider-batch")
        batch = await finished(app, batch_id, seconds=60)
        assert batch.counts == {RunStatus.SUCCEEDED: 40}
        assert (street.server.billed, street.server.billed_in_batches) == (40, 40)
        attempts = await street.rows(app, call_attempts)
        assert [one.lane for one in attempts] == ["provider-batch"] * 40
        await street.books_balance(app)
