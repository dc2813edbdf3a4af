"""The figures and charts of the overview: each from what its reader may see, or left out."""

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from urllib.parse import urlencode

from markupsafe import Markup

from roadworthy.access import Permission
from roadworthy.budgets import Budgets
from roadworthy.dashboard import charts
from roadworthy.dashboard.queries.costs import DAY_MS, Asked, Ledger, date_of, day_of, together
from roadworthy.dashboard.queries.overview import verdicts
from roadworthy.dashboard.visit import Visit
from roadworthy.dashboard.words import dollars, duration, plural, share
from roadworthy.monitoring import Dimension, Figures, Latency
from roadworthy.monitoring.expectation import Expectation
from roadworthy.monitoring.history import DAYS as HISTORY_DAYS
from roadworthy.monitoring.history import days_left

DAYS = 21
_WEEK = 7
_MICRO = 1_000_000
_MONTH = len("2026-11")


@dataclass(frozen=True, slots=True)
class Card:
    """One figure, with the list that it opens."""

    label: str
    value: str
    note: str
    address: str
    spark: Markup


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart over days."""

    title: str
    names: Sequence[str]
    drawn: Markup
    address: str


@dataclass(frozen=True, slots=True)
class Trends:
    """All of them."""

    cards: Sequence[Card]
    charts: Sequence[Chart]


async def trends(visit: Visit, ledger: Ledger) -> Trends:
    """What may be seen of the last three weeks and of this month."""
    today = date_of(visit.app.clock.now_ms())
    days = _between(today - timedelta(days=DAYS - 1), today + timedelta(days=1))
    parts: list[tuple[Card, Chart]] = []
    if visit.may_somewhere(Permission.COSTS_READ):
        spent = await _spent(visit, ledger)
        parts += [_per_request(days, spent), _month(visit, today, spent)]
    parts.append(await _latency(visit, ledger, days))
    if visit.may_somewhere(Permission.REVIEWS_READ):
        parts.append(await _accepted(visit, days))
    return Trends([card for card, _ in parts], [chart for _, chart in parts])


async def _spent(visit: Visit, ledger: Ledger) -> Mapping[date, Figures]:
    """By day, as far back as a forecast looks."""
    since_ms = day_of(visit.app.clock.now_ms()) - HISTORY_DAYS * DAY_MS
    asked = Asked(since_ms, visit.principal.scope(Permission.COSTS_READ), by=(Dimension.DAY,))
    found = await ledger.figures(visit, asked, exits_too=False)
    return {date.fromisoformat(day): figures for (day,), figures in found.items()}


def _per_request(days: Sequence[date], spent: Mapping[date, Figures]) -> tuple[Card, Chart]:
    each = [_cost_each([spent.get(day, Figures())]) for day in days]
    this_week, before = (
        _cost_each([spent.get(day, Figures()) for day in part])
        for part in (days[-_WEEK:], days[-2 * _WEEK : -_WEEK])
    )
    note = "over 7 days"
    if this_week is not None and before:
        change = round(this_week / before - 1, 2)
        note = f"{'up' if change > 0 else 'down'} {share(abs(change), 0)} on the week before"
        note = note if change else "as in the week before"
    title, address = "Cost per request", "/costs?by=prompt&period=7d"
    card = Card(title, dollars(this_week) or "no answer yet", note, address, charts.sparkline(title, each))
    series = [charts.Series("US dollars per answered call", each)]
    return card, _chart(f"{title}, USD", [], days, series, dollars, address)


def _cost_each(figures: Sequence[Figures]) -> float | None:
    """US dollars for one answered call, failed ones included; None without one."""
    answered = sum(one.answered for one in figures)
    return sum(one.cost_micro_usd for one in figures) / answered / _MICRO if answered else None


def _month(visit: Visit, today: date, spent: Mapping[date, Figures]) -> tuple[Card, Chart]:
    """Money this month, day by day on top of each other, and where it is heading."""
    days = [today.replace(day=number + 1) for number in range(monthrange(today.year, today.month)[1])]
    sums: list[float] = []
    for day in days[: today.day]:
        sums.append((sums[-1] if sums else 0.0) + spent.get(day, Figures()).cost_micro_usd / _MICRO)
    cap, so_far = _capdollars(visit), sums[-1]
    expected = _expecteddollars(visit, today, spent, so_far)
    left = len(days) - today.day
    series = [charts.Series("spent", [*sums, *[None] * left], filled=True)]
    if expected is not None and left:
        ahead = [so_far + (expected - so_far) * number / left for number in range(left + 1)]
        series.append(charts.Series("expected", [*[None] * (today.day - 1), *ahead]))
    is_unknown = any(spent.get(day, Figures()).unknown_prices for day in days[: today.day])
    value = (
        dollars(so_far) + (" + ?" if is_unknown else "") + (f" of {dollars(cap)}" if cap is not None else "")
    )
    note = "no whole day yet to go by" if expected is None else f"on track for {dollars(expected)}"
    if cap is not None and expected is not None and expected > cap:
        note += ", more than the cap"
    address = "/costs?by=day&period=month"
    daily = [
        spent.get(today - timedelta(days=back), Figures()).cost_micro_usd for back in range(DAYS - 1, -1, -1)
    ]
    card = Card("Spend this month", value, note, address, charts.sparkline("Spending by day", daily))
    names = [one.name for one in series]
    title = "Spend against cap, USD" if cap is not None else "Spend this month, USD"
    return card, _chart(title, names, days, series, dollars, address, cap=cap)


def _capdollars(visit: Visit) -> float | None:
    """The least that the environment may spend in a month; only for whoever sees all of it."""
    if not visit.may(Permission.COSTS_READ):
        return None
    settings, now_ms = visit.app.settings, visit.app.clock.now_ms()
    limits = [
        one.limit_micro_usd
        for one in Budgets(settings.budgets).every(settings.environment, now_ms)
        if settings.budgets[one.budget].scope == "environment"
        and len(one.window) == _MONTH
        and one.limit_micro_usd is not None
    ]
    return min(limits) / _MICRO if limits else None


def _expecteddollars(visit: Visit, today: date, spent: Mapping[date, Figures], so_far: float) -> float | None:
    """What the month will have cost at its end, from days like those to come; None without a whole day."""
    first = min((day for day, its in spent.items() if its.calls), default=today)
    seen = {day: spent.get(day, Figures()).cost_micro_usd for day in _between(first, today)}
    if not seen:
        return None
    now_ms = visit.app.clock.now_ms()
    month_ends_ms = day_of(now_ms) + DAY_MS * (monthrange(today.year, today.month)[1] - today.day + 1)
    return so_far + Expectation(seen).over(days_left(now_ms, month_ends_ms, "UTC")) / _MICRO


def _between(first: date, end: date) -> Sequence[date]:
    return [first + timedelta(days=number) for number in range((end - first).days)]


async def _latency(visit: Visit, ledger: Ledger, days: Sequence[date]) -> tuple[Card, Chart]:
    since_ms = day_of(visit.app.clock.now_ms()) - (DAYS - 1) * DAY_MS
    asked = Asked(since_ms, visit.principal.scope(Permission.RUNS_READ), by=(Dimension.DAY,))
    found = await ledger.latencies(visit, asked)
    by_day = [found.get((day.isoformat(),), Latency({})) for day in days]
    halves, slowest = ([one.seconds_at(part) for one in by_day] for part in (0.5, 0.95))
    week = together(by_day[-_WEEK:])
    half, slow = week.seconds_at(0.5), week.seconds_at(0.95)
    title = "p95 latency"
    address = "/runs?" + urlencode({"q": f"since:7d seconds:>{slow:.3g}" if slow is not None else "since:7d"})
    note = f"half within {duration(half)}, over 7 days" if half is not None else "of answered calls"
    card = Card(title, duration(slow) or "no answer yet", note, address, charts.sparkline(title, slowest))
    series = [charts.Series("p50", halves), charts.Series("p95", slowest)]
    return card, _chart("Latency of calls", ["p50", "p95"], days, series, _seconds, address)


async def _accepted(visit: Visit, days: Sequence[date]) -> tuple[Card, Chart]:
    since_ms = day_of(visit.app.clock.now_ms()) - (DAYS - 1) * DAY_MS
    scope, environment = visit.principal.scope(Permission.REVIEWS_READ), visit.app.settings.environment
    found = await visit.read(lambda tx: verdicts(tx, environment, scope, since_ms))
    by_day = [found.get(day, Counter[str]()) for day in days]
    unedited, all_of_them = (
        [_part(one, names) for one in by_day] for names in (("approved",), ("approved", "edited"))
    )
    whole = sum(by_day, Counter[str]())
    title, address = "Accepted unedited", "/reviews?show=decided"
    card = Card(
        title,
        share(_part(whole, ("approved",))) or "no review yet",
        f"{plural(whole.total(), 'review')} in {DAYS} days",
        address,
        charts.sparkline(title, unedited),
    )
    names = ["unedited", "all accepted"]
    series = [charts.Series(names[0], unedited), charts.Series(names[1], all_of_them)]
    return card, _chart("Acceptance by reviewers", names, days, series, partial(share, digits=0), address)


def _part(counts: Counter[str], names: Sequence[str]) -> float | None:
    return sum(counts[name] for name in names) / counts.total() if counts.total() else None


def _chart(
    title: str,
    names: Sequence[str],
    days: Sequence[date],
    series: Sequence[charts.Series],
    form: Callable[[float], str],
    address: str,
    *,
    cap: float | None = None,
) -> Chart:
    places = [f"{day:%b} {day.day}" for day in days]
    return Chart(title, names, charts.lines(f"{title}, by day", places, series, form=form, cap=cap), address)


def _seconds(value: float) -> str:
    return "0" if not value else duration(value)
