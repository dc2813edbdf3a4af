"""Shares: exact, sticky, and moving as few keys as possible."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import InvalidInput
from roadworthy.releases import SLOTS, Arm, Release, flag_subject, shares_of
from roadworthy.releases.release import pack_arms, unpack_arms
from roadworthy.releases.shares import digest_of, reshare, slot_of

NAMES = ("a", "b", "c", "d")


@st.composite
def slots(draw):
    """Slots by name and hash that make up all there are; an arm may have none."""
    cuts = sorted(draw(st.lists(st.integers(0, SLOTS), min_size=0, max_size=len(NAMES) - 1)))
    sizes = [end - start for start, end in zip([0, *cuts], [*cuts, SLOTS], strict=True)]
    return {(name, ""): size for name, size in zip(draw(st.permutations(NAMES)), sizes, strict=False)}


def owners(arms):
    """Which arm owns each slot."""
    ranges = sorted((start, end, arm.name) for arm in arms for start, end in arm.ranges)
    assert [start for start, _, _ in ranges] == [0, *(end for _, end, _ in ranges[:-1])]
    found = [name for start, end, name in ranges for _ in range(start, end)]
    assert len(found) == SLOTS
    return found


@given(st.lists(slots(), min_size=2, max_size=5))
def test_shares_are_exact_and_move_no_slot_that_need_not_move(wanted) -> None:
    """However often shares change, each arm has its slots, and only what the shrinking arms lose moves."""
    arms = reshare((), wanted[0])
    for now in wanted[1:]:
        before, was = owners(arms), {arm.key: arm.slots for arm in arms}
        arms = reshare(arms, now)
        after = owners(arms)
        assert {arm.key: arm.slots for arm in arms} == {key: size for key, size in now.items() if size}
        moved = sum(one != other for one, other in zip(before, after, strict=True))
        assert moved == sum(max(0, size - now.get(key, 0)) for key, size in was.items())


@given(slots(), st.text(max_size=40))
def test_a_key_always_meets_the_same_arm(wanted, key) -> None:
    """The same salt, subject and key give the same slot, whatever text the key is."""
    release = Release("prompt:p", 1, reshare((), wanted), "salt")
    slot = slot_of(digest_of("salt", "prompt:p", key))
    assert slot == slot_of(digest_of("salt", "prompt:p", key))
    assert release.arm_at(slot).name == owners(release.arms)[slot]


def test_keys_spread_over_arms_as_their_shares_say() -> None:
    """Of 100,000 keys each arm gets its share, within five standard deviations."""
    release = Release("prompt:p", 1, reshare((), {("v1", ""): 9_000, ("v2", ""): 1_000}), "salt")
    met = Counter(
        release.arm_at(slot_of(digest_of("salt", "prompt:p", f"u-{number}"))).name
        for number in range(100_000)
    )
    assert abs(met["v2"] - 10_000) < 5 * (100_000 * 0.1 * 0.9) ** 0.5


def test_two_splits_have_nothing_to_do_with_each_other() -> None:
    """Who is in the first tenth by one salt is by another one as likely as anybody."""
    first = [n for n in range(20_000) if slot_of(digest_of("one", "prompt:p", f"u-{n}")) < 1_000]
    both = sum(slot_of(digest_of("two", "prompt:p", f"u-{n}")) < 1_000 for n in first)
    assert abs(both - len(first) * 0.1) < 5 * (len(first) * 0.1 * 0.9) ** 0.5


def test_arms_are_stored_and_read_as_they_are() -> None:
    """What comes back from the database is what went in."""
    arms = (Arm("v1", "abc", ((0, 10), (20, SLOTS))), Arm("v2", "def", ((10, 20),)))
    assert unpack_arms(pack_arms(arms)) == arms


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        (["v2"], {"v2": SLOTS}),
        (["v1=90", "v2=10"], {"v1": 9_000, "v2": 1_000}),
        (["v1=99.95%", "v2=0.05%"], {"v1": 9_995, "v2": 5}),
        (["v1=100", "v2=0"], {"v1": SLOTS, "v2": 0}),
    ],
)
def test_shares_are_read_in_percent(said, slots) -> None:
    """A hundredth of a percent is one slot."""
    assert shares_of(said) == slots


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["v1=90", "v2=20"], "make 110"),
        (["v1=90"], "make 90"),
        (["v1=50", "v2"], "'v2' is no share"),
        (["v1=50", "v1=50"], "two shares"),
        (["v1=-1", "v2=101"], "not between"),
        (["v1=99.999", "v2=0.001"], "finer"),
        (["v1=NaN", "v2=1"], "no share"),
        (["v1=1e9", "v2=1"], "not between"),
        (["=100"], "no share"),
        ([], "1 to 20 arms"),
        ([f"v{number}=4" for number in range(25)], "1 to 20 arms"),
    ],
)
def test_what_is_no_share_is_refused(said, told) -> None:
    """The message says which one, or what they make."""
    with pytest.raises(InvalidInput, match=told):
        shares_of(said)


@pytest.mark.parametrize("name", ["", "New", "a b", "a|b", "ä", "x" * 101, "\x00"])
def test_what_cannot_name_a_flag_is_refused(name) -> None:
    """Names are as those of prompts."""
    with pytest.raises(InvalidInput, match="cannot name a flag"):
        flag_subject(name)
