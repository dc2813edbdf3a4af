"""Charts as inline SVG: lines over days, sparklines, shares of a bar. Colours come from the style sheet.

A chart says in words what it shows (`label`), and each of its places what it stands for. Values that are
None leave a gap. Widths are in the chart's own units: it is drawn as wide as its place.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 10, 24
_GRID_LINES = 4
_LABELS = 7
_NOTHING = 1e-12
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
Value = float | None
Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, and a value for each place."""

    name: str
    values: Sequence[Value]
    filled: bool = False


def lines(
    label: str, places: Sequence[str], series: Sequence[Series], *, form: Format, cap: float | None = None
) -> Markup:
    """Lines over named places, from 0 up; `cap` is a dashed line, and `form` writes a value."""
    values = [value for one in series for value in one.values if value is not None]
    if not values or len(places) < 2:  # noqa: PLR2004 - one place is no line
        return Markup('<p class="empty">Not enough has happened yet to draw this.</p>')
    top = _round_up(max([*values, cap or 0.0]))
    parts = [_grid(top, form), _below(places)]
    parts += [_line(one, number, top) for number, one in enumerate(series, 1)]
    if cap is not None:
        parts.append(
            Markup('<line class="cap" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                _LEFT, _WIDTH - _RIGHT, _y(cap, top), _y(cap, top)
            )
        )
    parts.append(_hints(places, series, form))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, label, Markup("").join(parts)
    )


def sparkline(label: str, values: Sequence[Value]) -> Markup:
    """A small line without axes; nothing where there is too little to draw."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:  # noqa: PLR2004 - one place is no line
        return Markup("")
    low, high = min(value for _, value in known), max(value for _, value in known)
    span = (high - low) or 1.0
    points = " ".join(
        f"{2 + 76 * place / (len(values) - 1):.1f},{22 - 20 * (value - low) / span:.1f}"
        for place, value in known
    )
    return Markup(
        '<svg class="sparkline" viewBox="0 0 80 24" role="img" aria-label="{}"><polyline points="{}"/></svg>'
    ).format(label, points)


def bar(share: float, *, tone: str = "") -> Markup:
    """A share from 0 to 1 as a bar; what it shows stands beside it in words."""
    wide = 100 * min(1.0, max(0.0, share))
    return Markup(
        '<svg class="bar {}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-all" width="100" height="6" rx="3"/>'
        '<rect class="bar-part" width="{:.2f}" height="6" rx="3"/></svg>'
    ).format(tone, wide)


def span(start: float, end: float, *, tone: str = "") -> Markup:
    """A stretch of time as a bar in its row; `start` and `end` are shares of the whole from 0 to 1."""
    wide = max(0.4, 100 * (end - start))
    return Markup(
        '<svg class="span {}" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect x="{:.3f}" width="{:.3f}" height="12" rx="1"/></svg>'
    ).format(tone, min(100 - wide, 100 * start), wide)


def _round_up(highest: float) -> float:
    """The end of the axis: the next round number, so that grid lines stand at round ones."""
    if highest < _NOTHING:
        return 1.0
    unit = 10 ** math.floor(math.log10(highest / _GRID_LINES))
    return next(
        _GRID_LINES * step * unit for step in _STEPS if _GRID_LINES * step * unit >= highest * (1 - 1e-9)
    )


def _x(place: int, places: int) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * place / max(1, places - 1), 1)


def _y(value: float, top: float) -> float:
    return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top, 1)


def _grid(top: float, form: Format) -> Markup:
    drawn = Markup('<line x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text x="{3}" y="{4}" class="end">{5}</text>')
    heights = [top * number / _GRID_LINES for number in range(_GRID_LINES + 1)]
    return Markup('<g class="grid">{}</g>').format(
        Markup("").join(
            drawn.format(_LEFT, _WIDTH - _RIGHT, _y(one, top), _LEFT - 8, _y(one, top) + 4, form(one))
            for one in heights
        )
    )


def _below(places: Sequence[str]) -> Markup:
    every = math.ceil(len(places) / _LABELS)
    return Markup('<g class="places">{}</g>').format(
        Markup("").join(
            Markup('<text x="{}" y="{}" class="middle">{}</text>').format(
                _x(number, len(places)), _HEIGHT - 6, name
            )
            for number, name in enumerate(places)
            if number % every == 0
        )
    )


def _line(one: Series, number: int, top: float) -> Markup:
    """The line in pieces, one for each stretch without a gap."""
    pieces: list[list[str]] = [[]]
    for place, value in enumerate(one.values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{_x(place, len(one.values))},{_y(value, top)}")
    drawn: list[Markup] = []
    for piece in pieces:
        if len(piece) == 1:
            x, y = piece[0].split(",")
            drawn.append(Markup('<circle cx="{}" cy="{}" r="2.5"/>').format(x, y))
        elif piece:
            if one.filled:
                first, last = piece[0].split(",")[0], piece[-1].split(",")[0]
                floor = _HEIGHT - _BOTTOM
                around = " ".join([f"{first},{floor}", *piece, f"{last},{floor}"])
                drawn.append(Markup('<polygon points="{}"/>').format(around))
            drawn.append(Markup('<polyline points="{}"/>').format(" ".join(piece)))
    return Markup('<g class="series series-{}">{}</g>').format(number, Markup("").join(drawn))


def _hints(places: Sequence[str], series: Sequence[Series], form: Format) -> Markup:
    """An invisible column at each place, whose title tells its values."""
    wide = (_WIDTH - _LEFT - _RIGHT) / max(1, len(places) - 1)
    column = Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>')
    return Markup('<g class="hints">{}</g>').format(
        Markup("").join(
            column.format(
                _x(number, len(places)) - wide / 2,
                _TOP,
                wide,
                _HEIGHT - _TOP - _BOTTOM,
                "\n".join([name, *_told(number, series, form)]),
            )
            for number, name in enumerate(places)
        )
    )


def _told(number: int, series: Sequence[Series], form: Format) -> list[str]:
    given = [(one.name, one.values[number]) for one in series]
    return [f"{name}: {form(value)}" for name, value in given if value is not None]
