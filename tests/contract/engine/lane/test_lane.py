"""Calls that can wait go through the provider's batch, at its price, and are answered in any case."""

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa

from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.lanes import batch_requests, provider_batches
from roadworthy.db.tables.workflows import runs
from roadworthy.monitoring import Dimension, Query, costs
from roadworthy.testing import simulated as sim
from roadworthy.testing.simulated import BatchExpires, BatchFails, MissingLines
from roadworthy.workflows import Filter, RunStatus

HOUR_MS = 3_600_000
BUDGET = {"budgets.day": {"scope": "environment", "per_day_usd": "1"}}
TEN = {**BUDGET, "provider_batch.submit_after_seconds": 60, "provider_batch.max_requests": 10}
"""All ten at once, and none before."""

every_dialect = pytest.mark.parametrize("dialect", ["openai", "anthropic", "google"])


async def statuses(street, app, table):
    """How many rows of a table are in which state."""
    column = "state" if table is provider_batches else "status"
    return Counter(getattr(one, column) for one in await street.rows(app, table))


async def ways(street, app):
    """How many attempts were made in which lane, for which reason, with which end."""
    return Counter((one.lane, one.reason, one.status) for one in await street.rows(app, call_attempts))


async def carried_out(street, app, finished, *, count=10, workflow="answer", **options):
    """A batch of runs in the lane, at its end."""
    batch_id = await app.batches.load(workflow, street.file(count), lane="provider-batch", **options)
    return await finished(app, batch_id, seconds=60)


@every_dialect
async def test_a_batch_of_runs_is_answered_at_half_the_price_with_nothing_asked_live(street, finished):
    """Fifty items, one batch at the provider; what is on record is what the provider bills."""
    app = street.app(**{**TEN, "provider_batch.max_requests": 50})
    async with app.running():
        batch = await carried_out(street, app, finished, count=50)
        assert batch.counts == {RunStatus.SUCCEEDED: 50}
        assert (street.server.billed, street.server.billed_in_batches) == (50, 50)
        assert len(street.server.batches.submitted) == 1
        attempts = await street.rows(app, call_attempts)
        assert await ways(street, app) == {("provider-batch", "first", "succeeded"): 50}
        assert {one.saved_micro_usd for one in attempts} <= {one.cost_micro_usd for one in attempts}
        assert sum(one.saved_micro_usd for one in attempts) == pytest.approx(
            street.billed_micro_usd(), abs=50
        )
        found = await street.rows(app, calls)
        assert {(one.lane, one.status, one.rung) for one in found} == {
            ("provider-batch", "succeeded", "main")
        }
        await street.books_balance(app)
        assert await statuses(street, app, batch_requests) == {"taken": 50}
        assert await statuses(street, app, provider_batches) == {"done": 1}
        assert all(
            one.request is None and one.result is None for one in await street.rows(app, batch_requests)
        )


async def test_a_run_waits_for_the_batch_held_by_no_process(street, finished, until):
    """While the provider works, nothing is asked live, the runs wait, and what they may cost is set aside."""
    street.server.batches.hold = "in_progress"
    app = street.app(**TEN)
    async with app.running():
        batch_id = await app.batches.load("answer", street.file(10), lane="provider-batch")

        async def submitted():
            batch = await app.batches.get(batch_id)
            return batch.at_provider == 10 and batch.counts == {RunStatus.WAITING: 10}

        await until(submitted)
        spent, reserved = await street.reserved(app)
        assert (spent, street.server.count) == (0, 0)
        assert reserved > 0
        street.server.batches.finish()
        batch = await finished(app, batch_id)
        assert (batch.counts, batch.at_provider) == ({RunStatus.SUCCEEDED: 10}, 0)
        await street.books_balance(app)


