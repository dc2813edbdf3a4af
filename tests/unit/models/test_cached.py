"""The few answers that a process holds in memory, and for how long it trusts them."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import InvalidInput
from roadworthy.models.cached import Cached, Memory
from roadworthy.records import Usage
from roadworthy.settings import AnswerCacheSettings


def answer(key: str = "k", value: object = "yes", at: int = 0, **fields: object) -> Cached:
    """An answer that is fresh for a minute."""
    return Cached.make(
        key,
        value,
        prompt_id="sort",
        tenant="",
        model="m",
        rung="m",
        usage=Usage(),
        cost_micro_usd=0,
        degraded=False,
        complete=True,
        now_ms=at,
        settings=AnswerCacheSettings(ttl_seconds=60, stale_seconds=30),
        **fields,
    )


def test_an_older_answer_does_not_take_the_place_of_a_newer_one():
    """It was read from the table before the newer one was stored there, and comes late."""
    memory = Memory(10, 10_000)
    memory.put(answer(value="new", at=1000), 5.0)
    memory.put(answer(value="old", at=0), 6.0)
    assert memory.get("k", 7.0).value == "new"

    memory.put(
        answer(value="table", at=0), 35.5
    )  # the newer one is trusted no more: the table has it otherwise
    assert memory.get("k", 36.0).value == "table"


def test_what_is_dropped_or_cleared_is_gone():
    """One by one, or all."""
    memory = Memory(10, 10_000)
    for key in "abc":
        memory.put(answer(key), 0.0)
    memory.drop("a")
    memory.drop("none")
    assert [memory.get(key, 0.0) is None for key in "abc"] == [True, False, False]
    memory.clear()
    assert memory.get("b", 0.0) is None


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("pgd"), st.sampled_from("abcdef"), st.integers(0, 3000)), max_size=60
    )
)
def test_memory_keeps_its_bounds_and_forgets_what_was_used_longest_ago(steps):
    """As a plain list of what was used last says, whatever is put, got and dropped."""
    memory, expected = Memory(3, 4000), OrderedDict()
    for what, key, size in steps:
        if what == "p":
            entry = answer(key, list(range(size)))
            memory.put(entry, 0.0)
            expected.pop(key, None)
            expected[key] = len(entry.payload) + 512
            while sum(expected.values()) > 4000 or len(expected) > 3:
                expected.popitem(last=False)
        elif what == "g":
            assert (memory.get(key, 0.0) is not None) is (key in expected)
            if key in expected:
                expected.move_to_end(key)
        else:
            memory.drop(key)
            expected.pop(key, None)
        assert list(memory._entries) == list(expected)
        assert memory._bytes == sum(expected.values())


def test_what_json_cannot_say_is_refused():
    """Before anything is stored."""
    with pytest.raises(InvalidInput):
        answer(value=float("nan"))


@pytest.mark.parametrize(
    ("now_ms", "fresh", "stale"),
    [
        (94_999, False, True),
        (95_000, True, True),
        (159_999, True, True),
        (160_000, False, True),
        (189_999, False, True),
        (190_000, False, False),
    ],
)
def test_an_answer_is_usable_within_its_times(now_ms, fresh, stale):
    """Fresh from when it was made, less what clocks may differ; stale until its end."""
    made = answer(at=100_000)
    assert (made.usable(now_ms, stale=False), made.usable(now_ms, stale=True)) == (fresh, stale)
