"""States of the provider-batch lane: each change is made once, by whoever comes first."""

import pytest
import sqlalchemy as sa

from roadworthy.calls.lane import BatchStatus, LaneRequest, LaneStatus
from roadworthy.calls.lane.store import batches, requests
from roadworthy.db import Database
from roadworthy.db.tables.lanes import batch_requests, provider_batches
from roadworthy.models.provider_batch import BatchHandle

NOW = 1_000_000
HANDLE = BatchHandle("openai", "batch_1", {})


@pytest.fixture
def tx(sqlite_url: str):
    """A connection to an empty database."""
    database = Database(sqlite_url)
    with database.engine.begin() as connection:
        yield connection
    database.close()


def request(number: int, **fields):
    """A request that waits."""
    known = {"environment": "test", "model": "main", "run_id": f"run_{number}", "step_id": f"step_{number}"}
    times = {"made_at": NOW + number, "due_at": NOW + 10_000}
    return LaneRequest(f"lane_{number}", call_id=f"call_{number}", **{**known, **times, **fields})


def add(tx, count, **fields):
    """So many requests that wait."""
    for number in range(count):
        requests.add(tx, request(number, **fields))


def group(tx, batch_id="pbatch_1", *, most=10, now_ms=NOW):
    """Make a batch of what waits."""
    return batches.group(tx, batch_id, "test", "main", most=most, now_ms=now_ms)


def claim(tx, worker="one", *, now_ms=NOW, seconds=10):
    """Claim what is due."""
    return batches.claim(tx, "test", worker, now_ms, now_ms + seconds * 1000)


def statuses(tx):
    """The states of all requests, by id."""
    return list(tx.execute(sa.select(batch_requests.c.status).order_by(batch_requests.c.id)).scalars())


def test_a_batch_takes_the_oldest_and_no_more_than_it_may(tx):
    """The others wait for the next one, which has no more than is left."""
    add(tx, 5)
    assert requests.waiting(tx, "test") == [("main", 5, NOW)]
    assert group(tx, most=3) == 3
    assert statuses(tx) == ["submitted"] * 3 + ["waiting"] * 2
    assert group(tx, "pbatch_2", most=3) == 2
    assert group(tx, "pbatch_3", most=3) == 0
    assert tx.execute(sa.select(provider_batches.c.count)).scalars().all() == [3, 2]


def test_a_transaction_that_runs_twice_makes_one_batch(tx):
    """The second time it finds what the first one stored."""
    add(tx, 5)
    assert group(tx, most=3) == 3
    assert group(tx, most=3) == 3
    assert statuses(tx).count("waiting") == 2


def test_a_request_past_its_deadline_is_in_no_batch(tx):
    """It is there to be withdrawn."""
    add(tx, 1, due_at=NOW)
    assert group(tx) == 0
    assert requests.is_untidy(tx, "test", NOW)
    assert [one.id for one in requests.to_withdraw(tx, "test", NOW, 10)] == ["lane_0"]


def test_a_batch_belongs_to_one_worker_until_its_claim_is_over(tx):
    """Then another takes it, and the first one's words count no more."""
    add(tx, 1)
    group(tx)
    assert claim(tx).id == "pbatch_1"
    assert claim(tx, "two") is None
    assert batches.renew(tx, "pbatch_1", "one", NOW + 20_000)
    assert claim(tx, "two", now_ms=NOW + 15_000) is None
    taken = claim(tx, "two", now_ms=NOW + 20_000)
    assert taken.state is BatchStatus.SUBMITTING
    assert not batches.renew(tx, "pbatch_1", "one", NOW + 40_000)
    assert not batches.submitted(tx, "pbatch_1", "one", HANDLE, NOW, NOW)
    assert batches.submitted(tx, "pbatch_1", "two", HANDLE, NOW, NOW)
    assert batches.handle_of(tx, "pbatch_1") == HANDLE


def test_that_a_batch_was_tried_is_remembered_until_it_is_known_to_be_nowhere(tx):
    """The first time counts: older batches at the provider are not looked at."""
    add(tx, 1)
    group(tx)
    assert claim(tx).tried_at is None
    assert batches.trying(tx, "pbatch_1", "one", NOW + 1)
    assert batches.trying(tx, "pbatch_1", "one", NOW + 2)
    batches.look_again(tx, "pbatch_1", "one", NOW)
    assert claim(tx).tried_at == NOW + 1
    batches.not_sent(tx, "pbatch_1", "one")
    batches.look_again(tx, "pbatch_1", "one", NOW)
    assert claim(tx).tried_at is None


@pytest.mark.parametrize("status", [LaneStatus.ANSWERED, LaneStatus.FAILED])
def test_what_came_of_a_request_is_stored_once(tx, status):
    """A result that is read again changes nothing."""
    add(tx, 1)
    group(tx)
    assert requests.end(tx, "lane_0", status, b"said", None, NOW) is status
    assert requests.end(tx, "lane_0", status, b"again", None, NOW + 1) is None
    assert requests.get(tx, "lane_0").result == b"said"
    assert not requests.pending(tx, "lane_0")
    assert requests.requests_of(tx, "pbatch_1") == []


def test_a_late_result_is_stored_once_too_and_stays_late(tx):
    """It is paid for, and nobody takes it."""
    add(tx, 1)
    group(tx)
    assert requests.move(tx, "lane_0", LaneStatus.SUBMITTED, LaneStatus.LATE)
    assert not batches.is_wanted(tx, "pbatch_1")
    assert requests.end(tx, "lane_0", LaneStatus.ANSWERED, b"said", None, NOW) is LaneStatus.LATE
    assert requests.end(tx, "lane_0", LaneStatus.ANSWERED, b"said", None, NOW) is None
    assert requests.get(tx, "lane_0").result is None


def test_a_request_that_waits_has_no_result(tx):
    """What was never submitted cannot end."""
    add(tx, 1)
    assert requests.end(tx, "lane_0", LaneStatus.ANSWERED, b"said", None, NOW) is None
    assert statuses(tx) == ["waiting"]


def test_what_did_not_fit_waits_again(tx):
    """For a batch of its own."""
    add(tx, 3)
    group(tx)
    batches.put_back(tx, "pbatch_1", ["lane_1", "lane_2"])
    assert statuses(tx) == ["submitted", "waiting", "waiting"]
    assert tx.execute(sa.select(provider_batches.c.count)).scalar() == 1


def test_a_batch_ends_once(tx):
    """And is looked after no more."""
    add(tx, 1)
    group(tx)
    assert batches.close(tx, "pbatch_1", BatchStatus.DONE, NOW, None)
    assert not batches.close(tx, "pbatch_1", BatchStatus.FAILED, NOW, None)
    assert claim(tx) is None


def test_the_lane_is_full_at_its_most(tx):
    """Other environments do not count."""
    add(tx, 2)
    requests.add(tx, request(3, environment="other"))
    assert not requests.is_full(tx, "test", 3)
    assert requests.is_full(tx, "test", 2)


def test_what_ended_long_ago_is_deleted(tx):
    """What is under way is not, however old."""
    add(tx, 2)
    group(tx, most=1)
    requests.end(tx, "lane_0", LaneStatus.FAILED, None, "server", NOW + 5)
    batches.close(tx, "pbatch_1", BatchStatus.FAILED, NOW + 5, "server")
    assert batches.delete(tx, NOW + 5, 10) == 0
    assert batches.delete(tx, NOW + 6, 10) == 2
    assert statuses(tx) == ["waiting"]
