"""Charts of a report as inline SVG: intervals on one axis, and how long answers took.

They are drawn as wide as their place, so they hold no text; what they show stands beside them, and in their
label. Colours come from the page's style sheet.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_HEIGHT = 18
_MOST_MARKS = 2_000


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where, and which values stand below it, evenly apart."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value stands, 0 to 1000."""
        share = (value - self.low) / (self.high - self.low)
        return round(1000 * min(1.0, max(0.0, share)), 1)


def shares_axis(values: Sequence[float]) -> Axis:
    """An axis of shares that ends at 1, and begins at a round number below all values."""
    wide = next(one for one in (0.1, 0.2, 0.4, 0.6, 1.0) if one == 1 or min(values) >= 1 - one)
    return Axis(1 - wide, 1.0, tuple(1 - wide + wide * tick / 4 for tick in range(5)))


def difference_axis(values: Sequence[float]) -> Axis:
    """An axis of differences with 0 in its middle."""
    most = max(map(abs, values))
    wide = next(one for one in (0.05, 0.1, 0.2, 0.4, 1.0) if one == 1 or most <= one)
    return Axis(-wide, wide, tuple(wide * tick / 2 for tick in range(-2, 3)))


def seconds_axis(values: Sequence[float]) -> Axis:
    """An axis of times from 0 to a round number above all values."""
    most = max(values, default=0.0) or 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    top = next(step * unit for step in (1, 2, 4, 5, 10) if step * unit >= most)
    return Axis(0.0, top, tuple(top * tick / 4 for tick in range(5)))


def interval(
    label: str, axis: Axis, value: float, low: float, high: float, *, line: float | None, tone: str
) -> Markup:
    """A value with its interval; `line` is what it is held against."""
    left, right, middle = (axis.place(one) for one in (low, high, value))
    against = _upright("against", axis.place(line), 0, _HEIGHT) if line is not None else Markup("")
    return _drawn(
        label,
        Markup('<rect class="range" x="{}" y="4" width="{}" height="10"/>').format(
            left, round(max(2.0, right - left), 1)
        ),
        _upright("value", middle, 1, _HEIGHT - 1),
        against,
        tone=tone,
    )


def marks(label: str, axis: Axis, values: Sequence[tuple[float, bool]]) -> Markup:
    """A mark for each answer's time, those that failed in the lower half."""
    every = math.ceil(len(values) / _MOST_MARKS) or 1
    drawn = [
        _upright("fine" if passed else "failed", axis.place(value), *((1, 8) if passed else (10, 17)))
        for value, passed in values[::every]
    ]
    return _drawn(label, *drawn, tone="")


def _upright(kind: str, x: float, top: int, bottom: int) -> Markup:
    return Markup('<line class="{0}" x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>').format(kind, x, top, bottom)


def _drawn(label: str, *parts: Markup, tone: str) -> Markup:
    return Markup(
        '<svg class="chart {}" viewBox="0 0 1000 {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        "{}</svg>"
    ).format(tone, _HEIGHT, label, Markup("").join(parts))