async def test_answers_that_come_hours_later_count_in_the_hour_of_their_calls(
    street, finished, until, from_calls
):
    """The hour was added up while the batch was at work; what it brought is in the report at once."""
    street.server.batches.hold = "in_progress"
    app = street.app(**TEN)
    async with app.running():
        batch_id = await app.batches.load("answer", street.file(10), lane="provider-batch")

        async def submitted():
            return (await app.batches.get(batch_id)).at_provider == 10

        def report(tx):
            return costs(tx, Query(0, app.clock.now_ms() + 1, (Dimension.LANE, Dimension.MODEL)))

        await until(submitted)
        earlier = sa.update(calls).values(started_at=calls.c.started_at - 5 * HOUR_MS)
        await app.database.write(lambda tx: tx.execute(earlier) and None)
        assert await app.rollups.keep_up(60)
        before = await app.database.read(report)
        assert (before.total.calls, before.total.cost_micro_usd) == (10, 0)
        street.server.batches.finish()
        await finished(app, batch_id)
        spent, _ = await street.reserved(app)
        for _ in range(2):
            after = await app.database.read(report)
            assert after.total.cost_micro_usd == spent > 0
            assert after.rows == (await asyncio.to_thread(from_calls, app.database, report)).rows
            assert await app.rollups.keep_up(60)


@every_dialect
async def test_what_has_no_answer_by_the_deadline_is_asked_live(street, finished, until):
    """The batch that nobody waits for is cancelled; what it had run by then is paid for and on record."""
    street.server.batches.hold = "in_progress"
    street.server.batches.run_before_cancel = 2
    app = street.app(**TEN)
    async with app.running():
        batch = await carried_out(street, app, finished, within_seconds=6)
        assert batch.counts == {RunStatus.SUCCEEDED: 10}

        async def ended():
            return await statuses(street, app, provider_batches) == {"cancelled": 1}

        await until(ended)
        assert (street.server.billed, street.server.billed_in_batches) == (12, 2)
        assert await ways(street, app) == {
            ("provider-batch", "first", "cancelled"): 2,
            ("provider-batch", "first", "failed"): 8,
            ("live", "first", "succeeded"): 10,
        }
        assert await statuses(street, app, batch_requests) == {"late": 10}
        await street.books_balance(app)


async def test_what_was_not_submitted_by_the_deadline_is_withdrawn(street, finished):
    """Nothing goes to the provider's batch afterwards, and nothing stays set aside for it."""
    app = street.app(**{**TEN, "provider_batch.max_requests": 11})
    async with app.running():
        batch = await carried_out(street, app, finished, within_seconds=1)
        assert batch.counts == {RunStatus.SUCCEEDED: 10}
        assert await ways(street, app) == {("live", "first", "succeeded"): 10}
        assert await statuses(street, app, batch_requests) == {"withdrawn": 10}
        assert street.server.batches.submitted == ()
        await street.books_balance(app)


@every_dialect
async def test_what_fails_in_the_batch_goes_on_live_in_the_same_call(street, finished):
    """An error, an answer that is none, and one that is cut: each is on record, and then asked live."""
    for text, fault in (
        ("ticket 1", sim.ServerError()),
        ("ticket 2", sim.NotJson()),
        ("ticket 3", sim.Truncated()),
    ):
        street.server.add(sim.When(sim.text_contains(text), fault, times=1))
    app = street.app(**TEN)
    async with app.running():
        batch = await carried_out(street, app, finished)
        assert batch.counts == {RunStatus.SUCCEEDED: 10}
        assert await ways(street, app) == {
            ("provider-batch", "first", "succeeded"): 7,
            ("provider-batch", "first", "failed"): 1,
            ("provider-batch", "first", "invalid"): 2,
            ("live", "fallback", "succeeded"): 3,
        }
        assert Counter(one.attempts for one in await street.rows(app, calls)) == {1: 7, 2: 3}
        await street.books_balance(app)


