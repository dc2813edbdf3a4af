"""Processes killed around decisions, and while items wait: asked once, decided once, acted on once."""

import asyncio

import sqlalchemy as sa

from roadworthy.db.tables.review import decisions, review_items
from roadworthy.review import Reviewer

ASKING = [f"decide judge:{phase}" for phase in ("before", "stored", "checkpointed")]
TAKING = [f"decide judge by a person:{phase}" for phase in ("before", "stored", "checkpointed")]
ACTING = [f"act:{phase}" for phase in ("before", "body", "stored", "checkpointed")]
ANN = Reviewer("p-1", "Ann", frozenset({"reviewer"}))


async def test_a_decision_survives_a_kill_at_every_point_around_it(lab, desk):
    """Whether the worker dies before, while or after people decide: one item, one record, one act."""
    points = ["waiting", *ASKING, *TAKING, *ACTING]
    async with desk.app.running(work=False):
        runs = {
            point: await desk.app.runs.start("decided", {"ticket": "t-1"}, tags=[f"stop:{point}"])
            for point in points
        }
        first = lab.worker(gates="closed")
        await _decide(desk.app, [runs[point].id for point in (*TAKING, *ACTING)])
        await lab.until(lambda: lab.markers == {*ASKING, *TAKING, *ACTING})
        lab.kill(first)
        await _decide(desk.app, [runs["waiting"].id])

        lab.worker()
        await _decide(desk.app, [runs[point].id for point in ASKING])
        results = await asyncio.gather(*(run.result(timeout_seconds=60) for run in runs.values()))
        asked, made = await desk.app.database.read(_count)

    assert results == ["sent judged t-1"] * len(runs)
    assert asked == made == {run.id: 1 for run in runs.values()}
    assert len(list((lab.folder / "outbox").iterdir())) == len(runs)
    assert lab.entries("refused.jsonl") == []


async def _decide(app, run_ids):
    """Approve what these runs wait for, as soon as they do."""
    left = set(run_ids)
    async with asyncio.timeout(60):
        while left:
            for item in await app.reviews.open_items():
                if item.run_id in left:
                    await app.reviews.decide(item.id, "approve", by=ANN)
                    left.discard(item.run_id)
            await asyncio.sleep(0.05)


def _count(tx):
    """How many items and how many decisions each run has."""
    tables = (review_items, decisions)
    queries = [sa.select(one.c.run_id, sa.func.count()).group_by(one.c.run_id) for one in tables]
    return [{run_id: count for run_id, count in tx.execute(query)} for query in queries]  # noqa: C416
