"""What a person can do with a review, and what is refused with a reason."""

import logging

import pytest
import sqlalchemy as sa

from roadworthy.audit import Audit, Keyring
from roadworthy.audit import Filter as AuditFilter
from roadworthy.db import Database
from roadworthy.errors import InvalidInput, NotFound, StateConflict
from roadworthy.review import Filter, ItemStatus, Question, Reviews, Said, store
from roadworthy.telemetry import Telemetry
from roadworthy.testing import FakeClock, FixedIds

SCHEMA = {"type": "object", "properties": {"share": {"type": "number"}}, "required": ["share"]}
QUESTION = Question((("user", "Which share?"),), {"of": "it"}, SCHEMA, (Said("main", "failed"),))


class Desk:
    """Reviews on a database, and which runs were woken and told of it."""

    def __init__(self, url):
        self.database = Database(url)
        self.clock = FakeClock(1_000_000)
        self.audit = Audit(
            self.database,
            self.clock,
            FixedIds(),
            "test",
            keyring=Keyring,
            scrub=str,
            seal_after_seconds=300,
        )
        self.woken = []
        self.rung = []
        self.reviews = Reviews(
            self.database,
            self.clock,
            FixedIds(),
            "test",
            wake=lambda _tx, *woken: self.woken.append(woken),
            ring=self.rung.append,
            telemetry=Telemetry(strict=True),
            audit=self.audit,
        )

    def ask(self, question=QUESTION, **about):
        """Open an item; returns its id."""
        item = self.reviews.new(question, reason="No model answered.", **{"run_id": "run_1", **about})
        self.database.write_now(lambda tx: store.add(tx, item))
        self.reviews.opened(item)
        return item.id


@pytest.fixture
def desk(sqlite_url):
    """An empty desk."""
    made = Desk(sqlite_url)
    yield made
    made.database.close()


@pytest.fixture
def events(caplog):
    """The events that were reported, with their fields."""
    caplog.set_level(logging.INFO, "roadworthy.events")
    return lambda: [(record.getMessage(), dict(record.roadworthy)) for record in caplog.records]


async def test_an_answer_is_stored_with_its_person_and_wakes_the_run(desk):
    """Whoever looks later sees who said what, and when."""
    review_id = desk.ask()
    desk.clock.advance(90)
    item = await desk.reviews.answer(review_id, {"share": 0.5}, " Maria Ñ ", " from the handbook ")
    assert item == await desk.reviews.get(review_id)
    assert (item.status, item.answer) == (ItemStatus.ANSWERED, {"share": 0.5})
    assert (item.answered_by, item.note, item.answered_at) == ("Maria Ñ", "from the handbook", 1_090_000)
    assert desk.woken == [("run_1", review_id, 1_090_000)]
    assert desk.rung == ["run_1"]


async def test_declining_wakes_the_run_too(desk):
    """The call that waits has to learn that there is no answer."""
    review_id = desk.ask()
    item = await desk.reviews.decline(review_id, "maria", "The customer has left.")
    assert (item.status, item.answer, item.note) == (ItemStatus.DECLINED, None, "The customer has left.")
    assert (len(desk.woken), desk.rung) == (1, ["run_1"])


async def test_an_answer_that_nothing_waits_for_wakes_nobody(desk):
    """A call outside of a run can be answered for the record."""
    review_id = desk.ask(run_id=None)
    await desk.reviews.answer(review_id, {"share": 1}, "maria")
    assert (desk.woken, desk.rung) == ([], [])


async def test_an_answer_of_the_wrong_form_changes_nothing(desk):
    """The person is told what to mend, and the item stays open."""
    review_id = desk.ask()
    with pytest.raises(InvalidInput, match=r"share: must be a number.*reviews show") as told:
        await desk.reviews.answer(review_id, {"share": "half"}, "maria")
    assert told.value.details["faults"] == ["share: must be a number"]
    assert (await desk.reviews.get(review_id)).status is ItemStatus.OPEN
    assert desk.woken == []


@pytest.mark.parametrize("value", [{"share": float("nan")}, {"share": 1, "more": "\ud800"}])
async def test_an_answer_that_cannot_be_stored_is_refused(desk, value):
    """What JSON or the database cannot hold is no answer."""
    review_id = desk.ask()
    with pytest.raises(InvalidInput):
        await desk.reviews.answer(review_id, value, "maria")
    assert (await desk.reviews.get(review_id)).status is ItemStatus.OPEN