@every_dialect
@pytest.mark.parametrize(
    ("fault", "state", "answered"),
    [
        (BatchExpires(ran=3), "expired", 3),
        (BatchFails(), "failed", 0),
        (MissingLines((1, 2)), "done", 8),
    ],
    ids=["expires", "fails", "leaves out"],
)
async def test_what_a_batch_does_not_answer_goes_on_live(*, street, finished, fault, state, answered):
    """However it ends, and whether or not it accounts for everything."""
    if street.dialect == "anthropic" and state == "failed":
        state = "done"  # there, each request has failed by itself
    street.server.batches.add(fault)
    app = street.app(**TEN)
    async with app.running():
        batch = await carried_out(street, app, finished)
        assert batch.counts == {RunStatus.SUCCEEDED: 10}
        assert await statuses(street, app, provider_batches) == {state: 1}
        assert await ways(street, app) == {
            key: count
            for key, count in {
                ("provider-batch", "first", "succeeded"): answered,
                ("provider-batch", "first", "failed"): 10 - answered,
                ("live", "fallback", "succeeded"): 10 - answered,
            }.items()
            if count
        }
        assert (await street.reserved(app))[1] == 0


async def test_a_provider_that_takes_no_batches_is_asked_live(street, finished):
    """What is refused for good is not tried again."""
    street.server.batches.on("create", sim.BadRequest())
    app = street.app(**TEN)
    async with app.running():
        batch = await carried_out(street, app, finished)
        assert batch.counts == {RunStatus.SUCCEEDED: 10}
        assert await statuses(street, app, provider_batches) == {"failed": 1}
        assert (street.server.billed, street.server.billed_in_batches) == (10, 0)
        await street.books_balance(app)


