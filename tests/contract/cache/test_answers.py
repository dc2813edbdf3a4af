"""The answer cache on both databases: what is given again, to whom it is not, and how it is cleared."""

import asyncio

import pytest
import sqlalchemy as sa

from roadworthy.db.tables.answers import cached_answers
from roadworthy.models.cache import AnswerCache, Kept
from roadworthy.records import Usage

VALUE = {"outcome": "answer", "message": "Grüße 🙂 " * 200, "parts": [1, 2.5, None, True]}


async def keep(database, cache, *entries):
    """Store answers as a call does, and hold them in memory."""
    for entry in entries:
        await database.write(lambda tx, one=entry: cache.store(tx, one))
        cache.remember(entry)


async def stored(database):
    """Every row, by key."""
    rows = await database.read(lambda tx: tx.execute(sa.select(cached_answers)).mappings().all())
    return {row["key"]: row for row in rows}


async def test_an_answer_comes_back_as_it_was_kept(database, cache, other, answer):
    """With all that is known of it, from memory and from the table."""
    entry = answer(value=VALUE, confidence=0.5)
    await keep(database, cache, entry)

    for found in (await cache.get("k"), await other.get("k")):
        assert found == entry
        assert found.value == VALUE
        assert found.usage == Usage(10, 5, 2, 1)


async def test_whoever_gets_an_answer_may_change_it(database, cache, answer):
    """The next one gets it as it was."""
    await keep(database, cache, answer(value=VALUE))

    (await cache.get("k")).value["parts"].append("mine")

    assert (await cache.get("k")).value == VALUE


async def test_what_is_not_known_is_none(cache):
    """Nothing is made up."""
    assert await cache.get("k") is None
    assert await cache.get("k", stale=True) is None


async def test_that_nothing_is_known_is_not_remembered(database, cache, other, answer):
    """What another process stores is found at once."""
    assert await cache.get("k") is None
    await keep(database, other, answer())

    assert (await cache.get("k")).value == "yes"


async def test_an_answer_is_given_while_it_is_fresh_then_helps_out_then_is_gone(
    database, cache, clock, answer
):
    """To the millisecond."""
    await keep(database, cache, answer())

    clock.advance(59.999)
    assert await cache.get("k") is not None
    clock.advance(0.001)
    assert await cache.get("k") is None
    assert await cache.get("k", stale=True) is not None
    clock.advance(3599.999)
    assert await cache.get("k", stale=True) is not None
    clock.advance(0.001)
    assert await cache.get("k", stale=True) is None


async def test_an_answer_that_is_only_to_help_out_is_never_fresh(database, cache, answer):
    """With a time to live of 0 it is kept all the same."""
    await keep(database, cache, answer(ttl_seconds=0))

    assert await cache.get("k") is None
    assert (await cache.get("k", stale=True)).value == "yes"


async def test_a_clock_that_is_turned_back_makes_no_answer_fresh_for_longer(database, cache, clock, answer):
    """An answer from the future is stale, in memory and in the table."""
    await keep(database, cache, answer())
    clock.set(clock.now_ms() - 86_400_000)

    assert await cache.get("k") is None
    assert await AnswerCache(database, clock).get("k") is None
    assert await cache.get("k", stale=True) is not None


async def test_a_newer_answer_takes_the_place_of_an_older_one(database, cache, other, clock, answer):
    """Also of one that memory holds as expired."""
    await keep(database, cache, answer(value="old"))
    clock.advance(61)
    await keep(database, other, answer(value="new"))

    assert (await cache.get("k")).value == "new"


@pytest.mark.parametrize(
    ("waited", "kept"), [(0, "good"), (59, "good"), (60, "poor")], ids=["at once", "fresh", "expired"]
)
async def test_a_degraded_answer_replaces_only_what_is_not_fresh(
    *, database, cache, clock, answer, waited, kept
):
    """A better one that is still fresh stays."""
    await keep(database, cache, answer(value="good"))
    clock.advance(waited)
    await keep(database, cache, answer(value="poor", degraded=True))

    assert (await stored(database))["k"]["degraded"] is (kept == "poor")
    assert (await cache.get("k")).value == kept


async def test_a_good_answer_replaces_a_degraded_one_at_once(database, cache, answer):
    """However fresh that is."""
    await keep(database, cache, answer(value="poor", degraded=True), answer(value="good"))

    assert (await cache.get("k")).value == "good"


async def test_half_an_answer_is_not_kept(database, cache, answer):
    """Neither in the table nor in memory, and it takes nothing's place."""
    await keep(database, cache, answer(value="half", complete=False))
    assert await cache.get("k", stale=True) is None

    await keep(database, cache, answer(value="whole"), answer(value="half", complete=False))
    assert (await cache.get("k")).value == "whole"


async def test_storing_twice_has_the_effect_of_once(database, cache, answer):
    """A transaction may be run again."""
    entry = answer()
    await database.write(lambda tx: (cache.store(tx, entry), cache.store(tx, entry)))
    first = await stored(database)
    await database.write(lambda tx: cache.store(tx, entry))

    assert await stored(database) == first


async def test_a_call_that_is_rolled_back_leaves_no_answer(database, cache, answer):
    """It is stored in the transaction that records its call, or not at all."""

    def fail(tx):
        cache.store(tx, answer())
        message = "no room"
        raise ValueError(message)

    with pytest.raises(ValueError, match="no room"):
        await database.write(fail)

    assert await cache.get("k") is None


