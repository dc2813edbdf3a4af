"""Slots: never more holders than allowed, nobody forgotten, tenants in turn."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.models.fair import FairSlots

LONG = 60.0


async def settle():
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def in_order(slots, waiting):
    """The order in which tasks that wait are served, one slot being freed after the other."""
    served = []

    async def stand(name, tenant):
        await slots.acquire(tenant, LONG)
        served.append(name)

    tasks = []
    for name, tenant in waiting:
        tasks.append(asyncio.create_task(stand(name, tenant)))
        await asyncio.sleep(0)
    for _ in waiting:
        slots.release()
        await settle()
    await asyncio.gather(*tasks)
    return served


async def test_a_tenant_with_a_thousand_waiting_delays_another_by_one_turn():
    """The one request of the quiet tenant is the second to be served."""
    slots = FairSlots(1)
    assert slots.take()
    crowd = [(f"crowd-{number}", "crowd") for number in range(1000)]
    served = await in_order(slots, [*crowd, ("quiet-0", "quiet")])
    assert served.index("quiet-0") == 1
    assert [name for name in served if name != "quiet-0"] == [name for name, _ in crowd]


async def test_tenants_take_turns_and_each_line_keeps_its_order():
    """Three lines are served round robin, first come first served within each."""
    slots = FairSlots(1)
    assert slots.take()
    waiting = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")]
    assert await in_order(slots, waiting) == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_whoever_waits_is_not_overtaken():
    """A slot that becomes free is handed over before a newcomer can take it."""
    slots = FairSlots(1)
    assert slots.take()
    waiter = asyncio.create_task(slots.acquire("a", LONG))
    await settle()
    slots.release()
    assert slots.busy
    assert not slots.take()
    await waiter


async def test_time_that_is_up_leaves_the_line_and_takes_nothing():
    """Afterwards the slot goes to the next one."""
    slots = FairSlots(1)
    assert slots.take()
    with pytest.raises(TimeoutError):
        await slots.acquire("a", 0.01)
    with pytest.raises(TimeoutError):
        await slots.acquire("a", 0)
    assert slots.waiting == 0
    slots.release()
    assert slots.take()


async def test_a_slot_that_is_handed_to_a_cancelled_one_is_passed_on():
    """Cancelled in the very moment in which it was served, it does not keep the slot."""
    slots = FairSlots(1)
    assert slots.take()
    first = asyncio.create_task(slots.acquire("a", LONG))
    second = asyncio.create_task(slots.acquire("a", LONG))
    await settle()
    slots.release()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert second.done()
    slots.release()
    assert slots.take()


async def test_one_that_is_cancelled_before_the_slot_is_freed_is_skipped():
    """A slot freed between the cancel and its effect goes to the next in line."""
    slots = FairSlots(1)
    assert slots.take()
    first = asyncio.create_task(slots.acquire("a", LONG))
    second = asyncio.create_task(slots.acquire("b", LONG))
    await settle()
    first.cancel()
    slots.release()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert slots.waiting == 0


class Crowd:
    """Tasks that take slots, hold them and leave them."""

    def __init__(self, limit):
        self.slots = FairSlots(limit)
        self.limit = limit
        self.holding = 0
        self.tasks = []
        self.gates = []

    async def stay(self, tenant, seconds, gate):
        """Hold a slot until the gate opens."""
        await self.slots.acquire(tenant, seconds)
        self.holding += 1
        assert self.holding <= self.limit
        try:
            await gate.wait()
        finally:
            self.holding -= 1
            self.slots.release()

    async def run(self, events):
        """Play the events, then let everybody go, and look at what is left."""
        for kind, number in events:
            if kind == "come":
                self.gates.append(asyncio.Event())
                self.tasks.append(
                    asyncio.create_task(self.stay(f"tenant-{number % 3}", LONG, self.gates[-1]))
                )
            elif kind == "hurry":
                self.gates.append(asyncio.Event())
                self.tasks.append(
                    asyncio.create_task(self.stay(f"tenant-{number % 3}", 0.0001, self.gates[-1]))
                )
            elif kind == "pass":
                await asyncio.sleep(0.0002 if number % 5 == 0 else 0)
            elif self.tasks:
                chosen = number % len(self.tasks)
                if kind == "cancel":
                    self.tasks[chosen].cancel()
                else:
                    self.gates[chosen].set()
        assert self.slots.waiting == 0 or self.slots.busy
        for gate in self.gates:
            gate.set()
        ends = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert all(end is None or isinstance(end, TimeoutError | asyncio.CancelledError) for end in ends)
        assert (self.holding, self.slots.waiting, self.slots._free) == (0, 0, self.limit)
        assert not self.slots._lines


@settings(deadline=None)
@given(
    st.integers(1, 3),
    st.lists(
        st.tuples(st.sampled_from(["come", "hurry", "cancel", "leave", "pass"]), st.integers(0, 1000)),
        max_size=80,
    ),
)
def test_no_order_of_events_loses_a_slot(limit, events):
    """Coming, leaving, giving up and being cancelled in any order: in the end all slots are free."""
    asyncio.run(Crowd(limit).run(events))
