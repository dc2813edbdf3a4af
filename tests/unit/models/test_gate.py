"""The gate before each request: what it lets through, how long it waits, what it reports."""

import asyncio
import logging

import pytest

from roadworthy.db import Database
from roadworthy.errors import Bug, ErrorKind, InvalidAnswer, ProviderError
from roadworthy.models.breaker import State
from roadworthy.models.gates import Gates
from roadworthy.models.provider import Response
from roadworthy.records import SystemClock, Usage
from roadworthy.telemetry import Telemetry
from roadworthy.testing import FakeClock

RULES = {"provider": "python", "function": "rules:answer"}
DOWN = ProviderError("down", kind=ErrorKind.UNAVAILABLE)


def answer(**rate_limit):
    """A response with these rate headers."""
    headers = {name.replace("_", "-"): value for name, value in rate_limit.items()}
    return Response("yes", Usage(), "m", "stop", None, None, None, rate_limit=headers)


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def slept():
    """How long somebody has slept, each time."""
    return []


@pytest.fixture
def make(clock, slept, make_models):
    """A gate, with the gates that it belongs to; sleeping moves the clock."""

    async def sleep(seconds):
        slept.append(seconds)
        clock.advance(seconds)
        await asyncio.sleep(0)

    def make(**breaker):
        gates = Gates(
            clock=clock,
            telemetry=Telemetry(strict=True),
            database=None,
            environment="test",
            process="p1",
            uniform=lambda low, _high: low,
            sleep=sleep,
        )
        return gates, gates.of(make_models({"m": {**RULES, "breaker": breaker}}).target("m"))

    return make


@pytest.fixture
def events(caplog):
    """The events so far, with their fields."""
    caplog.set_level(logging.INFO, logger="roadworthy.events")
    return lambda: [(record.message, record.roadworthy) for record in caplog.records]


async def fail(gate, error=DOWN, times=10):
    """Requests that end with this error."""
    for _ in range(times):
        (await gate.enter(seconds_left=5)).failed(error, 0.1)


async def refused(gate, seconds_left=5.0):
    """The error with which it lets nobody through."""
    with pytest.raises(ProviderError) as caught:
        await gate.enter(seconds_left=seconds_left)
    return caught.value


async def test_failures_close_the_way_and_probes_open_it_again(make, clock, events):
    """Ten failures, ten seconds of refusals that say when to come again, two probes; all is reported."""
    gates, gate = make()
    await fail(gate)
    error = await refused(gate)
    assert (error.kind, error.retry_after_seconds, error.may_be_billed) == (ErrorKind.CIRCUIT_OPEN, 10, False)
    (state,) = gates.states()
    assert (state.model, state.state, state.open_seconds, state.ended, state.failed, state.error_kind) == (
        "m",
        State.OPEN,
        10,
        10,
        10,
        ErrorKind.UNAVAILABLE,
    )
    clock.advance(10)
    passes = [await gate.enter(seconds_left=5) for _ in range(2)]
    assert (await refused(gate)).retry_after_seconds == 1
    for one in passes:
        one.answered(answer(), 0.1)
    (state,) = gates.states()
    assert (state.state, state.ended, state.error_kind) == (State.CLOSED, 0, None)
    about = {"model": "m", "provider": "python"}
    assert events() == [
        ("breaker.opened", {**about, "error_kind": "unavailable", "open_seconds": 10}),
        ("breaker.half_open", about),
        ("breaker.closed", about),
    ]


async def test_a_pass_can_be_ended_once_only(make):
    """What comes after its end neither counts nor frees anything."""
    gates, gate = make(minimum_requests=2)
    one = await gate.enter(seconds_left=5)
    one.answered(answer(), 0.1)
    one.failed(ProviderError("wait", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=9), 0.1)
    one.answered(answer(retry_after="9"), 0.1)
    one.cancelled()
    (state,) = gates.states()
    assert (state.ended, state.failed, state.wait_seconds) == (1, 0, 0)


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (DOWN, (1, 1)),
        (ProviderError("filtered", kind=ErrorKind.REFUSED), (1, 0)),
        (InvalidAnswer("odd"), (1, 0)),
        (Bug("ours"), (0, 0)),
        (asyncio.CancelledError(), (0, 0)),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_leaving_its_block_ends_a_pass_that_nobody_ended(make, error, counted):
    """By what the block was left with: an error of the provider counts, one of ours or a cancel does not."""
    gates, gate = make()
    with pytest.raises(type(error)), await gate.enter(seconds_left=5):
        raise error
    (state,) = gates.states()
    assert (state.ended, state.failed) == counted


async def test_a_probe_whose_block_is_left_gives_its_slot_back(make, clock):
    """Neither a quiet end nor a cancel keeps the slot."""
    _, gate = make(probes=1)
    await fail(gate)
    clock.advance(10)
    with await gate.enter(seconds_left=5):
        await refused(gate)
    with pytest.raises(asyncio.CancelledError), await gate.enter(seconds_left=5):
        raise asyncio.CancelledError
    assert await gate.enter(seconds_left=5)


