"""What processes tell each other about models: who leaves one alone, who probes it, who is believed."""

import asyncio

import pytest

from roadworthy.errors import DatabaseError, ErrorKind, ProviderError
from roadworthy.models import Models
from roadworthy.models.breaker import State
from roadworthy.models.gates import Gates
from roadworthy.models.provider import Response
from roadworthy.records import SystemClock, Usage
from roadworthy.settings import Settings
from roadworthy.telemetry import Telemetry
from roadworthy.testing import FakeClock

ANSWER = Response("yes", Usage(), "m", "stop", None, None, None)
HOUR_MS = 3_600_000


@pytest.fixture
def clock():
    """One clock for all processes of a test."""
    return FakeClock()


@pytest.fixture
async def start(open_database, clock, tmp_path):
    """Start what one process has: gates of its own, on its own connections."""
    section = {"provider": "python", "function": "rules:answer"}
    settings = Settings.model_validate({"root": tmp_path, "models": {"m": section, "other": section}})
    models = Models(settings)
    started = []

    def start(name, clock=clock):
        gates = Gates(
            clock=clock,
            telemetry=Telemetry(strict=True),
            database=open_database(),
            environment="test",
            process=name,
        )
        started.append(gates)
        gates.m = gates.of(models.target("m"))
        gates.again = lambda: gates.of(models.target("other"))
        return gates

    yield start
    for gates in started:
        await gates.close()


async def fail(gates, kind=ErrorKind.SERVER, times=10, retry_after_seconds=None):
    """Requests that this process sees fail; it tells the others."""
    for _ in range(times):
        one = await gates.m.enter(seconds_left=5)
        one.failed(ProviderError("no", kind=kind, retry_after_seconds=retry_after_seconds), 0.1)
    await gates.refresh()


async def succeed(gates, times=2):
    """Requests that this process sees answered; it tells the others."""
    for _ in range(times):
        (await gates.m.enter(seconds_left=5)).answered(ANSWER, 0.1)
    await gates.refresh()


async def refused(gates):
    """The error with which this process lets no request through."""
    with pytest.raises(ProviderError) as caught:
        await gates.m.enter(seconds_left=0.5)
    return caught.value


def state(gates):
    """How the model stands in this process."""
    return gates.states()[0]


async def test_a_model_that_fails_for_one_process_is_left_alone_by_all(start):
    """Ten failures here, none there; both come back at the same time."""
    one, two = start("one"), start("two")
    await fail(one)
    await two.refresh()
    error = await refused(two)
    assert (error.kind, error.retry_after_seconds) == (ErrorKind.CIRCUIT_OPEN, pytest.approx(10))
    assert (state(two).state, state(two).by, state(two).ended) == (State.OPEN, "one", 0)


async def test_a_process_that_starts_later_knows_before_its_first_request(start):
    """What is in the table counts for a model that is asked for the first time."""
    one = start("one")
    await fail(one)
    two = start("two")
    await two.refresh()
    assert (await refused(two)).kind is ErrorKind.CIRCUIT_OPEN


async def test_another_environment_hears_nothing(start):
    """The same model in staging is another matter."""
    one, two = start("one"), start("two")
    two._health._environment = "staging"
    await fail(one)
    await two.refresh()
    await succeed(two)


async def test_two_processes_probe_and_what_they_find_holds_for_all(start, clock):
    """Of four, two get a place; once one of them has seen two answers, everybody goes on."""
    all_of_them = [start(name) for name in ("one", "two", "three", "four")]
    await fail(all_of_them[0])
    for gates in all_of_them:
        await gates.refresh()
    clock.advance(10)
    probing = [await gates.m.enter(seconds_left=5) for gates in all_of_them[:2]]
    assert [(await refused(gates)).kind for gates in all_of_them[2:]] == [ErrorKind.CIRCUIT_OPEN] * 2
    probing[0].answered(ANSWER, 0.1)
    await succeed(all_of_them[0], times=1)
    for gates in all_of_them:
        await gates.refresh()
        assert state(gates).state is State.CLOSED
    probing[1].failed(ProviderError("no", kind=ErrorKind.SERVER), 0.1)
    assert state(all_of_them[1]).state is State.CLOSED