async def test_memory_is_trusted_for_half_a_minute(database, cache, other, clock, answer):
    """Then what another process cleared is gone here, too."""
    await keep(database, cache, answer())
    assert await database.write(other.clear) == 1

    clock.advance(30)
    assert await cache.get("k") is not None
    clock.advance(0.001)
    assert await cache.get("k") is None


async def test_clearing_takes_effect_at_once_where_it_is_done(database, cache, answer):
    """Nothing is served from memory afterwards."""
    await keep(database, cache, answer())

    assert await database.write(cache.clear) == 1

    assert await cache.get("k") is None


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({"prompt_id": "sort"}, "c"),
        ({"tenant": "acme"}, "b"),
        ({"tenant": ""}, "abc"),
        ({"prompt_id": "sort", "tenant": "acme"}, "bc"),
        ({}, ""),
    ],
    ids=str,
)
async def test_a_part_can_be_cleared(*, database, cache, answer, which, left):
    """Of a prompt, of a tenant, of both; and it can be counted before."""
    await keep(
        database,
        cache,
        answer("a"),
        answer("b", tenant="other"),
        answer("c", prompt_id="judge"),
    )

    counted = await database.read(lambda tx: cache.count(tx, **which))
    assert await database.write(lambda tx: cache.clear(tx, **which)) == counted == 3 - len(left)

    assert set(await stored(database)) == set(left)


async def test_hits_are_counted_with_what_they_saved(database, cache, clock, answer):
    """A newer answer at another price goes on counting where the older one stopped."""
    await keep(database, cache, answer("a"), answer("b", prompt_id="judge", cost_micro_usd=5))
    await database.write(lambda tx: cache.hits(tx, {"a": 2, "b": 1, "gone": 7}))
    clock.advance(61)
    await keep(database, cache, answer("a", cost_micro_usd=100))
    await database.write(lambda tx: cache.hits(tx, {"a": 1}))

    judge, sort = await database.read(cache.stats)

    assert sort == Kept("sort", 1, len(answer().payload), hits=3, saved_micro_usd=1500)
    assert (judge.prompt_id, judge.hits, judge.saved_micro_usd) == ("judge", 1, 5)


async def test_nothing_kept_is_an_empty_table(database, cache):
    """Figures of nothing are no figures."""
    assert await database.read(cache.stats) == []


async def test_answers_that_help_nobody_any_more_are_forgotten(database, cache, clock, answer):
    """When not even stale ones are given; the others stay."""
    await keep(database, cache, answer("old"))
    clock.advance(3660)
    await keep(database, cache, answer("new"))

    assert await database.write(lambda tx: cache.forget(tx, clock.now_ms())) == 1
    assert set(await stored(database)) == {"new"}


@pytest.mark.parametrize(
    "damage",
    [
        {"value": b""},
        {"value": b"znot compressed"},
        {"value": b'j{"half": '},
        {"value": b"j" + b"[" * 100_000},
        {"usage": "{}}"},
        {"usage": '{"tokens": 1}'},
        {"usage": "[1]"},
    ],
    ids=["empty", "not compressed", "cut", "too deep", "no JSON", "unknown fields", "a list"],
)
async def test_an_answer_that_cannot_be_read_is_none_and_is_deleted(
    *, database, cache, other, answer, damage
):
    """The model is asked instead, and nobody stumbles over it again."""
    await keep(database, other, answer())
    await database.write(lambda tx: tx.execute(sa.update(cached_answers).values(**damage)))

    assert await cache.get("k") is None

    assert await stored(database) == {}


async def test_an_answer_that_turned_out_unusable_is_discarded_unless_it_was_replaced(
    database, cache, clock, answer
):
    """Whoever reads it may find that it no longer fits its type."""
    old = answer(value="old")
    await keep(database, cache, old)
    clock.advance(1)
    await keep(database, cache, answer(value="new"))

    await cache.discard(old)
    assert (await cache.get("k")).value == "new"
    await cache.discard(await cache.get("k"))
    assert await cache.get("k", stale=True) is None


async def test_memory_is_bounded_by_entries_and_bytes(database, clock, answer):
    """What was not used for longest goes first; the table still has it."""
    small = AnswerCache(database, clock, max_entries=2, max_bytes=10_000)
    await keep(database, small, *(answer(key) for key in "abc"))
    assert set(small._memory._entries) == {"b", "c"}

    await small.get("b")
    await keep(database, small, answer("d"))
    assert set(small._memory._entries) == {"b", "d"}

    large = list(range(100_000))
    await keep(database, small, answer("large", value=large))
    assert small._memory._entries == {}
    assert small._memory._bytes == 0
    assert (await small.get("a")).value == "yes"
    assert (await small.get("large")).value == large


async def test_many_processes_at_once_leave_one_whole_answer(database, clock, answer):
    """Thirty calls store the same key at the same time; whichever was last is there, whole."""
    caches = [AnswerCache(database, clock) for _ in range(30)]

    await asyncio.gather(
        *(
            database.write(
                lambda tx, n=n, one=one: (one.store(tx, answer(value=[n] * 50)), one.hits(tx, {"k": 1}))
            )
            for n, one in enumerate(caches)
        )
    )

    value = (await caches[0].get("k")).value
    assert value == [value[0]] * 50
    assert (await stored(database))["k"]["hits"] == 30


async def test_identical_calls_are_made_once(cache):
    """Whoever waits gets the same result and is told that it was not made for it."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def make():
        assert not begun.is_set()
        begun.set()
        await go.wait()
        return "made"

    calls = [asyncio.ensure_future(cache.once("k", make)) for _ in range(5)]
    await begun.wait()
    go.set()

    assert await asyncio.gather(*calls) == [("made", True)] + [("made", False)] * 4