@pytest.mark.parametrize(
    ("dialect", "call", "fault"),
    [
        ("openai", "create", sim.ServerError()),
        ("openai", "create", sim.EmptyBody()),
        ("openai", "create", sim.ResetConnection(when="during")),
        ("openai", "upload", sim.RateLimited(retry_after_seconds=0.01)),
        ("openai", "get", sim.ServerError()),
        ("openai", "results", sim.ResetConnection(when="during")),
        ("anthropic", "create", sim.ResetConnection(when="during")),
        ("anthropic", "results", sim.ResetConnection(when="during")),
        ("google", "create", sim.ResetConnection(when="during")),
        ("google", "create", sim.RateLimited(retry_after_seconds=0.01)),
        ("google", "get", sim.ResetConnection(when="during")),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_a_call_of_the_batch_api_that_fails_is_made_up_for(street, finished, call, fault):
    """Also one whose effect is not known: the batch is found, and never submitted twice."""
    street.server.batches.on(call, fault)
    app = street.app(**TEN)
    async with app.running():
        batch = await carried_out(street, app, finished)
        assert batch.counts == {RunStatus.SUCCEEDED: 10}
        assert len(street.server.batches.submitted) == 1
        assert (street.server.billed, street.server.billed_in_batches) == (10, 10)
        await street.books_balance(app)


async def test_a_cancelled_run_leaves_nothing_behind(street, until):
    """What waited for it is withdrawn; what was submitted for it is cancelled at the provider."""
    street.server.batches.hold = "in_progress"
    app = street.app(**{**TEN, "provider_batch.max_requests": 3})
    async with app.running():
        batch_id = await app.batches.load("answer", street.file(5), lane="provider-batch")

        async def waits():
            batch = await app.batches.get(batch_id)
            at_provider = (batch.collected, batch.at_provider) == (2, 3)
            return at_provider and batch.counts == {RunStatus.WAITING: 5}

        await until(waits)
        for run in await app.runs.find(Filter(batch_id=batch_id)):
            await app.runs.cancel(run.id)

        async def gone():
            return await statuses(street, app, batch_requests) == {"withdrawn": 2, "late": 3} and (
                await statuses(street, app, provider_batches) == {"cancelled": 1}
            )

        await until(gone)
        assert street.server.billed == 0
        await street.books_balance(app)


async def test_children_go_by_the_lane_of_their_parent(street, finished):
    """A run that is started by another one waits as that one does."""
    app = street.app(**BUDGET)
    async with app.running():
        batch = await carried_out(street, app, finished, count=2, workflow="above")
        assert batch.counts == {RunStatus.SUCCEEDED: 2}
        assert {one.lane for one in await street.rows(app, runs)} == {"provider-batch"}
        assert await ways(street, app) == {("provider-batch", "first", "succeeded"): 2}


async def test_a_run_may_wait_more_than_once(street, finished):
    """Each of its calls goes through a batch."""
    app = street.app(**BUDGET)
    async with app.running():
        batch = await carried_out(street, app, finished, count=2, workflow="again")
        assert batch.counts == {RunStatus.SUCCEEDED: 2}
        assert await ways(street, app) == {("provider-batch", "first", "succeeded"): 4}


async def test_a_parallel_branch_is_asked_live(street, finished):
    """It cannot wait."""
    app = street.app(**BUDGET)
    async with app.running():
        batch = await carried_out(street, app, finished, count=2, workflow="side_by_side")
        assert batch.counts == {RunStatus.SUCCEEDED: 2}
        assert await ways(street, app) == {("live", "first", "succeeded"): 4}
        assert {one.lane for one in await street.rows(app, calls)} == {"live"}


async def test_no_more_is_collected_than_a_budget_has_room_for_at_the_price_of_a_batch(
    street, finished, until
):
    """A batch may cost half: three fit where one would live; of what finds no room, nothing is sent."""
    probe = street.app(**{**TEN, "provider_batch.max_requests": 2})
    async with probe.running():
        await probe.batches.load("answer", street.file(1), lane="provider-batch")

        async def is_collected():
            collected = await statuses(street, probe, batch_requests) == {"waiting": 1}
            return collected and await statuses(street, probe, runs) == {"waiting": 1}

        await until(is_collected)
        _, most = await street.reserved(probe)
        (run,) = await probe.runs.find(Filter())
        await probe.runs.cancel(run.id)
    room = (most * 3 + most // 2) / 1_000_000
    tight = {"budgets.tight": {"scope": "environment", "per_day_usd": f"{room:f}"}}
    street.server.batches.hold = "in_progress"  # what has no room is refused before anything is given back
    app = street.app(**{**TEN, **tight, "provider_batch.max_requests": 3})
    async with app.running():
        batch_id = await app.batches.load("answer", street.file(10), lane="provider-batch")

        async def seven_are_refused():
            batch = await app.batches.get(batch_id)
            return batch.counts.get(RunStatus.DEAD) == 7 and batch.at_provider == 3

        await until(seven_are_refused)
        street.server.batches.finish()
        batch = await finished(app, batch_id)
        assert batch.counts == {RunStatus.SUCCEEDED: 3, RunStatus.DEAD: 7}
        assert street.server.billed_in_batches == street.server.billed == 3
        failed = await app.runs.find(Filter(batch_id=batch.id, status=(RunStatus.DEAD,)))
        assert {run.error_kind for run in failed} == {"budget_spent"}


async def test_a_full_lane_is_passed_by(street, finished, until):
    """What is more than `max_waiting` is asked live at once."""
    street.server.batches.hold = "in_progress"
    app = street.app(**{**BUDGET, "provider_batch.max_waiting": 1})
    async with app.running():
        first = await app.batches.load("answer", street.file(1), lane="provider-batch")

        async def is_there():
            return (await app.batches.get(first)).at_provider == 1

        await until(is_there)
        second = await carried_out(street, app, finished, count=3)
        assert second.counts == {RunStatus.SUCCEEDED: 3}
        assert street.server.billed_in_batches == 0
        street.server.batches.finish()
        assert (await finished(app, first)).counts == {RunStatus.SUCCEEDED: 1}