async def test_a_place_to_probe_from_is_given_back(start, clock):
    """A process whose probe was cancelled lets another one try."""
    one, two, three = start("one"), start("two"), start("three")
    await fail(one)
    for gates in (two, three):
        await gates.refresh()
    clock.advance(10)
    passes = [await gates.m.enter(seconds_left=5) for gates in (one, two)]
    await refused(three)
    passes[0].cancelled()
    await one.refresh()
    await refused(three)  # which was told so a moment ago, and does not ask the database each time
    clock.advance(1)
    await succeed(three)
    assert state(three).state is State.CLOSED


async def test_a_process_with_two_probes_under_way_keeps_its_place_until_both_have_ended(start, clock):
    """Giving one of them back lets nobody else in."""
    one, two, three = start("one"), start("two"), start("three")
    await fail(one)
    for gates in (two, three):
        await gates.refresh()
    clock.advance(10)
    passes = [await gates.m.enter(seconds_left=5) for gates in (one, one, two)]
    passes[0].cancelled()
    await one.refresh()
    await refused(three)
    clock.advance(1)
    passes[1].cancelled()
    await one.refresh()
    assert await three.m.enter(seconds_left=5)


async def test_a_request_that_is_cancelled_while_it_asks_for_a_place_keeps_nothing(start, clock):
    """Its slot in this process is free again, and soon its place among the processes."""
    one = start("one")
    await fail(one)
    clock.advance(10)
    tasks = [asyncio.create_task(one.m.enter(seconds_left=5)) for _ in range(2)]
    await asyncio.sleep(0)
    assert one.m._breaker.probing == 2
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert one.m._breaker.probing == 0
    assert await one.m.enter(seconds_left=5)


async def test_a_place_of_a_process_that_died_is_free_after_its_time(start, clock):
    """Nobody waits for it for ever, nor for an hour when the clock is set back."""
    one, two, three = start("one"), start("two"), start("three")
    await fail(one)
    await two.refresh()
    await three.refresh()
    clock.advance(10)
    for gates in (one, two):
        await gates.m.enter(seconds_left=5)
    await refused(three)
    clock.advance(61)
    assert await three.m.enter(seconds_left=5)


async def test_a_place_taken_before_the_clock_went_back_is_free(start, clock):
    """A moment that nobody could have written yet does not count."""
    one, two, three = start("one"), start("two"), start("three")
    await fail(one)
    for gates in (two, three):
        await gates.refresh()
    clock.advance(10)
    for gates in (one, two):
        await gates.m.enter(seconds_left=5)
    clock.set(clock.now_ms() - HOUR_MS)
    assert await three.m.enter(seconds_left=5)


async def test_one_process_without_a_network_takes_the_model_from_nobody(start, clock):
    """While others find it well it goes on failing alone: first opening, failed probes, and opening again."""
    sick, well = start("sick"), start("well")
    await fail(sick, ErrorKind.CONNECTION)
    await well.refresh()
    clock.advance(10)
    await succeed(well)
    await sick.refresh()
    assert state(sick).state is State.CLOSED
    for _ in range(6):
        if state(sick).state is State.CLOSED:
            await fail(sick, ErrorKind.CONNECTION)
        clock.advance(state(sick).open_seconds)
        await fail(sick, ErrorKind.CONNECTION, times=1)
        await well.refresh()
        assert state(well).state is State.CLOSED


async def test_a_failed_probe_holds_the_others_for_longer(start, clock):
    """Whoever probed says that it is twenty seconds now."""
    one, two = start("one"), start("two")
    await fail(one)
    await two.refresh()
    clock.advance(10)
    await fail(one, times=1)
    await two.refresh()
    assert state(two).open_seconds == pytest.approx(20)


@pytest.mark.parametrize("kind", [ErrorKind.AUTHENTICATION, ErrorKind.NOT_CONFIGURED])
async def test_a_key_that_is_missing_here_is_not_missing_everywhere(start, kind):
    """What is wrong with the set-up of one process stays with it."""
    one, two = start("one"), start("two")
    await fail(one, kind, times=3)
    assert state(one).state is State.OPEN
    await two.refresh()
    await succeed(two)


