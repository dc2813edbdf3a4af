"""Steps on an axis of time: what lies where, what is left out, what is folded."""

import pytest

from roadworthy.dashboard.timeline import Try, drawn
from roadworthy.workflows import Step
from roadworthy.workflows.run import StepKind, StepStatus

HOUR_MS = 3_600_000


def step(position, start, end, *, name="look_up", rewound=0):
    """A step that ended, or is under way when it has no end."""
    return Step(
        id=f"step_{position}_{rewound}",
        run_id="run_1",
        position=position,
        rewound=rewound,
        name=name,
        key="",
        kind=StepKind.STEP,
        status=StepStatus.SUCCEEDED if end is not None else StepStatus.RUNNING,
        attempt=1,
        worker_id="w",
        started_at=start,
        finished_at=end,
        over_budget=False,
        error_kind=None,
        error_message=None,
    )


def test_bars_lie_where_their_times_do():
    """From the first beginning to the last end; one under way reaches until now."""
    line = drawn([step(0, 1_000, 1_500), step(1, 1_500, None)], {}, [], now_ms=3_000)
    assert [(row.bar.start, row.bar.end) for row in line.rows] == [(0.0, 0.25), (0.25, 1.0)]
    assert line.ticks == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert line.rows[1].seconds == 1.5


def test_a_long_wait_is_drawn_short_and_told():
    """Else what was done before and after an hour's wait would be two hairs."""
    line = drawn([step(0, 0, 1_000), step(1, HOUR_MS, HOUR_MS + 1_000)], {}, [], now_ms=2 * HOUR_MS)
    first, second = line.rows
    assert second.waited_seconds == line.waited_seconds == 3_599
    assert first.bar.end - first.bar.start > 0.4
    assert second.bar.end == pytest.approx(1.0)
    assert line.ticks == []


def test_many_waits_leave_room_for_the_work():
    """However many there are, they take less than half of the axis."""
    steps = [step(number, number * HOUR_MS, number * HOUR_MS + 100) for number in range(100)]
    line = drawn(steps, {}, [], now_ms=100 * HOUR_MS)
    assert sum(row.bar.end - row.bar.start for row in line.rows) > 0.6


def test_what_was_set_aside_is_folded_into_its_place():
    """In the order in which it was done, and where it was done in time."""
    steps = [step(0, 50_000, 50_100), step(0, 0, 100, rewound=1), step(0, 20_000, 20_100, rewound=2)]
    (row,) = drawn(steps, {}, [], now_ms=60_000).rows
    assert [one.step.rewound for one in row.set_aside] == [1, 2]
    assert row.set_aside[0].bar.start == 0.0
    assert row.bar.end == pytest.approx(1.0)


def test_tries_stand_below_their_step():
    """Each with its own bar."""
    tries = {"step_0_0": [Try("step_0_0", "attempt 1", "failed", 0, 50), Try("step_0_0", "", "", 75, 100)]}
    (row,) = drawn([step(0, 0, 100)], tries, [], now_ms=100).rows
    assert [(bar.start, bar.end) for _, bar in row.tries] == [(0.0, 0.5), (0.75, 1.0)]


@pytest.mark.parametrize("steps", [[], [step(0, 5, 5)], [step(0, 0, 100, rewound=3)]])
def test_little_is_drawn_as_well(steps):
    """No step, one that took no time, or only one that was set aside."""
    line = drawn(steps, {}, [], now_ms=1_000)
    assert len(line.rows) == len(steps)
    assert all(0 <= row.bar.start <= row.bar.end <= 1 for row in line.rows)
