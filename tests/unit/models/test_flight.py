"""Identical calls at the same time become one, whatever becomes of any of them."""

import asyncio
import random
import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.models.flight import SingleFlight


class Calls:
    """Calls that each end only when told to."""

    def __init__(self) -> None:
        self.flight = SingleFlight()
        self.made: list[asyncio.Future] = []
        self._more = asyncio.Event()

    async def make(self):
        """One call; its future decides how it ends."""
        self.made.append(asyncio.get_running_loop().create_future())
        self._more.set()
        return await self.made[-1]

    def start(self, number: int = 1, **options) -> list[asyncio.Task]:
        """Begin identical calls."""
        return [asyncio.ensure_future(self.flight.once("k", self.make, **options)) for _ in range(number)]

    async def making(self, number: int) -> asyncio.Future:
        """Wait until so many have been made; the last one."""
        async with asyncio.timeout(10):
            while len(self.made) < number:
                self._more.clear()
                await self._more.wait()
        return self.made[number - 1]


@pytest.fixture
async def calls():
    """Calls that each end only when told to."""
    return Calls()


async def test_all_get_the_result_of_the_first(calls):
    """One call is made, for the first; the others are told that it was not theirs."""
    waiting = calls.start(4)
    (await calls.making(1)).set_result("made")

    assert await asyncio.gather(*waiting) == [("made", True), *[("made", False)] * 3]
    assert calls.flight.waiting("k") is None


async def test_after_the_end_the_call_is_made_anew(calls):
    """A result is for those who waited, not for those who come later."""
    for result in ("one", "two"):
        [waiting] = calls.start()
        (await calls.making(len(calls.made) + 1)).set_result(result)
        assert await waiting == (result, True)


async def test_different_keys_do_not_wait_for_each_other(calls):
    """Each makes its own."""

    async def other():
        return "other"

    [first] = calls.start()
    await calls.making(1)
    assert await calls.flight.once("another", other) == ("other", True)
    calls.made[0].set_result("one")
    await first


async def test_after_a_failure_the_next_in_line_makes_its_own_call(calls):
    """The failure is the first one's alone; the rest go on waiting, for the second."""
    waiting = calls.start(3)
    (await calls.making(1)).set_exception(ValueError("mine"))
    (await calls.making(2)).set_result("made")

    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(first, ValueError)
    assert (second, third) == (("made", True), ("made", False))


async def test_when_the_first_is_cancelled_the_next_in_line_takes_over(calls):
    """Nobody else is cancelled, and nobody waits for ever."""
    waiting = calls.start(3)
    await calls.making(1)
    waiting[0].cancel()
    (await calls.making(2)).set_result("made")

    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(first, asyncio.CancelledError)
    assert (second, third) == (("made", True), ("made", False))


async def test_whoever_is_cancelled_while_waiting_leaves_the_others_alone(calls):
    """Neither the call that is being made nor the line notices."""
    waiting = calls.start(4)
    made = await calls.making(1)
    waiting[1].cancel()
    waiting[3].cancel()
    await asyncio.gather(waiting[1], waiting[3], return_exceptions=True)
    assert calls.flight.waiting("k") == 1
    made.set_result("made")

    assert await asyncio.gather(waiting[0], waiting[2]) == [("made", True), ("made", False)]


async def test_a_turn_that_is_handed_to_somebody_who_leaves_goes_to_the_next(calls):
    """The first fails, and the second is cancelled before it has noticed that it is its turn."""
    waiting = calls.start(3)
    (await calls.making(1)).set_exception(ValueError("mine"))
    await asyncio.sleep(0)
    assert calls.flight.waiting("k") == 1
    waiting[1].cancel()
    (await calls.making(2)).set_result("made")

    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(first, ValueError)
    assert isinstance(second, asyncio.CancelledError)
    assert third == ("made", True)


async def test_a_result_that_is_not_for_sharing_is_made_for_each(calls):
    """One after the other, each for itself."""
    waiting = calls.start(3, share=lambda result: result == "three")
    for number, result in enumerate(("one", "two", "three"), start=1):
        (await calls.making(number)).set_result(result)

    assert await asyncio.gather(*waiting) == [("one", True), ("two", True), ("three", True)]


async def test_a_test_for_sharing_that_fails_fails_its_own_call_only(calls):
    """The next in line is woken all the same."""

    def share(result):
        if result == "bad":
            message = "cannot say"
            raise ValueError(message)
        return True

    waiting = calls.start(2, share=share)
    (await calls.making(1)).set_result("bad")
    (await calls.making(2)).set_result("good")

    first, second = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(first, ValueError)
    assert second == ("good", True)


async def test_everybody_waits_for_as_long_as_it_wants(calls):
    """Who has no time left does not keep the first one from its result."""
    [first] = calls.start()
    made = await calls.making(1)

    with pytest.raises(TimeoutError):
        await calls.flight.once("k", calls.make, seconds=0)

    assert calls.flight.waiting("k") == 0
    made.set_result("made")
    assert await first == ("made", True)


async def test_a_limit_is_for_waiting_and_not_for_making(calls):
    """The first has nobody to wait for."""
    [first] = calls.start(seconds=0)
    (await calls.making(1)).set_result("made")

    assert await first == ("made", True)


async def test_calls_on_another_event_loop_make_their_own(calls):
    """A future of one loop is never awaited on another."""
    [first] = calls.start()
    made = await calls.making(1)
    got = []

    async def own():
        return "own"

    thread = threading.Thread(target=lambda: got.append(asyncio.run(calls.flight.once("k", own))))
    thread.start()
    await asyncio.to_thread(thread.join)

    assert got == [("own", True)]
    made.set_result("made")
    assert await first == ("made", True)


async def play(fates: str, chance: random.Random) -> list:
    """What identical calls come to that succeed (r), fail (f) or are cancelled (c), at random moments."""
    flight, tasks = SingleFlight(), []

    async def pause() -> None:
        if chance.random() < 0.5:
            await asyncio.sleep(0)

    async def make(number: int) -> int:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        if fates[number] == "f":
            raise ValueError(number)
        return number

    for number in range(len(fates)):
        tasks.append(asyncio.ensure_future(flight.once("k", partial(make, number))))
        await pause()
    for number in (at for at, fate in enumerate(fates) if fate == "c"):
        tasks[number].cancel()
        await pause()
    async with asyncio.timeout(5):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert flight._lines == {}
    return results


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), fates=st.text("rfc", min_size=1, max_size=12))
def test_whatever_happens_everybody_comes_to_an_end(seed, fates):
    """Nobody hangs, nobody is failed by another one, and whose call it was is told rightly."""
    results = asyncio.run(play(fates, random.Random(seed)))

    for number, result in enumerate(results):
        if isinstance(result, ValueError):
            assert result.args == (number,)
        elif isinstance(result, asyncio.CancelledError):
            assert fates[number] == "c"
        else:
            value, mine = result
            assert fates[value] != "f"
            assert mine is (value == number)
