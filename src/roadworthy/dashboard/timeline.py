"""A run's steps on an axis of time: rows with bars, tries below them, and what was set aside folded.

Waits of hours would make every bar a hair: a long stretch in which nothing was under way is drawn short,
and a line between the rows says how long it was.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from roadworthy.workflows import Run, Step

_LONG_MS = 2_000
_LONG_SHARE = 0.3
"""A gap is long from so much on, and from so large a share of the time in which something was under way."""
_NARROW_SHARE = 0.04
_MOST_NARROW = 0.4
"""What a long gap takes of the axis, and what all of them take together."""
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Try:
    """One try within a step: of the step itself, or of one of its calls at a provider."""

    step_id: str
    name: str
    status: str
    started_at: int
    finished_at: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """Where something lies on the axis, from 0 to 1."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Row:
    """A step on the axis, with what belongs below it."""

    step: Step
    bar: Bar
    seconds: float
    waited_seconds: float
    """How long nothing was under way before it, where the axis leaves that out."""
    tries: Sequence[tuple[Try, Bar]]
    children: Sequence[tuple[Run, Bar]]
    set_aside: Sequence["Row"]
    """What was done at its place before a rewind."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The rows, and what stands over them."""

    rows: Sequence[Row]
    kinds: Sequence[str]
    """Of the steps, for the legend."""
    ticks: Sequence[float]
    """Seconds at equal distances; empty where a stretch is left out."""
    seconds: float
    """From the first to the last."""
    waited_seconds: float
    """What the axis leaves out."""


class _Axis:
    """From times to shares of the width."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        merged: list[tuple[int, int]] = []
        for start, end in sorted(spans):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        busy = sum(end - start for start, end in merged)
        between = [(before[1], after[0]) for before, after in pairwise(merged)]
        self.gaps = [
            (start, end) for start, end in between if end - start >= max(_LONG_MS, _LONG_SHARE * busy)
        ]
        self.first, self.last = (merged[0][0], merged[-1][1]) if merged else (0, 0)
        kept = max(1.0, self.last - self.first - sum(end - start for start, end in self.gaps))
        narrow = kept * min(_NARROW_SHARE, _MOST_NARROW / max(1, len(self.gaps)))
        self._times, self._places = [float(self.first)], [0.0]
        for start, end in self.gaps:
            self._add(start, start - self._times[-1])
            self._add(end, narrow)
        self._add(self.last, self.last - self._times[-1])
        self._whole = self._places[-1] or 1.0

    def _add(self, time: float, wide: float) -> None:
        self._times.append(time)
        self._places.append(self._places[-1] + wide)

    def bar(self, start: int, end: int) -> Bar:
        return Bar(self._share(start), self._share(end))

    def _share(self, time: float) -> float:
        at = min(max(1, bisect_right(self._times, time)), len(self._times) - 1)
        before, after = self._times[at - 1], self._times[at]
        part = (time - before) / (after - before) if after > before else 1.0
        return (self._places[at - 1] + part * (self._places[at] - self._places[at - 1])) / self._whole


def drawn(
    steps: Sequence[Step],
    tries: Mapping[str, Sequence[Try]],
    children: Sequence[Run],
    now_ms: int,
) -> Timeline:
    """Steps in the order of their places, the ones set aside before the one that counts."""
    axis = _Axis(
        [
            *((step.started_at, _end(step, now_ms)) for step in steps),
            *((run.created_at, run.finished_at or now_ms) for run in children),
        ]
    )
    gaps = list(axis.gaps)
    rows: list[Row] = []
    groups = _by_position(steps)
    begins = [group[-1].started_at for group in groups]
    for (*older, chosen), following in zip(groups, [*begins[1:], now_ms], strict=False):
        waited = 0
        while gaps and chosen.started_at >= gaps[0][1]:
            start, end = gaps.pop(0)
            waited += end - start
        below = [one for one in children if _started(chosen, one, following)]
        rows.append(_row(chosen, axis, tries, now_ms, waited, below, older))
    ticks: list[float] = []
    if not axis.gaps and axis.last > axis.first:
        ticks = [(axis.last - axis.first) / 1000 * number / _TICKS for number in range(_TICKS + 1)]
    return Timeline(
        rows,
        tuple(dict.fromkeys(row.step.kind.value for row in rows)),
        ticks,
        (axis.last - axis.first) / 1000,
        sum(end - start for start, end in axis.gaps) / 1000,
    )


def _row(
    step: Step,
    axis: _Axis,
    tries: Mapping[str, Sequence[Try]],
    now_ms: int,
    waited_ms: int = 0,
    children: Sequence[Run] = (),
    older: Sequence[Step] = (),
) -> Row:
    end = _end(step, now_ms)
    return Row(
        step,
        axis.bar(step.started_at, end),
        (end - step.started_at) / 1000,
        waited_ms / 1000,
        [(one, axis.bar(one.started_at, one.finished_at)) for one in tries.get(step.id, ())],
        [(run, axis.bar(run.created_at, run.finished_at or now_ms)) for run in children],
        [_row(one, axis, tries, now_ms) for one in older],
    )


def _by_position(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps of each place: those set aside first, the one that counts last."""
    groups: dict[int, list[Step]] = {}
    for step in steps:
        groups.setdefault(step.position, []).append(step)
    return [sorted(group, key=lambda one: (one.rewound == 0, one.rewound)) for group in groups.values()]


def _started(step: Step, child: Run, following: int) -> bool:
    """Whether this step started that run: it did so before the next step began."""
    is_it = step.name == f"start {child.workflow}" and not step.rewound
    return is_it and step.started_at <= child.created_at <= following


def _end(step: Step, now_ms: int) -> int:
    return max(step.started_at, step.finished_at if step.finished_at is not None else now_ms)