async def test_a_pause_that_one_process_was_told_of_holds_for_all(start):
    """A provider that said `Retry-After: 20` is not asked by others meanwhile."""
    one, two = start("one"), start("two")
    await fail(one, ErrorKind.RATE_LIMIT, times=1, retry_after_seconds=20)
    await two.refresh()
    error = await refused(two)
    assert (error.kind, error.retry_after_seconds) == (ErrorKind.RATE_LIMITED_HERE, pytest.approx(20))
    assert state(two).state is State.CLOSED


async def test_a_pause_says_nothing_about_the_breaker(start):
    """A model that was paced and then fails is reported as usual."""
    one, two = start("one"), start("two")
    await fail(one, ErrorKind.RATE_LIMIT, times=1, retry_after_seconds=2)
    one._clock.advance(2)
    await fail(two)
    await one.refresh()
    assert state(one).by == "two"


async def test_what_nobody_has_said_for_long_is_forgotten(start, clock):
    """A row that a process left before it died does not hold up those that start hours later."""
    await fail(start("one"))
    clock.advance(10 + 121)
    two = start("two")
    await two.refresh()
    assert state(two).state is State.CLOSED


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, HOUR_MS])
async def test_a_clock_that_jumps_holds_nobody_for_an_hour(start, clock, jump_ms):
    """Two minutes are the longest, whatever the table says."""
    one, two = start("one"), start("two")
    await fail(one)
    clock.set(clock.now_ms() + jump_ms)
    await two.refresh()
    assert state(two).open_seconds <= 120


async def test_it_is_told_in_the_background_once_a_second(start, clock):
    """Requests alone carry it: neither side asks for it, and neither waits."""
    one, two = start("one"), start("two")
    for _ in range(10):
        (await one.m.enter(seconds_left=5)).failed(ProviderError("no", kind=ErrorKind.SERVER), 0.1)
    await one.m._health._talk
    (await two.m.enter(seconds_left=5)).answered(ANSWER, 0.1)
    await two.m._health._talk
    assert state(two).state is State.OPEN


async def test_requests_to_a_model_that_works_never_reach_the_database(start, clock):
    """A thousand requests in one second are one exchange in the background."""
    gates = start("one")
    await succeed(gates)
    talk = gates.m._health._talk
    await talk
    for _ in range(1000):
        clock.advance(0.0009)
        (await gates.m.enter(seconds_left=5)).answered(ANSWER, 0.1)
        assert gates.m._health._talk is talk
    clock.advance(0.2)
    await succeed(gates, times=1)
    assert gates.m._health._talk is not talk


async def test_what_could_not_be_told_is_told_later(start, clock, open_database):
    """A database that was away hears of it when it is back."""
    one, two = start("one"), start("two")
    health, working = one.m._health, one.m._health._database
    gone = open_database()
    await asyncio.to_thread(gone.write_now, lambda tx: tx.exec_driver_sql("SELECT 1"))
    health._database = working.__class__("postgresql://app@127.0.0.1:1/app", patience_seconds=0.01)
    with pytest.raises(DatabaseError):
        await fail(one)
    await asyncio.to_thread(health._database.close)
    health._database = working
    await one.refresh()
    await two.refresh()
    assert state(two).state is State.OPEN


@pytest.mark.slow
async def test_real_processes_hear_of_each_other(programs, start):
    """One finds the model failing, two hold the places to probe from, and this one keeps away."""
    first = programs.start("fail", process="first", probe=False)
    assert await asyncio.to_thread(programs.said, first) == "open"
    here = start("here", SystemClock())
    await here.refresh()
    assert (state(here).state, state(here).by) == (State.OPEN, "first")
    probing = [programs.start("fail", process=f"probing-{number}", probe=True) for number in range(3)]
    places = [await asyncio.to_thread(programs.said, one) for one in probing]
    assert sorted(places) == [False, True, True]
    assert not await here.m._health.claim("m", places=2, seconds=60, seconds_left=60)
