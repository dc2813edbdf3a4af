"""Hours that are added up come to what their calls come to, whatever happens to these; on both databases."""

import asyncio
import itertools
import random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.budgets import Reservation
from roadworthy.calls import hours, lost, store
from roadworthy.db import Database
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.rollups import call_hours, call_keys, changed_hours, rolled_up
from roadworthy.monitoring import Dimension, Filter, Query, RollUps, costs, latencies
from roadworthy.monitoring.grouping import Only
from roadworthy.monitoring.history import histories
from roadworthy.testing import FakeClock
from roadworthy.workflows.retention import _delete_calls

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_793_577_600_000  # 2026-11-02, a Monday
NOW_MS = START_MS + 40 * HOUR_MS
ZONES = ["UTC", "Asia/Kathmandu", "Asia/Kolkata", "America/St_Johns", "Europe/Berlin", "Pacific/Chatham"]
COLUMNS = [one for one in Dimension if one not in (Dimension.RUN, Dimension.USER)]


@pytest.fixture
def clock():
    """It is 16:00 on the second day."""
    return FakeClock(NOW_MS)


@pytest.fixture
def rollups(ledger, clock):
    """What looks after the ledger's database."""
    return RollUps(ledger.database, clock)


@pytest.fixture
def same(ledger, from_calls):
    """That a query gives the same from hours as from calls; what it gives."""

    def check(query: Query):
        def read(tx):
            return costs(tx, query), latencies(tx, query)

        found = ledger.database.read_now(read)
        assert found == from_calls(ledger.database, read)
        return found[0]

    return check


def query(*by, since_ms=START_MS, until_ms=NOW_MS + 1, timezone="UTC", **where) -> Query:
    """A question about these two days."""
    return Query(since_ms, until_ms, tuple(map(Dimension, by)), Filter(**where), timezone)


def rows(ledger, table: sa.Table) -> int:
    """How many rows a table has."""
    return ledger.database.read_now(
        lambda tx: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    )


def late(ledger, at_ms: int, *attempts, now_ms: int = NOW_MS, **values) -> None:
    """A call of an earlier hour that is stored only now, as the pipeline stores it."""
    ledger.call(*attempts, at_ms=at_ms, **values)
    ledger.store()
    ledger.database.write_now(lambda tx: hours.changed(tx, at_ms, now_ms))


def someday(draw: random.Random, ledger, environment: str, at_ms: int) -> None:
    """A call of any kind."""
    tried = [
        {
            "model": draw.choice(["small", "big"]),
            "status": draw.choice(["succeeded", "failed", "lost"]),
            "cost_micro_usd": draw.choice([0, 7, 1_000, 2**50]),
            "saved_micro_usd": draw.choice([0, 0, -3, 40]),
            "lane": draw.choice(["live", "provider-batch"]),
            "cost_source": draw.choice(["settings", "free", "unknown", "estimate of settings", ""]),
        }
        for _ in range(draw.choice([0, 1, 1, 1, 2, 3]))
    ]
    answered = draw.choice([{}, {}, {"rung": "cache"}, {"rung": "rule", "rule": "f"}, {"rung": None}])
    ledger.call(
        *tried,
        at_ms=at_ms,
        environment=environment,
        workflow=draw.choice(["", "a", "b"]),
        step=draw.choice(["", "s"]),
        tenant=draw.choice(["", "é/ü", "t"]),
        user_id=draw.choice(["", "ann"]),
        run_id=draw.choice([None, "r1", "r2"]),
        task=draw.choice(["", "x"]),
        prompt_id=draw.choice(["p", "q"]),
        prompt_version=draw.choice(["p@v1", "p@v2"]),
        lane=draw.choice(["live", "provider-batch"]),
        status=draw.choice(["succeeded", "succeeded", "failed", "running"]),
        degraded=draw.choice([False, True]),
        saved_micro_usd=draw.choice([0, 500]),
        finished_at=draw.choice([None, at_ms, at_ms - 5, at_ms + draw.randrange(10**7)]),
        **answered,
    )


ENVIRONMENTS = itertools.count()


