"""The breaker: what opens it, how it probes, and that no way through it loses a slot."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roadworthy.errors import Bug, ErrorKind, InvalidAnswer, ProviderError
from roadworthy.models.breaker import Breaker, State, Window
from roadworthy.models.fair import NoFreeSlot
from roadworthy.models.outcome import Outcome
from roadworthy.settings import BreakerSettings
from roadworthy.testing import FakeClock

PROBE_SECONDS = 60.0


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def changes():
    """What the breaker has told."""
    return []


@pytest.fixture
def make(clock, changes):
    """A breaker with some settings of its own."""

    def make(**given):
        chosen = BreakerSettings.model_validate(given)
        return Breaker(chosen, clock, probe_seconds=PROBE_SECONDS, changed=changes.append)

    return make


def send(breaker, outcome, *, times=1, seconds=0.1, kind=None):
    """Requests that go in and come out at once; how many were let through."""
    through = 0
    for _ in range(times):
        ticket = breaker.enter()
        if ticket is not None:
            through += 1
            breaker.leave(ticket, outcome, seconds, kind)
    return through


def opened(breaker):
    """The breaker, after ten failures."""
    send(breaker, Outcome.FAILED, times=10)
    assert breaker.state is State.OPEN
    return breaker


def test_half_of_the_requests_failing_opens_it_and_nothing_passes(make, changes):
    """With ten requests in the window and five of them failed the model is left alone for ten seconds."""
    breaker = make()
    send(breaker, Outcome.WELL, times=5)
    send(breaker, Outcome.FAILED, times=4, kind=ErrorKind.SERVER)
    assert breaker.state is State.CLOSED
    send(breaker, Outcome.FAILED, kind=ErrorKind.SERVER)
    assert (breaker.state, breaker.enter(), breaker.open_seconds_left()) == (State.OPEN, None, 10)
    (change,) = changes
    assert (change.state, change.was, change.open_seconds, change.error_kind, change.by) == (
        State.OPEN,
        State.CLOSED,
        10,
        ErrorKind.SERVER,
        "",
    )


def test_too_few_requests_conclude_nothing(make):
    """Nine failures of nine are below the minimum of ten."""
    breaker = make()
    send(breaker, Outcome.FAILED, times=9)
    assert breaker.state is State.CLOSED


def test_a_rate_that_is_exactly_reached_opens_it(make):
    """Seven failures of a hundred are a rate of 0.07, whatever binary fractions make of it."""
    breaker = make(failure_rate=0.07, minimum_requests=100)
    send(breaker, Outcome.WELL, times=93)
    send(breaker, Outcome.FAILED, times=7)
    assert breaker.state is State.OPEN


def test_failures_that_left_the_window_are_forgotten(make, clock):
    """Nine failures half a minute ago and one now are one failure."""
    breaker = make()
    send(breaker, Outcome.FAILED, times=9)
    clock.advance(30)
    send(breaker, Outcome.FAILED)
    assert (breaker.state, breaker.counts) == (State.CLOSED, (1, 1, 0))


def test_requests_that_are_too_slow_open_it(make):
    """Good answers that come too late open it where the settings say what late is."""
    breaker = make(slow_seconds=2)
    send(breaker, Outcome.WELL, times=2)
    send(breaker, Outcome.WELL, times=7, seconds=2.5)
    assert breaker.state is State.CLOSED
    send(breaker, Outcome.WELL, seconds=2.5)
    assert breaker.state is State.OPEN


def test_three_hopeless_errors_in_a_row_open_it_at_once(make):
    """A rejected key is not asked for ten times; an answer in between starts the count anew."""
    breaker = make()
    send(breaker, Outcome.HOPELESS, times=2)
    send(breaker, Outcome.WELL)
    send(breaker, Outcome.HOPELESS, times=2)
    assert breaker.state is State.CLOSED
    send(breaker, Outcome.NOTHING)
    send(breaker, Outcome.HOPELESS)
    assert breaker.state is State.OPEN


def test_cancelled_requests_count_as_nothing(make):
    """A thousand requests that we left say nothing about the model."""
    breaker = make()
    send(breaker, Outcome.NOTHING, times=1000, seconds=100)
    assert (breaker.state, breaker.counts) == (State.CLOSED, (0, 0, 0))


def test_probes_that_succeed_in_a_row_close_it(make, clock, changes):
    """Two at a time are let through, and the second success opens the way for all."""
    breaker = opened(make())
    clock.advance(10)
    first, second = breaker.enter(), breaker.enter()
    assert breaker.enter() is None
    assert breaker.state is State.HALF_OPEN
    breaker.leave(first, Outcome.WELL)
    assert breaker.state is State.HALF_OPEN
    breaker.leave(second, Outcome.WELL)
    assert breaker.state is State.CLOSED
    assert [change.state for change in changes] == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    assert send(breaker, Outcome.FAILED, times=9) == 9
    assert breaker.state is State.CLOSED  # what was before the outage is not held against it


def test_each_failed_probe_doubles_the_time_up_to_the_longest(make, clock, changes):
    """Ten seconds, twenty, forty, eighty, then two minutes each; a recovery starts over."""
    breaker = opened(make())
    for seconds in (10, 20, 40, 80, 120, 120):
        assert breaker.open_seconds_left() == pytest.approx(seconds)
        clock.advance(seconds)
        send(breaker, Outcome.FAILED)
    clock.advance(120)
    send(breaker, Outcome.WELL, times=2)
    assert opened(breaker).open_seconds_left() == pytest.approx(10)
    assert changes[-1].was is State.CLOSED


def test_a_slow_probe_is_a_failed_one(make, clock):
    """A model that answers too late has not recovered."""
    breaker = opened(make(slow_seconds=2))
    clock.advance(10)
    send(breaker, Outcome.WELL, seconds=2.5)
    assert breaker.state is State.OPEN


def test_an_answer_from_before_the_outage_does_not_end_it(make, clock):
    """Requests that began while it was closed say nothing once it is half open."""
    breaker = make()
    before = [breaker.enter() for _ in range(4)]
    opened(breaker)
    clock.advance(10)
    probe = breaker.enter()
    for ticket in before:
        breaker.leave(ticket, Outcome.WELL)
    assert breaker.state is State.HALF_OPEN
    breaker.leave(probe, Outcome.FAILED)
    assert breaker.state is State.OPEN


def test_a_cancelled_probe_gives_its_slot_back_once(make, clock):
    """Leaving twice frees one slot, not two."""
    breaker = opened(make())
    clock.advance(10)
    first, _second = breaker.enter(), breaker.enter()
    for _ in range(3):
        breaker.leave(first, Outcome.NOTHING)
    assert breaker.enter() is not None
    assert breaker.enter() is None


def test_a_probe_that_never_reports_is_given_up(make, clock):
    """After its time its slot is free, and what it says later does not count."""
    breaker = opened(make(probes=1))
    clock.advance(10)
    lost = breaker.enter()
    clock.advance(PROBE_SECONDS - 1)
    assert breaker.enter() is None
    clock.advance(1)
    probe = breaker.enter()
    breaker.leave(lost, Outcome.WELL)
    assert breaker.state is State.HALF_OPEN
    breaker.leave(probe, Outcome.WELL)
    assert breaker.state is State.CLOSED


def test_a_wall_clock_that_jumps_changes_nothing(make, clock):
    """Years forwards or back, the ten seconds are those of the monotonic clock."""
    breaker = opened(make())
    for moment in (0, 4_000_000_000_000):
        clock.set(moment)
        assert breaker.enter() is None
        assert breaker.open_seconds_left() == pytest.approx(10)
    clock.advance(10)
    assert breaker.enter() is not None


def test_one_that_is_not_enabled_lets_everything_through(make):
    """Neither failures nor other processes close the way."""
    breaker = make(enabled=False)
    assert send(breaker, Outcome.FAILED, times=100) == 100
    breaker.hold(100, "other")
    assert breaker.enter() is not None


def test_another_process_holds_it_open_and_lets_it_go(make, clock, changes):
    """It stays open until then, no longer than the longest time, and says who said so."""
    breaker = make()
    breaker.hold(30, "other")
    breaker.hold(5, "other")
    assert breaker.open_seconds_left() == 30
    breaker.hold(3600, "other")
    assert breaker.open_seconds_left() == 120
    breaker.resume("another")
    assert breaker.enter() is not None
    assert [(change.state, change.by) for change in changes] == [
        (State.OPEN, "other"),
        (State.CLOSED, "another"),
    ]


def test_what_another_process_found_long_enough_ago_is_probed(make):
    """A model that others left alone until a moment ago gets two requests, not all of them."""
    breaker = make()
    breaker.hold(-1, "other")
    assert [breaker.enter() is not None for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_says_something_or_nothing(kind):
    """What the transport did counts; what our limits or a rate limit did does not."""
    failed = {"unavailable", "server", "connection", "timeout", "malformed"}
    hopeless = {"authentication", "quota", "model_not_found", "not_configured"}
    well = {"bad_request", "context_window", "refused"}
    nothing = {"rate_limit", "circuit_open", "rate_limited_here", "over_budget", "not_allowed"}
    assert {*ErrorKind} == failed | hopeless | well | nothing
    expected = next(
        name
        for name, kinds in (("FAILED", failed), ("HOPELESS", hopeless), ("WELL", well), ("NOTHING", nothing))
        if kind in kinds
    )
    assert Outcome.of(ProviderError("no", kind=kind)) is Outcome[expected]


def test_what_is_our_own_fault_says_nothing_about_the_model():
    """No free slot and a bug count as nothing; an answer that fails its checks came over all right."""
    assert Outcome.of(NoFreeSlot("full", kind=ErrorKind.TIMEOUT)) is Outcome.NOTHING
    assert Outcome.of(Bug("ours")) is Outcome.NOTHING
    assert Outcome.of(InvalidAnswer("odd")) is Outcome.WELL


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.booleans()), max_size=80))
def test_the_window_counts_what_a_list_of_requests_would(requests):
    """Thirty buckets of a second hold the same as every request of the last thirty seconds."""
    window, now, seen = Window(30), 0, []
    for pause, failed, slow in requests:
        now += pause
        window.add(float(now), failed=failed, slow=slow)
        seen.append((now, failed, slow))
        within = [one for one in seen if one[0] > now - 30]
        assert (window.ended, window.failed, window.slow) == (
            len(within),
            sum(one[1] for one in within),
            sum(one[2] for one in within),
        )
        assert len(window._buckets) <= 30


class Anything(RuleBasedStateMachine):
    """Requests come and go in any order, twice, late or never, and other processes interfere."""

    def __init__(self):
        super().__init__()
        self.clock = FakeClock()
        self.settings = BreakerSettings(minimum_requests=3, probes=2, slow_seconds=5)
        self.changes = []
        self.breaker = Breaker(
            self.settings, self.clock, probe_seconds=PROBE_SECONDS, changed=self.changes.append
        )
        self.inside = []
        """Tickets, with the number of changes before them and when they entered."""
        self.gone = []
        self.open_until = -math.inf

    def probes_out(self):
        """Probes of the present half-open time that have neither left nor run out."""
        return [
            one
            for one in self.inside
            if one[0].is_probe
            and one[1] == len(self.changes)
            and one[2] + PROBE_SECONDS > self.clock.monotonic()
        ]

    @rule()
    def enter(self):
        """A request comes."""
        out, state, before = len(self.probes_out()), self.breaker.state, len(self.changes)
        ticket = self.breaker.enter()
        now = self.clock.monotonic()
        if state is State.CLOSED:
            assert ticket is not None
        elif state is State.OPEN:
            assert (ticket is not None) == (now >= self.open_until)
            assert len(self.changes) == before + (ticket is not None)
        else:
            assert (ticket is not None) == (out < self.settings.probes)
        if ticket is not None:
            assert ticket.is_probe == (state is not State.CLOSED)
            self.inside.append((ticket, len(self.changes), now))

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome), seconds=st.sampled_from([0.1, 6.0]))
    def leave(self, data, outcome, seconds):
        """A request ends, with whatever comes of it."""
        ticket, entered, _ = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        state, before = self.breaker.state, len(self.changes)
        self.breaker.leave(ticket, outcome, seconds)
        self.gone.append(ticket)
        if entered != before or outcome is Outcome.NOTHING:
            assert self.breaker.state is state
        self.note_changes(before)

    @precondition(lambda self: self.gone)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def leave_again(self, data, outcome):
        """What has left changes nothing any more."""
        before = (self.breaker.state, self.breaker.counts, self.breaker.probing, len(self.changes))
        self.breaker.leave(data.draw(st.sampled_from(self.gone)), outcome)
        assert (self.breaker.state, self.breaker.counts, self.breaker.probing, len(self.changes)) == before

    @rule(seconds=st.sampled_from([0.5, 3, 10, 40, 130]))
    def wait(self, seconds):
        """Time passes, and the wall clock jumps."""
        self.clock.advance(seconds)
        self.clock.set(int(seconds * 1000))

    @rule(seconds=st.sampled_from([-5, 4, 50, 5000]))
    def hold(self, seconds):
        """Another process found it failing."""
        before, state, until = len(self.changes), self.breaker.state, self.open_until
        self.breaker.hold(seconds, "other")
        wanted = self.clock.monotonic() + min(seconds, 120)
        if state is State.CLOSED or (state is State.HALF_OPEN and seconds > 0):
            assert len(self.changes) == before + 1
            self.open_until = wanted
        elif state is State.OPEN and seconds > 0:
            self.open_until = max(until, wanted)

    @rule()
    def resume(self):
        """Another process found it working."""
        self.breaker.resume("other")
        assert self.breaker.state is State.CLOSED

    def note_changes(self, before):
        """Take over from a change of its own for how long it is open."""
        for change in self.changes[before:]:
            if change.state is State.OPEN:
                assert 0 < change.open_seconds <= 120
                self.open_until = self.clock.monotonic() + change.open_seconds

    @invariant()
    def never_more_probes_than_allowed(self):
        """Half open, so many are out at most; else none is."""
        if self.breaker.state is State.HALF_OPEN:
            assert len(self.probes_out()) <= self.settings.probes
        else:
            assert self.breaker.probing == 0


Anything.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
test_no_order_of_events_leaks_a_slot = pytest.mark.slow(Anything.TestCase)
