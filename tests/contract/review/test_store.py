"""Items in both databases: opened once, closed once, listed without content."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from roadworthy.db import Database
from roadworthy.errors import NotFound, StateConflict
from roadworthy.review import Filter, ItemStatus, store

OPEN = Filter(status=(ItemStatus.OPEN,))


def test_an_item_comes_back_as_it_was_stored(database, ask):
    """Every field, the question included."""
    item = ask(
        workflow="w",
        tenant="t",
        user_id="u",
        prompt_id="p",
        prompt_version="p@v1",
        call_id="call_1",
        step_id="step_1",
        due_at=9_000,
    )
    assert database.read_now(lambda tx: store.get(tx, item.id)) == item


def test_storing_an_item_again_changes_nothing(database, ask):
    """A transaction that is repeated opens one item, also when it was answered in between."""
    item = ask()
    assert not database.write_now(lambda tx: store.add(tx, replace(item, reason="Another.")))
    database.write_now(lambda tx: store.answer(tx, item.id, 1, "maria", "", 2_000))
    assert not database.write_now(lambda tx: store.add(tx, item))
    found = database.read_now(lambda tx: store.get(tx, item.id))
    assert (found.reason, found.status) == ("No model answered.", ItemStatus.ANSWERED)


@pytest.mark.parametrize("value", [{"a": [1, None]}, "text", None, False, {"long": "x" * 100_000}])
def test_any_answer_comes_back_as_it_was_given(database, ask, value):
    """Whatever JSON can say."""
    ask()
    item = database.write_now(lambda tx: store.answer(tx, "review_01", value, "maria", "why", 2_000))
    assert item == database.read_now(lambda tx: store.get(tx, "review_01"))
    assert (item.answer, item.answered_by, item.answered_at, item.note) == (value, "maria", 2_000, "why")


def at_once(url: str, works: list[Callable[[sa.Connection], object]]) -> list[Exception]:
    """Do all of this at the same time, each from a program of its own; returns what was raised."""
    barrier = threading.Barrier(len(works))
    errors: list[Exception] = []

    def start(work: Callable[[sa.Connection], object]) -> None:
        database = Database(url)
        try:
            barrier.wait()
            database.write_now(work)
        except StateConflict as error:
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_of_two_people_who_answer_at_once_one_stands(database, ask, fresh_database_url):
    """The other is told who was first; the answer on record is one person's whole answer."""
    ask()

    def answer(by: str) -> Callable[[sa.Connection], object]:
        return lambda tx: store.answer(tx, "review_01", {"by": by}, by, f"note of {by}", 2_000)

    (error,) = at_once(fresh_database_url, [answer("maria"), answer("joao")])
    item = database.read_now(lambda tx: store.get(tx, "review_01"))
    assert item.answered_by in {"maria", "joao"}
    assert (item.answer, item.note) == ({"by": item.answered_by}, f"note of {item.answered_by}")
    assert f"was answered by {item.answered_by!r}" in str(error)


def test_of_an_answer_a_refusal_and_a_withdrawal_at_once_one_stands(database, ask, fresh_database_url):
    """However they meet, there is one end."""
    ask()
    errors = at_once(
        fresh_database_url,
        [
            lambda tx: store.answer(tx, "review_01", 1, "maria", "", 2_000),
            lambda tx: store.decline(tx, "review_01", "joao", "no", 2_000),
            lambda tx: store.withdraw(tx, "run_1", 2_000),
        ],
    )
    item = database.read_now(lambda tx: store.get(tx, "review_01"))
    assert item.status is not ItemStatus.OPEN
    assert (item.answer == 1) is (item.status is ItemStatus.ANSWERED)
    assert len(errors) == (2 if item.status is ItemStatus.WITHDRAWN else 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda tx: store.answer(tx, "review_01", {"a": 1}, "maria", "n\x00te", 2_000),
        lambda tx: store.decline(tx, "review_01", "maria", "no", 2_000),
    ],
    ids=["answer", "decline"],
)
def test_a_write_whose_success_got_lost_may_be_repeated(database, ask, write):
    """The connection may break after the commit: the same write again is no conflict with itself."""
    ask()
    assert database.write_now(write) == database.write_now(write)


@pytest.mark.parametrize(
    "again",
    [
        lambda tx: store.answer(tx, "review_01", {"a": 2}, "maria", "", 2_000),
        lambda tx: store.answer(tx, "review_01", {"a": 1}, "joao", "", 2_000),
        lambda tx: store.answer(tx, "review_01", {"a": 1}, "maria", "", 2_001),
        lambda tx: store.decline(tx, "review_01", "maria", "", 2_000),
    ],
)
def test_anything_else_after_the_answer_is_a_conflict(database, ask, again):
    """Another value, another person, another time, another kind of end."""
    ask()
    database.write_now(lambda tx: store.answer(tx, "review_01", {"a": 1}, "maria", "", 2_000))
    with pytest.raises(StateConflict, match="review_01 was answered by 'maria'"):
        database.write_now(again)


