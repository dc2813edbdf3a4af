"""What people do with items before and while they decide, on both databases; the clock stands still."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy import App
from roadworthy.db import Database
from roadworthy.db.tables.review import review_drafts, review_verdicts
from roadworthy.errors import Forbidden, InvalidInput, NotFound, StateConflict
from roadworthy.review import Choice, Held, Kind, Reviewer, Vote, quality, store, votes
from roadworthy.review.sampling import Aim
from roadworthy.testing import FakeClock

HELD = Held(value={"amount": 7}, schema={"type": "object"}, evidence=["a note"], because="in between")
ANN = Reviewer("p-1", "Ann", frozenset({"reviewer"}))
BEN = Reviewer("p-2", "Ben", frozenset({"reviewer"}))
VIEWER = Reviewer("p-4", "Vic", frozenset({"viewer"}))
HOUR = 3600
REVIEW = {"due_hours": 1, "escalate_to": ["lead", "owner"], "escalate_after_hours": 2}


@pytest.fixture
def app(fresh_database_url: str, tmp_path: Path) -> Iterator[App]:
    """An app that executes nothing, with a workflow whose reviews are due within an hour."""
    (tmp_path / "roadworthy.toml").touch()
    overrides = {
        "database.url": fresh_database_url,
        "workflows.refund.review": REVIEW,
        "workflows.refund.reviewers": ["Ann"],
    }
    made = App.load(tmp_path, overrides=overrides, clock=FakeClock())
    yield made
    made.database.close()


async def hold(app: App, kind: Kind = Kind.DECISION, **about: Any) -> str:
    """Store an item that no run waits for; returns its id."""
    item = app.reviews.new(HELD, kind=kind, reason="in between", workflow="refund", **about)
    await app.database.write(lambda tx: store.add(tx, item))
    return item.id


@pytest.fixture
def events(caplog):
    """The events that were reported, with their fields."""
    caplog.set_level(logging.INFO, "roadworthy.events")
    return lambda: [(record.getMessage(), dict(record.roadworthy)) for record in caplog.records]


async def test_what_is_overdue_goes_from_role_to_role_and_is_said_once_a_day(app, events):
    """Each role has its time; at the end of the chain the item stays open."""
    item = await app.reviews.get(await hold(app))
    assert (item.roles, item.assigned_to, item.due_at - item.created_at) == (
        ("reviewer",),
        "Ann",
        HOUR * 1000,
    )
    steps = []
    for hours in (0.5, 0.5, 1, 1, 2, 1, 22, 1, 24):
        app.clock.advance(hours * HOUR)
        seen = len(events())
        count = await app.reviews.escalate()
        said = [(name, fields.get("role")) for name, fields in events()[seen:]]
        assert len(said) == count
        steps.append(said[0] if said else None)
    assert steps == [
        None,
        ("review.escalated", "lead"),
        None,
        ("review.escalated", "owner"),
        ("review.overdue", None),
        None,
        None,
        ("review.overdue", None),
        ("review.overdue", None),
    ]
    left = await app.reviews.get(item.id)
    assert (left.status, left.roles, left.escalate_to, left.assigned_to) == ("open", ("owner",), (), None)
    assert left.version == item.version + 2
    with pytest.raises(Forbidden):
        await app.reviews.decide(item.id, "approve", by=ANN)
    assert (await app.reviews.decide(item.id, "approve", by="the terminal")).answered_by == "the terminal"
    app.clock.advance(100 * HOUR)
    assert await app.reviews.escalate() == 0


async def test_escalating_is_bounded_and_each_item_is_escalated_once(app, fresh_database_url):
    """Several workers do it at the same time."""
    for _ in range(6):
        await hold(app)
    app.clock.advance(2 * HOUR)
    now_ms, counts = app.clock.now_ms(), []

    def escalate() -> None:
        database = Database(fresh_database_url)
        escalated, left = database.write_now(lambda tx: votes.escalate(tx, now_ms, 4))
        counts.append(len(escalated) + len(left))
        database.close()

    threads = [threading.Thread(target=escalate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 6
    assert max(counts) <= 4
    assert {item.version for item in await app.reviews.open_items()} == {2}


async def test_a_claim_warns_others_and_keeps_nobody_out(app):
    """It is extended by its holder, taken over when its time is over, and changes no version."""
    review_id = await hold(app)
    assert (await app.reviews.claim(review_id, ANN, 60)).claimed_by == ANN.id
    app.clock.advance(40)
    assert (await app.reviews.claim(review_id, BEN, 60)).claimed_by == ANN.id
    extended = await app.reviews.claim(review_id, ANN, 60)
    assert extended.claimed_until == app.clock.now_ms() + 60_000
    assert (await app.reviews.release(review_id, BEN)).claimed_by == ANN.id
    app.clock.advance(61)
    taken = await app.reviews.claim(review_id, BEN, 60)
    assert (taken.claimed_by, taken.claimed_name, taken.version) == (BEN.id, "Ben", 1)
    decided = await app.reviews.decide(review_id, "approve", by=ANN, expected_version=1)
    assert (decided.answered_by, decided.claimed_by) == ("Ann", None)
    with pytest.raises(StateConflict) as told:
        await app.reviews.claim(review_id, BEN)
    assert told.value.details["decided_by"] == "Ann"


async def test_a_draft_is_its_writers_alone_and_survives_anothers_decision(app):
    """The newest holds; one's own decision ends it."""
    review_id = await hold(app)
    await app.reviews.save_draft(review_id, {"amount": 1}, by=ANN)
    await app.reviews.save_draft(review_id, {"amount": 2}, by=BEN)
    saved_at = await app.reviews.save_draft(review_id, {"amount": 3}, by=ANN)
    assert await app.reviews.draft(review_id, ANN) == ({"amount": 3}, saved_at)
    await app.reviews.decide(review_id, "approve", by=BEN)
    assert await app.reviews.draft(review_id, BEN) is None
    assert (await app.reviews.draft(review_id, ANN))[0] == {"amount": 3}


