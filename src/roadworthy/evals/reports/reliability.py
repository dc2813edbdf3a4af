"""What a confidence file says of its answers as a page: reliability before and after, errors, bands."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from markupsafe import Markup

from roadworthy.calls.calibrated import ConfidenceFile
from roadworthy.evals.reports.html import rendered
from roadworthy.evals.statistics import Bin, wilson
from roadworthy.evals.statistics.distributions import Interval

_SIDE = 300
_LEFT, _RIGHT, _TOP, _BELOW = 40, 18, 22, 34
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_DENSEST = 60
"""How high the area is where most answers lie."""
_NARROW = 0.02


@dataclass(frozen=True, slots=True)
class Diagram:
    """One diagram of the page."""

    title: str
    about: str
    bins: Sequence[Bin]
    error: float | None
    """The calibration error."""
    brier: float | None


def reliability_page(file: ConfidenceFile) -> str:
    """The whole page, of what the file holds."""
    figures: Mapping[str, Any] = file.figures
    diagrams = [
        Diagram(
            title,
            about,
            bins_of(figures.get(f"reliability_{when}")),
            figures.get(f"calibration_error_{when}"),
            figures.get(f"brier_{when}"),
        )
        for when, title, about in (
            ("before", "Before", "the least score, as it is"),
            ("after", "After", "probabilities, each by a fit that had not seen the answer"),
        )
    ]
    most = max((len(one.bins) for one in diagrams), default=0)
    return rendered(
        "confidence.html",
        file=file,
        figures=figures,
        diagrams=diagrams,
        drawn=drawn,
        wilson=wilson,
        by_chance=math.sqrt(most / file.answers) / 3 if file.answers else None,
        weights=list(zip(file.signals, file.calibration.weights, strict=True)),
    )


def bins_of(told: Any) -> list[Bin]:
    """The bins that a file holds; none in files of before there were any."""
    rows = cast("Sequence[Mapping[str, Any]]", told or ())
    return [
        Bin(
            one["low"],
            one["high"],
            one["predicted"],
            one["right"],
            Interval(*one["interval"]),
            one["answers"],
            one["stand_for"],
        )
        for one in rows
    ]


def drawn(diagram: Diagram) -> Markup:
    """The diagram: what was said against the share that was right, with intervals, and where answers lie."""
    wide, high = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BELOW
    parts = [
        Markup('<rect class="plot" x="{}" y="{}" width="{}" height="{}"/>').format(_LEFT, _TOP, _SIDE, _SIDE)
    ]
    for tick in _TICKS:
        x, y, label = _x(tick), _y(tick), f"{tick:.0%}"
        parts += [
            Markup('<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(x, _y(0), _y(1)),
            Markup('<line class="grid" x1="{1}" x2="{2}" y1="{0}" y2="{0}"/>').format(y, _x(0), _x(1)),
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, _y(0) + 14, label),
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(_LEFT - 5, y + 4, label),
        ]
    parts += _densities(diagram.bins)
    parts.append(
        Markup('<line class="diagonal" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(_x(0), _y(0), _x(1), _y(1))
    )
    parts += [_point(one) for one in diagram.bins]
    parts += [
        Markup('<text x="{}" y="{}" text-anchor="middle">said</text>').format(_x(0.5), high - 4),
        Markup('<text x="{}" y="12" text-anchor="end">right</text>').format(_LEFT + 12),
    ]
    label = "; ".join(
        f"said {one.predicted:.0%}, right {one.right:.0%} of {one.cases}" for one in diagram.bins
    )
    return Markup('<svg class="reliability" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        wide, high, label, Markup("").join(parts)
    )


def _densities(bins: Sequence[Bin]) -> list[Markup]:
    """Where answers lie: the area of a bin is as large as it has answers."""
    dense = [one.cases / max(_NARROW, one.high - one.low) for one in bins]
    found: list[Markup] = []
    for one, its in zip(bins, dense, strict=True):
        middle, half = (one.low + one.high) / 2, max(_NARROW, one.high - one.low) / 2
        left, right, tall = (
            _x(max(0.0, middle - half)),
            _x(min(1.0, middle + half)),
            _DENSEST * its / max(dense),
        )
        found.append(
            Markup('<rect class="count" x="{}" y="{}" width="{}" height="{}"/>').format(
                left, round(_y(0) - tall, 1), round(right - left, 1), round(tall, 1)
            )
        )
    return found


def _point(one: Bin) -> Markup:
    """A bin's share with its interval; marked where the interval does not reach what was said."""
    x = _x(one.predicted)
    return Markup('<g class="bin{}">{}{}</g>').format(
        "" if one.predicted in one.interval else " off",
        Markup('<line x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
            x, _y(one.interval.low), _y(one.interval.high)
        ),
        Markup('<circle cx="{}" cy="{}" r="4"/>').format(x, _y(one.right)),
    )


def _x(share: float) -> float:
    return round(_LEFT + _SIDE * share, 1)


def _y(share: float) -> float:
    return round(_TOP + _SIDE * (1 - share), 1)
