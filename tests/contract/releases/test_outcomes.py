"""What became of each arm: figures by hand, intervals by simulation, and users who are missing."""

import itertools
import random

import pytest
import sqlalchemy as sa

from roadworthy.audit import Action, Audit, Keyring
from roadworthy.dashboard.queries import splits
from roadworthy.db import Database
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.feedback import feedback
from roadworthy.db.tables.releases import exposures
from roadworthy.db.tables.review import decisions
from roadworthy.monitoring import arms as arms_module
from roadworthy.monitoring import outcomes
from roadworthy.records import RandomIds, SystemClock
from roadworthy.releases import SLOTS, Arm, Exposure, Releases, exposure

SUBJECT = "prompt:reply"
CALL = {
    "environment": "test",
    "prompt_id": "reply",
    "prompt_version": "reply@v1",
    "prompt_hash": "0",
    "route": "default",
    "status": "succeeded",
    "started_at": 1_000_000,
}
DECISION = {
    "run_id": "run_1",
    "step_id": "step_1",
    "environment": "test",
    "workflow": "w",
    "prompt_version": "reply@v1",
    "prompt_hash": "0",
    "by": "rule",
    "name": "band",
    "value_hash": "0",
    "created_at": 0,
}


class Desk:
    """A database with a split, and ways to put calls into it by hand."""

    def __init__(self, url):
        self.database = Database(url)
        clock = SystemClock()
        ids = RandomIds(clock)
        audit = Audit(
            self.database,
            clock,
            ids,
            "test",
            keyring=lambda: Keyring.of(None, ()),
            scrub=str,
            seal_after_seconds=60,
        )
        self.releases = Releases(self.database, clock, ids, "test", audit=audit)
        self.numbers = itertools.count()

    async def split(self, **percent):
        """Share between arms."""
        default = [Arm(next(iter(percent)), "h")]
        self.change = await self.releases.split(
            SUBJECT, {(name, "h"): share * SLOTS // 100 for name, share in percent.items()}, default=default
        )

    def call(self, tx, arm, key, *, ms=1_000, decided=None, rating=None, scale="thumbs", **values):
        """One call of a key that met an arm."""
        number = next(self.numbers)
        call_id = f"call_{number:08}"
        values = {**CALL, **values, "id": call_id, "finished_at": CALL["started_at"] + ms}
        tx.execute(sa.insert(calls).values(values))
        met = Exposure("test", SUBJECT, self.change.revision, self.change.salt, arm, key)
        exposure.add(tx, [met], CALL["started_at"], call_id=call_id, run_id=None)
        if decided is not None:
            row = {**DECISION, "id": f"decision_{number}", "call_id": call_id, "verdict": decided}
            tx.execute(sa.insert(decisions).values(row))
        if rating is not None:
            row = {"id": f"feedback_{number}", "environment": "test", "call_id": call_id, "created_at": 0}
            tx.execute(sa.insert(feedback).values({**row, "scale": scale, "rating": rating}))

    async def put(self, rows):
        """Many at once: `(arm, key, options)`."""
        await self.database.write(lambda tx: [self.call(tx, arm, key, **more) for arm, key, more in rows])

    async def outcomes(self):
        """What they come to."""
        return await self.database.read(lambda tx: outcomes(tx, "test", SUBJECT))


@pytest.fixture
async def desk(fresh_database_url):
    """A desk on each kind of database."""
    made = Desk(fresh_database_url)
    yield made
    await made.releases.close()
    made.database.close()


async def test_figures_are_those_that_one_counts_by_hand(desk) -> None:
    """Calls, keys, shares, means and percentiles of two arms."""
    await desk.split(v1=50, v2=50)
    await desk.put(
        [
            ("v1", "a", {"decided": "approved", "cost_micro_usd": 1_000, "rating": 1}),
            ("v1", "a", {"decided": "edited", "cost_micro_usd": 3_000, "ms": 3_000}),
            ("v1", "b", {"status": "failed", "degraded": True}),
            ("v2", "c", {"decided": "rejected", "cost_micro_usd": 500, "rating": 5, "scale": "stars"}),
            ("v2", "d", {"rating": 2, "scale": "stars"}),
        ]
    )
    found = await desk.outcomes()
    first, second = found.arms
    assert (first.name, first.keys, first.calls, first.share) == ("v1", 2, 3, 0.5)
    assert (second.name, second.keys, second.calls) == ("v2", 2, 2)
    values = {name: rate.value for name, rate in first.rates.items()}
    assert values == pytest.approx(
        {
            "failed": 1 / 3,
            "degraded": 1 / 3,
            "approved": 0.5,
            "edited": 0.5,
            "rejected": 0.0,
            "reviewed": 0.0,
            "latency_seconds": 2.0,
            "cost_usd": 0.004 / 3,
            "feedback": 1.0,
        }
    )
    assert second.rates["feedback"].value == pytest.approx((1.0 + 0.25) / 2)
    assert second.rates["rejected"].value == 1.0
    assert first.latency.seconds_at(0.95) == pytest.approx(3.0, rel=0.1)
    value, interval = found.difference(second, "failed")
    assert value == pytest.approx(-1 / 3)
    assert interval.low < value < interval.high
    assert found.difference(second, "rejected") is None  # one key has no variance
    assert not found.mismatched


async def test_a_page_adds_up_a_large_split_only_when_asked(desk, monkeypatch) -> None:
    """A small one at once; where there never was one, there is nothing to ask for."""
    monkeypatch.setattr(splits, "_AT_ONCE", 2)

    async def shown(asked: bool):
        return await desk.database.read(lambda tx: splits.split_of(tx, "test", SUBJECT, asked=asked))

    assert await shown(True) is None
    await desk.split(v1=50, v2=50)
    await desk.put([("v1", "a", {}), ("v2", "b", {})])
    assert (await shown(False)).outcomes.arms[0].calls == 1
    await desk.put([("v2", "c", {})])
    assert (await shown(False)).outcomes is None
    assert (await shown(True)).outcomes.arms[1].calls == 2


async def test_the_variance_is_that_of_a_ratio_over_keys(desk) -> None:
    """The same as when the sums are made key by key in Python."""
    await desk.split(v1=50, v2=50)
    draw = random.Random(3)
    rows, per_key = [], {}
    for key in range(40):
        for _ in range(draw.randint(1, 6)):
            cost = draw.randint(100, 9_000)
            rows.append(("v1", f"k{key}", {"cost_micro_usd": cost}))
            per_key.setdefault(key, []).append(cost / 1e6)
    await desk.put(rows)
    rate = (await desk.outcomes()).arms[0].rates["cost_usd"]
    total, number = sum(map(len, per_key.values())), len(per_key)
    value = sum(map(sum, per_key.values())) / total
    squares = sum((sum(its) - value * len(its)) ** 2 for its in per_key.values())
    assert rate.value == pytest.approx(value)
    assert rate.variance == pytest.approx(squares * number / (number - 1) / total**2)


def test_intervals_cover_the_truth_also_where_users_differ() -> None:
    """Of 1,000 splits whose users fail at their own rates, at least 93% of the intervals hold the truth."""
    draw, covered, tries = random.Random(11), 0, 1_000
    for _ in range(tries):
        rates = [
            arms_module._rate(_clustered(draw, 0.10), share=True),
            arms_module._rate(_clustered(draw, 0.06), share=True),
        ]
        half = 1.96 * (rates[0].variance + rates[1].variance) ** 0.5
        covered += abs(rates[1].value - rates[0].value + 0.04) <= half
    assert covered / tries >= 0.93


def test_intervals_of_rare_failures_do_not_vanish() -> None:
    """No failure in 50 calls of each arm is no proof that there is none."""
    sums = arms_module._Sums(50, 50.0, 0.0, 50.0, 0.0, 0.0)
    rate = arms_module._rate(sums, share=True)
    assert rate.value == 0.0
    assert rate.variance > 0


def _clustered(draw, mean):
    """200 keys, each with its own rate of failures and its own number of calls."""
    sums = [0.0] * 5
    for _ in range(200):
        rate, size = draw.betavariate(mean * 5, (1 - mean) * 5), draw.randint(1, 8)
        failed = sum(draw.random() < rate for _ in range(size))
        for place, one in enumerate((size, failed, size * size, failed * failed, failed * size)):
            sums[place] += one
    return arms_module._Sums(200, *sums)


async def test_users_who_are_missing_are_told(desk) -> None:
    """Where one arm loses a third of its users, nothing can be concluded."""
    await desk.split(v1=50, v2=50)
    await desk.put([("v1", f"a{n}", {}) for n in range(300)] + [("v2", f"b{n}", {}) for n in range(200)])
    found = await desk.outcomes()
    assert found.mismatched
    assert found.mismatch_p < 0.001


async def test_shares_that_moved_are_no_mismatch(desk) -> None:
    """Each user counts where they were first met, against the shares of that time."""
    await desk.split(v1=90, v2=10)
    await desk.put([("v1" if n % 10 else "v2", f"a{n}", {}) for n in range(500)])
    await desk.split(v1=50, v2=50)
    await desk.put([("v1" if n % 2 else "v2", f"b{n}", {}) for n in range(500)])
    await desk.put([("v2" if n % 2 else "v1", f"a{n}", {}) for n in range(400)])
    found = await desk.outcomes()
    assert found.mismatch_p > 0.5
    assert {arm.name: arm.share for arm in found.arms} == {"v1": 0.5, "v2": 0.5}


async def test_a_new_split_begins_with_nothing(desk) -> None:
    """What an earlier split of the same arms came to is not mixed in."""
    await desk.split(v1=50, v2=50)
    await desk.put([("v1", "a", {})])
    await desk.releases.promote(SUBJECT, Arm("v1", "h"), Action.PROMPT_PROMOTED)
    await desk.split(v1=50, v2=50)
    assert [arm.calls for arm in (await desk.outcomes()).arms] == [0, 0]


async def test_nothing_was_split(desk) -> None:
    """There are no outcomes before the first split."""
    assert await desk.outcomes() is None


async def test_old_exposures_are_deleted(desk) -> None:
    """With the calls that they belong to."""
    await desk.split(v1=50, v2=50)
    await desk.put([("v1", f"a{n}", {}) for n in range(7)])
    assert await desk.database.write(lambda tx: exposure.delete(tx, CALL["started_at"] + 1, 5)) == 5
    assert await desk.database.write(lambda tx: exposure.delete(tx, CALL["started_at"] + 1, 5)) == 2
    left = await desk.database.read(
        lambda tx: tx.execute(sa.select(sa.func.count()).select_from(exposures)).scalar()
    )
    assert left == 0
