"""Values as people read them on a page. Times are milliseconds since 1970, money is micro-dollars."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape

from roadworthy.records import Json, iso

_SECOND_MS, _MINUTE_MS, _HOUR_MS, _DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
_UNITS = ((_DAY_MS, "d"), (_HOUR_MS, "h"), (_MINUTE_MS, "min"), (_SECOND_MS, "s"))
_MICRO = 1_000_000
_CENTS_FROM_MICRO = 100 * _MICRO
"""From so much on a cost is shown in whole cents."""
_WHOLE_FROM_USD = 100
_SMALL_SECONDS = 10
_SHORT_ID = 12
_REVIEW = re.compile(r"review:review_[0-9a-f]+$")


def ago(time_ms: int, now_ms: int) -> str:
    """How long ago, or in how long, in its largest unit."""
    distance = abs(now_ms - time_ms)
    for unit, name in _UNITS:
        if distance >= unit:
            span = f"{distance // unit} {name}"
            return f"{span} ago" if time_ms <= now_ms else f"in {span}"
    return "now"


def moment(time_ms: int | None, now_ms: int) -> Markup:
    """A time as an element that says how long ago, keeps counting, and tells the exact time."""
    if time_ms is None:
        return Markup("")
    exact = iso(time_ms)
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
        exact, exact[:19].replace("T", " ") + " UTC", ago(time_ms, now_ms)
    )


def duration(seconds: float | None) -> str:
    """A span of time; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _SMALL_SECONDS:
        return f"{seconds:.2f} s"
    if seconds < _MINUTE_MS / 1000:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, below, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {small}" if rest else "")
    return ""


def usd(micro_usd: int | None, *, known: bool = True) -> str:
    """A cost, four figures behind the point where it is small; a question mark where a price is unknown."""
    if micro_usd is None:
        return ""
    if not known:
        return "?"
    if 0 < abs(micro_usd) < 100:  # noqa: PLR2004 - less than the four figures show
        return f"${micro_usd / _MICRO:.6f}"
    return f"${micro_usd / _MICRO:,.{2 if abs(micro_usd) >= _CENTS_FROM_MICRO or not micro_usd else 4}f}"


def dollars(amount_usd: float | None) -> str:
    """A cost as it fits beside an axis: whole dollars from a hundred on, cents from one; nothing for None."""
    if amount_usd is None:
        return ""
    if amount_usd < 1:
        return usd(round(amount_usd * _MICRO))
    return f"${amount_usd:,.{0 if amount_usd >= _WHOLE_FROM_USD else 2}f}"


def number(value: float | None) -> str:
    """A number with separators for thousands."""
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def share(value: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 as a percentage."""
    return "" if value is None else f"{value * 100:.{digits}f}%"


def percent(value: float) -> str:
    """A share from 0 to 1 that somebody gave, to a hundredth at most: `50%`, `12.5%`."""
    return f"{value * 100:.2f}".rstrip("0").rstrip(".") + "%"


def bounded(count: int, most: int) -> str:
    """A count that was stopped after `most`."""
    return f"{most:,}+" if count > most else f"{count:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """A count and its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def short_id(whole: str) -> str:
    """The kind of an id and its last characters, which differ; whole ids are in titles and links."""
    kind, _, rest = whole.rpartition("_")
    return f"{kind}_…{rest[-_SHORT_ID:]}" if kind and len(rest) > _SHORT_ID else whole


def step_name(name: str) -> str:
    """A step's name without the id of the review that it waits for."""
    return _REVIEW.sub("the review", name)


def pretty(value: Json) -> str:
    """A JSON value on several lines; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def attributes(values: Mapping[str, Any]) -> Markup:
    """HTML attributes; those that are None or False are left out."""
    given = [(name, value) for name, value in values.items() if value is not None and value is not False]
    return Markup(" ").join(
        escape(name) if value is True else Markup('{}="{}"').format(name, value) for name, value in given
    )


FILTERS: Mapping[str, Callable[..., Any]] = {
    "duration": duration,
    "usd": usd,
    "number": number,
    "share": share,
    "percent": percent,
    "bounded": bounded,
    "plural": plural,
    "short_id": short_id,
    "step_name": step_name,
    "pretty": pretty,
    "attributes": attributes,
}