async def test_a_block_that_was_slow_to_fail_is_measured(make, clock):
    """Where nobody says how long it took, the pass knows."""
    gates, gate = make(slow_seconds=2)

    async def ask():
        with await gate.enter(seconds_left=5):
            clock.advance(3)
            raise DOWN

    with pytest.raises(ProviderError):
        await ask()
    (state,) = gates.states()
    assert state.slow == 1


async def test_a_pause_is_waited_for_where_there_is_time(make, slept):
    """A provider that asks for three seconds gets them from everybody."""
    _, gate = make()
    await fail(gate, ProviderError("slow down", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=3), times=1)
    (await gate.enter(seconds_left=5)).cancelled()
    assert slept == [3]


async def test_a_pause_that_is_longer_than_the_time_left_is_refused_at_once(make, slept):
    """The next model is asked instead; nothing is slept through."""
    gates, gate = make()
    await fail(gate, ProviderError("slow down", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=30), times=1)
    error = await refused(gate)
    assert (error.kind, error.retry_after_seconds, slept) == (ErrorKind.RATE_LIMITED_HERE, 30, [])
    assert gates.states()[0].state is State.CLOSED  # being rate limited is no fault of the model


async def test_a_rate_header_paces_the_requests_that_follow(make, slept):
    """Nothing left, and a reset in 400 ms."""
    _, gate = make()
    headers = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "400ms"}
    (await gate.enter(seconds_left=5)).answered(answer(**headers), 0.1)
    (await gate.enter(seconds_left=5)).cancelled()
    assert slept == [pytest.approx(0.4)]


async def test_a_pause_that_grows_while_it_is_waited_for_is_waited_for_to_its_end(make, clock, slept):
    """Or refused once it no longer fits."""
    _, gate = make()
    early = [await gate.enter(seconds_left=5) for _ in range(2)]
    early[0].failed(ProviderError("wait", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=2), 0.1)
    waiting = asyncio.create_task(gate.enter(seconds_left=5))
    while not slept:
        await asyncio.sleep(0)
    early[1].failed(ProviderError("wait", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=4), 0.1)
    with pytest.raises(ProviderError) as caught:
        await waiting
    assert caught.value.kind is ErrorKind.RATE_LIMITED_HERE
    assert slept == [2]


async def test_whoever_waits_for_a_pause_is_let_through_in_turn(make_models):
    """After the pause a tenant with fifty waiting does not go first fifty times."""
    clock, over = FakeClock(), asyncio.Event()

    async def sleep(seconds):
        await over.wait()
        clock.advance(seconds)

    gates = Gates(
        clock=clock,
        telemetry=Telemetry(strict=True),
        database=None,
        environment="test",
        process="p1",
        sleep=sleep,
    )
    gate = gates.of(make_models({"m": RULES}).target("m"))
    await fail(gate, ProviderError("wait", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=3), times=1)
    order = []

    async def go(tenant):
        await gate.enter(tenant=tenant, seconds_left=60)
        order.append(tenant)

    tasks = []
    for tenant in [*["crowd"] * 50, "quiet"]:
        tasks.append(asyncio.create_task(go(tenant)))
        await asyncio.sleep(0)
    over.set()
    await asyncio.gather(*tasks)
    assert order.index("quiet") <= 2
    assert len(order) == 51


async def test_an_open_model_is_refused_rather_than_waited_for(make, slept):
    """Nobody waits out a pause only to hear that the model is left alone."""
    _, gate = make()
    error = ProviderError("overloaded", kind=ErrorKind.UNAVAILABLE, retry_after_seconds=2)
    passes = [await gate.enter(seconds_left=5) for _ in range(10)]
    for one in passes:
        one.failed(error, 0.1)
    assert (await refused(gate)).kind is ErrorKind.CIRCUIT_OPEN
    assert slept == []


async def test_a_database_that_is_away_delays_no_request(make_models, caplog):
    """Breakers work by what this process sees, while it still tries to reach the others."""
    database = Database("postgresql://app@127.0.0.1:1/app", patience_seconds=60, connect_timeout_seconds=1)
    gates = Gates(
        clock=SystemClock(),
        telemetry=Telemetry(strict=True),
        database=database,
        environment="test",
        process="p1",
    )
    gate = gates.of(make_models({"m": RULES}).target("m"))
    try:
        for _ in range(50):
            (await gate.enter(seconds_left=5)).answered(answer(), 0.1)
            await asyncio.sleep(0)
        assert not gates._health._talk.done()
        await fail(gate, times=50)
        assert (await refused(gate)).kind is ErrorKind.CIRCUIT_OPEN
    finally:
        await asyncio.to_thread(database.close)
        await gates.close()
    assert "cannot be shared" in caplog.text
