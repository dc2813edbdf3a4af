"""The arms of a split as a table: what each came to, and whether it is better or worse than the first.

A difference is called better or worse only where its 95% interval leaves out zero, and every arm got the
users that its share says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from roadworthy.dashboard.words import duration, number, percent, share, usd
from roadworthy.evals.reports.charts import Axis, interval
from roadworthy.monitoring import ArmOutcome, Outcomes

_MICRO = 1_000_000
_SMALL_USD = 0.01
_NOTHING = Markup("")
Form = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one arm came to in one measure."""

    value: str
    note: str = ""
    """What it is over, or its difference to the first arm with the interval."""
    drawn: Markup = _NOTHING
    said: str = ""
    """`better`, `worse`, or `no difference shown`; empty where nothing is compared."""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One measure, arm by arm."""

    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Arms:
    """A split as it is shown."""

    names: Sequence[str]
    lines: Sequence[Line]
    since_ms: int
    is_running: bool
    """Whether more than one arm serves at the moment."""
    lost: str
    """What to know before any figure, where an arm did not get the users that its share says."""


@dataclass(frozen=True, slots=True)
class _Measure:
    key: str
    name: str
    form: Form
    good: int
    """1 where more is better, -1 where less is."""


def _dollars(value: float) -> str:
    return usd(round(value * _MICRO))


def _fine_dollars(value: float) -> str:
    """To a millionth where it is small: differences are smaller than what they are between."""
    return f"${value:.6f}" if 0 < value < _SMALL_USD else _dollars(value)


def _points(value: float) -> str:
    return f"{100 * value:.1f} points"


_MEASURES = (
    _Measure("failed", "Failed", share, -1),
    _Measure("degraded", "Answered by a lower rung", share, -1),
    _Measure("reviewed", "Went to a person", share, -1),
    _Measure("approved", "Accepted as it was", share, 1),
    _Measure("edited", "Edited", share, -1),
    _Measure("rejected", "Rejected", share, -1),
    _Measure("feedback", "Rating, 0 to 1", number, 1),
    _Measure("cost_usd", "Cost per call", _dollars, -1),
    _Measure("latency_seconds", "Time, mean", duration, -1),
)
_DIFFERENCES: Mapping[Form, Form] = {share: _points, _dollars: _fine_dollars}
"""How a difference is written, where not as what it is between."""
_PERCENTILES = ((0.5, "Time, p50"), (0.95, "Time, p95"))
_OVER = {"approved": "decision", "edited": "decision", "rejected": "decision", "feedback": "rating"}


def arms_of(found: Outcomes, *, sees_costs: bool) -> Arms:
    """The table of a split; without what calls cost for those who may not see that."""
    everybody = sum(arm.keys for arm in found.arms)
    users = [
        Cell(
            number(arm.keys),
            f"{share(arm.keys / everybody) if everybody else 'none'} seen, "
            f"{f'{percent(arm.share)} asked' if arm.share else 'out by now'}",
        )
        for arm in found.arms
    ]
    lines = [Line("Users", users), Line("Calls", [Cell(number(arm.calls)) for arm in found.arms])]
    for one in _MEASURES:
        if one.key == "cost_usd" and not sees_costs:
            continue
        cells = _cells(found, one)
        if any(cell.value for cell in cells):
            lines.append(Line(one.name, cells))
    for part, name in _PERCENTILES:
        told = [duration(arm.latency.seconds_at(part)) for arm in found.arms]
        if any(told):
            lines.append(Line(name, [Cell(one) for one in told]))
    lost = ""
    if found.mismatched:
        lost = (
            "The arms did not get the users that their shares say "
            f"(p = {found.mismatch_p:.1g}): something loses users of one arm. "
            "Nothing can be concluded from these figures."
        )
    return Arms(
        names=[arm.name for arm in found.arms],
        lines=lines,
        since_ms=found.split.at,
        is_running=sum(arm.share > 0 for arm in found.arms) > 1,
        lost=lost,
    )


def _cells(found: Outcomes, measure: _Measure) -> list[Cell]:
    differences = [found.difference(arm, measure.key) for arm in found.arms[1:]]
    ends = [abs(end) for one in differences if one for end in (one[1].low, one[1].high)]
    most = max(ends, default=0.0) or 1.0
    return [_cell(found, arm, measure, Axis(-most, most, ())) for arm in found.arms]


def _cell(found: Outcomes, arm: ArmOutcome, measure: _Measure, axis: Axis) -> Cell:
    rate = arm.rates[measure.key]
    if rate.value is None:
        return Cell("")
    value, noun = measure.form(rate.value), _OVER.get(measure.key)
    if arm is found.arms[0]:
        plural = "" if rate.count == 1 else "s"
        return Cell(value, f"of {rate.count:,} {noun}{plural}" if noun else "")
    difference = found.difference(arm, measure.key)
    if difference is None:
        return Cell(value, "too few users to compare")
    more, (low, high) = difference[0], (difference[1].low, difference[1].high)
    said, tone = "no difference shown", ""
    if low > 0 or high < 0:
        said, tone = ("better", "ok") if more * measure.good > 0 else ("worse", "bad")
    if found.mismatched:
        said, tone = "", ""
    form = _DIFFERENCES.get(measure.form, measure.form)
    note = f"{_signed(more, form)} ({_signed(low, form)} to {_signed(high, form)})"
    label = f"{measure.name} of {arm.name} against {found.arms[0].name}: {note}"
    drawn = interval(label, axis, more, low, high, line=0, tone=tone)
    return Cell(value, note, drawn, said, tone)


def _signed(value: float, form: Form) -> str:
    said = form(abs(value))
    if said == form(0):
        return said
    return f"{'+' if value > 0 else '−'}{said}"  # noqa: RUF001 - a minus, as wide as the plus
