"""What is kept: read once, anew when it is old, and no more of it than there is room for."""

import asyncio

from roadworthy.dashboard.kept import Kept
from roadworthy.testing.clock import FakeClock


async def test_a_value_is_read_again_only_when_it_is_old():
    """Until then everybody gets the same one."""
    clock = FakeClock()
    kept, reads = Kept[int](clock, seconds=10, most=2), list[int]()

    async def read() -> int:
        reads.append(len(reads))
        return reads[-1]

    assert await asyncio.gather(*(kept.get("a", read) for _ in range(5))) == [0] * 5
    clock.advance(9.9)
    assert await kept.get("a", read) == 0
    clock.advance(0.2)
    assert await kept.get("a", read) == 1


async def test_what_was_asked_for_longest_ago_makes_room():
    """So that memory is bounded, whoever asks for what."""
    kept, reads = Kept[str](FakeClock(), seconds=10, most=2), list[str]()

    def of(name: str):
        async def read() -> str:
            reads.append(name)
            return name

        return kept.get(name, read)

    for name in ("a", "b", "a", "c", "a", "b"):
        assert await of(name) == name
    assert reads == ["a", "b", "c", "b"]


async def test_what_could_not_be_read_is_not_kept():
    """The next one who asks has it read again."""
    kept = Kept[int](FakeClock(), seconds=10, most=2)

    async def fail() -> int:
        raise OSError

    async def read() -> int:
        return 1

    assert isinstance((await asyncio.gather(kept.get("a", fail), return_exceptions=True))[0], OSError)
    assert await kept.get("a", read) == 1