@given(
    seed=st.integers(0, 2**32),
    by=st.lists(st.sampled_from(list(Dimension)), max_size=3, unique=True),
    since_ms=st.integers(START_MS - HOUR_MS, START_MS + DAY_MS),
    lasts_ms=st.sampled_from([1, HOUR_MS // 2, HOUR_MS, 5 * HOUR_MS + 1, DAY_MS, 2 * DAY_MS]),
    on_the_hour=st.booleans(),
    timezone=st.sampled_from(ZONES),
    where=st.sampled_from([{}, {"workflow": "a"}, {"tenant": "é/ü"}, {"prompt": "p"}, {"prompt": "p@v2"}]),
    model=st.sampled_from([None, None, "small", "big"]),
)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_report_is_the_same_from_hours_and_from_calls(
    ledger, rollups, same, seed, by, since_ms, lasts_ms, on_the_hour, timezone, where, model
):
    """However it is grouped, filtered and cut, before and after calls of earlier hours are written."""
    draw, environment = random.Random(seed), f"e{next(ENVIRONMENTS)}"
    since_ms = since_ms - since_ms % HOUR_MS if on_the_hour else since_ms
    asked = Query(
        since_ms,
        since_ms + lasts_ms,
        tuple(by),
        Filter(environment=environment, model=model, **where),
        timezone,
    )
    for phase in range(3):
        for _ in range(draw.choice([0, 4, 12])):
            edge = START_MS + draw.randrange(40) * HOUR_MS
            at_ms = draw.choice([edge, edge - 1, edge + HOUR_MS // 2, edge + draw.randrange(HOUR_MS)])
            someday(draw, ledger, environment, at_ms)
            ledger.store()
            ledger.database.write_now(lambda tx, at_ms=at_ms: hours.changed(tx, at_ms, NOW_MS))
        same(asked)
        if phase != 1:
            assert asyncio.run(rollups.keep_up(60))
            same(asked)


@pytest.mark.parametrize("by", [("run",), ("user",), ("tenant", "run"), ("user", "run", "rung")])
def test_the_first_rows_alone_are_those_of_the_whole_report(ledger, rollups, by):
    """Of runs and users there may be very many; the others come to what is left of the total."""
    draw = random.Random(2)
    for _ in range(60):
        someday(draw, ledger, "production", START_MS + draw.randrange(39 * HOUR_MS))
    for tenant in ("", "t"):
        ledger.run(status="skipped", skip_reason="spam", tenant=tenant)
        ledger.run({"cost_micro_usd": 3}, tenant=tenant)
    ledger.store()
    asked = query(*by)
    for swept in (0, 6):
        assert asyncio.run(rollups.keep_up(60))
        ledger.database.write_now(lambda tx, hour=swept: _delete_calls(tx, START_MS + hour * HOUR_MS))
        whole = ledger.database.read_now(lambda tx: costs(tx, asked))
        for most in (1, 2, 3, 100):
            some = ledger.database.read_now(lambda tx, most=most: costs(tx, asked, most))
            assert some.rows == whole.rows[:most]
            assert some.first(most) == whole.first(most)
            assert (some.total, some.early_exits) == (whole.total, whole.early_exits)


def test_the_report_reads_hours_where_it_can(ledger, rollups):
    """What is asked by run or user is read from calls, and everything else from the hours."""
    ledger.call({"cost_micro_usd": 5})
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    ledger.database.write_now(
        lambda tx: tx.execute(sa.update(call_hours).values(call_cost_micro_usd=6)) and None
    )
    found = {
        one: ledger.database.read_now(lambda tx, one=one: costs(tx, query(one))).total.cost_micro_usd
        for one in ("tenant", "day", "run", "user")
    }
    assert found == {"tenant": 6, "day": 6, "run": 5, "user": 5}


@pytest.mark.parametrize("timezone", ZONES)
def test_days_begin_where_they_begin_also_within_an_hour(ledger, rollups, same, timezone):
    """A call each 15 minutes: each is on the day of the wall clock."""
    for quarter in range(40 * 4):
        ledger.call({"cost_micro_usd": 1}, at_ms=START_MS + quarter * HOUR_MS // 4)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    report = same(query("day", timezone=timezone))
    assert report.total.cost_micro_usd == 160
    assert len(report.rows) == len({row.key for row in report.rows}) in (2, 3)


def test_an_hour_is_added_up_once_it_is_closed(ledger, rollups, clock):
    """15 minutes after its end, not before; empty hours need nothing."""
    clock.set(START_MS + HOUR_MS + hours.CLOSED_MS - 1)
    ledger.call({}, at_ms=START_MS)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    assert rows(ledger, call_hours) == 0
    clock.advance(0.001)
    assert asyncio.run(rollups.keep_up())
    assert (rows(ledger, call_hours), rows(ledger, call_keys)) == (1, 1)
    clock.advance(300 * 86_400)
    assert asyncio.run(rollups.keep_up())
    assert rows(ledger, call_hours) == 1


def test_a_call_of_the_present_hour_leaves_no_mark(ledger):
    """Nor does one that ends a little after its hour: the hot path writes nothing more."""
    for now_ms in (START_MS, START_MS + HOUR_MS, START_MS + HOUR_MS + 299_999):
        ledger.database.write_now(lambda tx, now_ms=now_ms: hours.changed(tx, START_MS + 5, now_ms))
    assert rows(ledger, changed_hours) == 0
    ledger.database.write_now(lambda tx: hours.changed(tx, START_MS + 5, START_MS + HOUR_MS + 300_000))
    assert rows(ledger, changed_hours) == 1


def test_what_comes_late_is_counted_at_once_and_added_up_again(ledger, rollups, same):
    """A call of an hour that was added up: first read from the calls, then from the hour."""
    ledger.call({"cost_micro_usd": 1}, at_ms=START_MS)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    late(ledger, START_MS + 5, {"cost_micro_usd": 10})
    assert same(query()).total.cost_micro_usd == 11
    assert asyncio.run(rollups.keep_up())
    assert rows(ledger, changed_hours) == 0
    assert same(query()).total.cost_micro_usd == 11


def test_a_request_whose_process_died_is_counted_in_the_hour_of_its_call(ledger, rollups, same):
    """Hours later its reservation expires, and what was set aside becomes what it cost."""
    call_id = ledger.call(at_ms=START_MS, status="running", attempts=0, deadline_at=START_MS + 60_000)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    about = dict.fromkeys(lost._OF_CALL, "") | {"id": call_id, "started_at": START_MS}
    about |= {"run_id": None, "step_id": None, "step_attempt": None}
    about |= {"reason": "first", "provider": "openai", "environment": "production"}
    held = Reservation("h", call_id, 1, "small", (), 900, 50, {"call": about}, START_MS, START_MS + 1)
    ledger.database.write_now(lambda tx: lost.record(tx, held, NOW_MS))
    total = same(query("model")).total
    assert (total.cost_micro_usd, total.attempts, total.assumed) == (900, 1, 1)
    assert asyncio.run(rollups.keep_up())
    assert same(query("model")).total == total


def test_a_call_that_is_closed_because_its_process_died_marks_its_hour(ledger, rollups, same):
    """Nothing that is written to a call goes by unseen."""
    ledger.call(at_ms=START_MS, status="running", deadline_at=START_MS + 60_000)
    ledger.call(at_ms=START_MS + HOUR_MS, status="running", deadline_at=START_MS + 60_000)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    ledger.database.write_now(lambda tx: store.close_overdue(tx, NOW_MS))
    assert rows(ledger, changed_hours) == 2
    assert same(query("model")).total.calls == 2


def test_totals_that_are_made_anew_mark_the_hour_of_their_call(ledger, rollups, same):
    """As when a batch brings an answer hours later, and nobody takes it."""
    call_id = ledger.call({"cost_micro_usd": 40}, at_ms=START_MS, cost_micro_usd=0)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    ledger.database.write_now(lambda tx: store.add_up(tx, call_id, NOW_MS))
    assert rows(ledger, changed_hours) == 1
    assert same(query()).total.cost_micro_usd == 40


def test_expectations_are_the_same_from_hours_and_from_calls(ledger, rollups, from_calls):
    """Of all, of each subject of a budget, and of one model; by days that begin within an hour."""
    draw = random.Random(7)
    for _ in range(150):
        someday(draw, ledger, "production", START_MS + draw.randrange(39 * HOUR_MS))
    ledger.store()
    asked = [
        ((), None, None),
        ((Dimension.TENANT,), Only(("tenant",), (("é/ü",), ("t",))), None),
        ((Dimension.PROMPT,), Only(("prompt_id",), (("p",),)), None),
        ((Dimension.TENANT, Dimension.USER), Only(("tenant", "user_id"), (("t", "ann"),)), None),
        ((), None, "big"),
    ]

    def read(tx):
        return [
            histories(tx, Filter("production", model=model), zone, NOW_MS, by=by, only=only)
            for by, only, model in asked
            for zone in ("UTC", "Asia/Kathmandu")
        ]

    before = ledger.database.read_now(read)
    assert asyncio.run(rollups.keep_up(60))
    assert ledger.database.read_now(read) == before == from_calls(ledger.database, read)
    assert all(before)


def test_a_percentile_is_close_to_the_call_of_its_rank(ledger, rollups, same):
    """Within 9.1%, also for fractions of the hour; calls without an answer took no time to it."""
    draw = random.Random(3)
    took = sorted(int(10 ** draw.uniform(0, 7)) for _ in range(200))
    for milliseconds in took:
        at_ms = START_MS + draw.randrange(30 * HOUR_MS)
        ledger.call({}, at_ms=at_ms, finished_at=at_ms + milliseconds)
    ledger.call({"status": "failed"}, status="failed", finished_at=START_MS + 1)
    ledger.store()
    assert asyncio.run(rollups.keep_up(60))
    same(query("model"))
    (found,) = ledger.database.read_now(lambda tx: latencies(tx, query("model"))).values()
    assert found.calls == 200
    for share, rank in ((0.5, 100), (0.95, 190), (0.99, 198), (1.0, 200), (0.0, 1)):
        assert found.seconds_at(share) == pytest.approx(took[rank - 1] / 1000, rel=0.0906)


def test_what_is_deleted_stays_in_the_hours(ledger, rollups):
    """Whole hours, once they are added up; users and runs of then are nobody's, so that rows add up."""
    for hour in range(10):
        ledger.call({"cost_micro_usd": 1}, at_ms=START_MS + hour * HOUR_MS + 1_800_000, user_id="ann")
    ledger.store()
    asked = [query(*by, timezone="Asia/Kathmandu") for by in ((), ("model", "day"), ("tenant",), ("user",))]

    def read(tx):
        return [costs(tx, one).total for one in asked]

    def delete(tx):
        return _delete_calls(tx, START_MS + 5 * HOUR_MS + 1)

    before = ledger.database.read_now(read)
    assert ledger.database.write_now(delete) == 0
    assert asyncio.run(rollups.keep_up())
    assert ledger.database.write_now(delete) == 5
    assert (rows(ledger, calls), rows(ledger, call_attempts)) == (5, 5)
    assert ledger.database.read_now(read) == before
    assert ledger.figures("user", "calls", until_ms=NOW_MS) == {"": 5, "ann": 5}
    assert asyncio.run(rollups.keep_up())
    assert ledger.database.write_now(delete) == 0


def test_every_deleted_hour_is_in_one_of_two_reports_that_meet_within_it(ledger, rollups):
    """It counts where it begins: nothing is lost and nothing counts twice."""
    for hour in range(4):
        ledger.call({"cost_micro_usd": 10**hour}, at_ms=START_MS + hour * HOUR_MS + 1_800_000)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    ledger.database.write_now(lambda tx: _delete_calls(tx, START_MS + 2 * HOUR_MS))
    cuts = [START_MS + minutes * 60_000 for minutes in (0, 5, 61, 90, 119, 121, 155, 300)]
    found = [
        ledger.database.read_now(lambda tx, a=a, b=b: costs(tx, Query(a, b))).total.cost_micro_usd
        for a, b in itertools.pairwise(cuts)
    ]
    assert found == [1, 10, 0, 0, 0, 100, 1_000]


def test_an_hour_that_has_changed_is_added_up_before_its_calls_are_deleted(ledger, rollups):
    """Deleting stops before it; what comes for an hour whose calls are gone changes nothing."""
    for hour in range(3):
        ledger.call({"cost_micro_usd": 1}, at_ms=START_MS + hour * HOUR_MS)
    ledger.store()
    assert asyncio.run(rollups.keep_up())
    late(ledger, START_MS + HOUR_MS, {"cost_micro_usd": 10})
    assert ledger.database.write_now(lambda tx: _delete_calls(tx, NOW_MS)) == 1
    assert asyncio.run(rollups.keep_up())
    assert ledger.database.write_now(lambda tx: _delete_calls(tx, NOW_MS)) == 3
    late(ledger, START_MS + HOUR_MS, {"cost_micro_usd": 100})
    assert ledger.costs(until_ms=NOW_MS).total.cost_micro_usd == 13
    assert asyncio.run(rollups.keep_up())
    assert rows(ledger, changed_hours) == 0
    assert ledger.costs(until_ms=NOW_MS).total.cost_micro_usd == 13


def test_a_report_is_of_one_moment(ledger, rollups):
    """While it is made, its hours are added up and their calls deleted: it says what it would have said."""
    ledger.call({"cost_micro_usd": 5}, at_ms=START_MS)
    ledger.store()
    done = []

    def sweep(*statement) -> None:
        if not done and "FROM calls" in statement[2]:
            done.append(asyncio.run(rollups.keep_up()))
            assert ledger.database.write_now(lambda tx: _delete_calls(tx, NOW_MS)) == 1

    def read(tx):
        sa.event.listen(tx, "before_cursor_execute", sweep)
        return costs(tx, query()).total.cost_micro_usd

    assert ledger.database.read_now(read) == 5
    assert done == [True]
    assert ledger.costs(until_ms=NOW_MS).total.cost_micro_usd == 5


async def test_several_that_add_up_at_once_count_nothing_twice(ledger, clock, same):
    """Four programs, while calls of earlier hours are written all the time."""
    draw = random.Random(11)
    for _ in range(120):
        someday(draw, ledger, "production", START_MS + draw.randrange(30 * HOUR_MS))
    ledger.store()
    url = ledger.database.url.render_as_string(hide_password=False)
    several = [Database(url) for _ in range(4)]

    async def add_up(database: Database) -> None:
        for _ in range(6):
            await RollUps(database, clock).keep_up(0)

    def write() -> None:
        for number in range(30):
            late(ledger, START_MS + number * HOUR_MS // 2, {"cost_micro_usd": 3})

    try:
        await asyncio.gather(*map(add_up, several), asyncio.to_thread(write))
        assert await RollUps(several[0], clock).keep_up(60)
    finally:
        for one in several:
            await asyncio.to_thread(one.close)
    report = await asyncio.to_thread(same, query("model", "rung", "day"))
    assert report.total.calls == 150
    assert rows(ledger, changed_hours) == 0


def test_what_is_committed_while_an_hour_is_added_up_is_not_lost(fresh_postgres_url, clock, from_calls):
    """A write that nobody sees yet leaves its mark behind when it is committed."""
    database = Database(fresh_postgres_url)
    try:
        with database.engine.begin() as slow:
            values = {"environment": "production", "prompt_id": "p", "prompt_version": "p@v1"}
            values |= {"prompt_hash": "h", "route": "r", "status": "succeeded", "attempts": 0}
            slow.execute(sa.insert(calls).values(**values, id="c", cost_micro_usd=9, started_at=START_MS))
            hours.changed(slow, START_MS, NOW_MS)
            assert asyncio.run(RollUps(database, clock).keep_up())
            assert database.read_now(lambda tx: costs(tx, query())).total.calls == 0
        assert database.read_now(lambda tx: costs(tx, query())).total.cost_micro_usd == 9
        assert asyncio.run(RollUps(database, clock).keep_up())
        assert database.read_now(lambda tx: costs(tx, query())).total.cost_micro_usd == 9
        assert database.read_now(lambda tx: tx.execute(sa.select(rolled_up.c.rolled_until)).scalar_one()) > 0
    finally:
        database.close()