@pytest.mark.parametrize("by", ["", "  ", "a\nb", "\x1b[2J", "x" * 201, "\ud800"])
async def test_an_answer_needs_a_name(desk, by):
    """Somebody stands behind it, and the name can be printed anywhere."""
    review_id = desk.ask()
    with pytest.raises(InvalidInput, match="Say who answers"):
        await desk.reviews.answer(review_id, {"share": 1}, by)


async def test_declining_needs_a_reason(desk):
    """The call that fails would otherwise not say why."""
    review_id = desk.ask()
    with pytest.raises(InvalidInput, match="why there is no answer"):
        await desk.reviews.decline(review_id, "maria", "  ")


async def test_a_note_is_kept_whole_or_refused(desk):
    """Nobody's words are cut without being told."""
    review_id = desk.ask()
    with pytest.raises(InvalidInput, match="2001 characters"):
        await desk.reviews.decline(review_id, "maria", "x" * 2001)
    assert (await desk.reviews.decline(review_id, "maria", "x" * 2000)).note == "x" * 2000


async def test_the_second_answer_is_told_who_was_first(desk):
    """Whatever it says, also when it has the wrong form."""
    review_id = desk.ask()
    await desk.reviews.answer(review_id, {"share": 1}, "maria")
    desk.clock.advance(1)
    with pytest.raises(StateConflict, match="was answered by 'maria' at 1970-01-01T00:16:40"):
        await desk.reviews.answer(review_id, "no", "joao")
    with pytest.raises(StateConflict, match="that stands"):
        await desk.reviews.decline(review_id, "joao", "no")
    assert len(desk.woken) == 1


async def test_an_unknown_id_is_told_with_what_may_be_meant(desk):
    """An id that was cut off is completed; another gets the command that lists them."""
    review_id = desk.ask()
    with pytest.raises(NotFound, match=f"Did you mean '{review_id}'"):
        await desk.reviews.get(review_id[:-1])
    with pytest.raises(NotFound, match="roadworthy reviews list"):
        await desk.reviews.answer("review_none", {"share": 1}, "maria")


async def test_what_is_open_is_listed_without_content(desk):
    """The longest wait first; no question, no answer."""
    ids = [desk.ask(workflow=workflow) for workflow in ("a", "b", "a")]
    await desk.reviews.answer(ids[2], {"share": 1}, "maria")
    assert [item.id for item in await desk.reviews.open_items()] == ids[:2]
    (item,) = await desk.reviews.open_items("b")
    assert (item.id, item.question, item.answer) == (ids[1], None, None)
    (answered,) = await desk.reviews.find(Filter(status=(ItemStatus.ANSWERED,)))
    assert (answered.id, answered.question, answered.answer) == (ids[2], None, None)


async def test_events_say_what_happened_and_nothing_that_was_written(desk, events):
    """Ids and times; neither content nor a person's name."""
    first, second = desk.ask(call_id="call_1", prompt_id="share"), desk.ask(run_id=None)
    desk.clock.advance(30)
    await desk.reviews.answer(first, {"share": 0.123}, "maria", "a note")
    await desk.reviews.decline(second, "maria", "a note")
    assert [(name, fields["review_id"]) for name, fields in events()] == [
        ("review.opened", first),
        ("review.opened", second),
        ("review.answered", first),
        ("review.declined", second),
    ]
    answered = events()[2][1]
    assert (answered["run_id"], answered["call_id"], answered["waited_seconds"]) == ("run_1", "call_1", 30)
    assert not any(word in repr(events()) for word in ("maria", "a note", "Which share", "0.123"))


def test_what_is_open_is_found_by_its_own_index(desk):
    """A million answered items do not slow down the list of the open ones."""
    asked = []

    def look(tx):
        sa.event.listen(tx, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        store.find(tx, Filter(status=(ItemStatus.OPEN,)))
        sql, values = asked[0]
        return [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]

    assert "review_items_open" in " ".join(desk.database.read_now(look))


async def test_an_answer_is_in_the_audit_log_with_whose_it_is(desk):
    """One entry for the answer that stood, none for the one that came too late."""
    review_id = desk.ask(workflow="sort", tenant="acme")
    await desk.reviews.answer(review_id, {"share": 1}, by="maria")
    with pytest.raises(StateConflict):
        await desk.reviews.decline(review_id, by="jo", note="no")
    (entry,) = await desk.audit.find(AuditFilter())
    assert (entry.action, entry.subject) == ("review.answered", review_id)
    assert (entry.workflow, entry.tenant, entry.actor_kind) == ("sort", "acme", "system")