def test_what_a_run_no_longer_waits_for_is_withdrawn(database, ask):
    """Only what is open, and only this run's; then nobody can answer it."""
    ask()
    ask("review_02", run_id="run_2")
    ask("review_03")
    database.write_now(lambda tx: store.answer(tx, "review_03", 1, "maria", "", 1_500))
    assert database.write_now(lambda tx: store.withdraw(tx, "run_1", 2_000)) == 1
    assert database.write_now(lambda tx: store.withdraw(tx, "run_1", 3_000)) == 0
    found = database.read_now(lambda tx: store.find(tx, Filter()))
    assert [(item.status, item.answered_at) for item in found] == [
        (ItemStatus.WITHDRAWN, 2_000),
        (ItemStatus.OPEN, None),
        (ItemStatus.ANSWERED, 1_500),
    ]
    with pytest.raises(StateConflict, match="review_01 was withdrawn at"):
        database.write_now(lambda tx: store.answer(tx, "review_01", 1, "maria", "", 4_000))


def test_lists_come_in_order_and_in_pages(database, ask):
    """By time, then by id, whichever way; a page follows the last id of the one before."""
    for number, created_at in enumerate((30, 10, 20, 20, 20)):
        ask(f"review_{number}", created_at=created_at)
    oldest_first = ["review_1", "review_2", "review_3", "review_4", "review_0"]

    def page(**options: object) -> list[str]:
        return database.read_now(lambda tx: [item.id for item in store.find(tx, OPEN, **options)])

    assert page() == oldest_first
    assert page(newest_first=True) == oldest_first[::-1]
    for newest_first, expected in ((False, oldest_first), (True, oldest_first[::-1])):
        first = page(limit=3, newest_first=newest_first)
        assert first + page(limit=3, after=first[-1], newest_first=newest_first) == expected
    with pytest.raises(NotFound):
        page(after="review_none")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), ["review_1", "review_2", "review_3"]),
        (Filter(workflow="a"), ["review_1", "review_2"]),
        (Filter(tenant="t"), ["review_2"]),
        (Filter(environment="production"), ["review_3"]),
        (Filter(run_id="run_9"), ["review_3"]),
        (OPEN, ["review_1", "review_2"]),
        (Filter(status=(ItemStatus.OPEN, ItemStatus.DECLINED), run_id="run_9"), ["review_3"]),
        (Filter(status=(ItemStatus.ANSWERED,)), []),
    ],
)
def test_a_filter_restricts_by_what_it_names(database, ask, where, expected):
    """Empty fields do not restrict."""
    ask("review_1", workflow="a")
    ask("review_2", workflow="a", tenant="t")
    ask("review_3", workflow="b", environment="production", run_id="run_9")
    database.write_now(lambda tx: store.decline(tx, "review_3", "maria", "no", 2_000))
    assert database.read_now(lambda tx: [item.id for item in store.find(tx, where)]) == expected


def test_ids_are_found_by_their_beginning(database, ask):
    """What LIKE gives a meaning to is taken literally."""
    for review_id in ("review_ab1", "review_ab2", "review_b1"):
        ask(review_id)
    found = database.read_now(
        lambda tx: [store.beginning_with(tx, start, 10) for start in ("review_a", "review%")]
    )
    assert found == [["review_ab1", "review_ab2"], []]


def test_texts_are_cleaned_of_what_a_database_refuses(database, ask):
    """No NUL and no half characters, whoever wrote them."""
    ask(reason="a\x00b\ud800" + "x" * 5_000)
    item = database.write_now(lambda tx: store.decline(tx, "review_01", "ma\x00ria", "n\udfffo", 2_000))
    assert (item.reason[:4], len(item.reason)) == ("a\N{REPLACEMENT CHARACTER}b?", 2_000)
    assert (item.answered_by, item.note) == ("ma\N{REPLACEMENT CHARACTER}ria", "n?o")


def test_only_what_is_closed_and_old_is_deleted(database, ask):
    """An open question stays until somebody answers, however old it is."""
    for review_id in ("review_1", "review_2", "review_3", "review_4"):
        ask(review_id)
    for review_id, now_ms in (("review_1", 2_000), ("review_2", 2_000), ("review_3", 9_000)):
        database.write_now(lambda tx, one=review_id, now=now_ms: store.decline(tx, one, "maria", "no", now))
    deleted = [database.write_now(lambda tx: store.delete_closed(tx, 5_000, 1)) for _ in "abc"]
    assert deleted == [1, 1, 0]
    assert database.read_now(lambda tx: [item.id for item in store.find(tx, Filter())]) == [
        "review_3",
        "review_4",
    ]