async def test_who_looked_at_an_older_version_is_told(app):
    """The item may have gone to somebody else meanwhile."""
    review_id = await hold(app)
    await app.reviews.assign(review_id, "Ben")
    await app.reviews.assign(review_id, "Ben")
    with pytest.raises(StateConflict, match="has changed since") as told:
        await app.reviews.decide(review_id, "approve", by=ANN, expected_version=1)
    assert told.value.details == {"version": 2}
    assert (await app.reviews.decide(review_id, "approve", by=ANN, expected_version=2)).assigned_to == "Ben"


async def test_a_role_that_may_not_decide_may_change_nothing(app):
    """Deny by default: neither verdict, claim, assignment nor draft."""
    review_id = await hold(app)
    acts = [
        lambda: app.reviews.decide(review_id, "approve", by=VIEWER),
        lambda: app.reviews.claim(review_id, VIEWER),
        lambda: app.reviews.save_draft(review_id, {}, by=VIEWER),
        lambda: app.reviews.decide(review_id, "approve", by=Reviewer("p-5", "Nobody")),
    ]
    before = await app.reviews.get(review_id)
    for act in acts:
        with pytest.raises(Forbidden):
            await act()
    assert await app.reviews.get(review_id) == before


@pytest.mark.parametrize("of", ["answer", "decision"])
async def test_each_kind_is_closed_in_its_own_way(app, of):
    """A question is answered, an answer decided on; an unknown verdict or item is told."""
    kind = Kind(of)
    review_id = await hold(app, kind)
    wrong = {
        Kind.ANSWER: lambda: app.reviews.decide(review_id, "approve", by=ANN),
        Kind.DECISION: lambda: app.reviews.answer(review_id, {}, by=ANN),
    }
    with pytest.raises(InvalidInput, match="asks for a"):
        await wrong[kind]()
    with pytest.raises(InvalidInput, match="'approve', 'edit', 'reject'"):
        await app.reviews.decide(review_id, "maybe", by=ANN)
    with pytest.raises(NotFound):
        await app.reviews.decide("review_none", "approve", by=ANN)


async def test_a_verdict_whose_success_got_lost_may_be_repeated(app):
    """The same verdict again is no conflict with itself, and counts once."""
    review_id = await hold(app, Kind.SAMPLE)
    write, results = app.database.write, []

    async def twice(work: Any) -> Any:
        results.append(await write(work))
        return await write(work)

    app.database.write = twice
    assert (await app.reviews.decide(review_id, "reject", note="No.", by=ANN)).status == "rejected"
    found = await app.database.read(lambda tx: quality.of(tx, "development", "refund", ""))
    assert (found.reviewed, found.errors) == (1, 1)


async def test_what_is_swept_takes_its_words_with_it(app):
    """Verdicts and drafts are content like the item itself."""
    review_id = await hold(app)
    await app.reviews.save_draft(review_id, {}, by=BEN)
    await app.reviews.decide(review_id, "approve", by=ANN)
    await app.database.write(lambda tx: store.delete_closed(tx, app.clock.now_ms() + 1, 10))

    def left(tx: sa.Connection) -> list[int | None]:
        count = sa.select(sa.func.count())
        return [tx.execute(count.select_from(table)).scalar() for table in (review_verdicts, review_drafts)]

    assert await app.database.read(left) == [0, 0]


def test_reviews_of_samples_that_come_together_are_all_counted(app, fresh_database_url):
    """The state of the sampling loses none, from however many programs."""

    def look(number: int) -> None:
        database = Database(fresh_database_url)
        for _ in range(10):
            database.write_now(
                lambda tx: quality.record(tx, "e", "w", "p@v1", wrong=number == 0, aim=Aim(), now_ms=1)
            )
        database.close()

    threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = app.database.read_now(lambda tx: quality.of(tx, "e", "w", "p@v1"))
    assert (found.reviewed, found.errors) == (40, 10)


def test_two_first_verdicts_that_come_together_are_both_heard(app, fresh_database_url):
    """With the two-person rule the second one decides, whichever that is; both are on record."""
    item = app.reviews.new(HELD, kind=Kind.DECISION, reason="in between")
    app.database.write_now(lambda tx: store.add(tx, item))
    app.database.write_now(lambda tx: tx.execute(sa.text("UPDATE review_items SET people = 2")) and None)
    led_to, barrier = [], threading.Barrier(2)

    def say(by: Reviewer) -> None:
        database = Database(fresh_database_url)
        said = Vote(by.id, by.name, Choice.APPROVE, None, "", 5)
        barrier.wait()
        given = database.write_now(
            lambda tx: votes.give(tx, item.id, by, said, expected_version=None, now_ms=5)
        )
        led_to.append(given.led_to)
        database.close()

    threads = [threading.Thread(target=say, args=(by,)) for by in (ANN, BEN)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(led_to) == ["decided", "wait"]
    closed = app.database.read_now(lambda tx: store.get(tx, item.id))
    assert (closed.status, {*closed.answered_by.split(" and ")}) == ("approved", {"Ann", "Ben"})
