"""`/costs`: where money went, by whatever tells it apart, what was saved, and how budgets stand.

`by`, `period` and the filters stand in the address, so that one link is one view; `/costs.csv` is the same
view as comma-separated values.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from markupsafe import Markup

from roadworthy.access import Permission
from roadworthy.dashboard import charts
from roadworthy.dashboard.pages.accounts import accounts
from roadworthy.dashboard.queries.costs import DAY_MS, MOST_REFUSED, Asked, Ledger, date_of, day_of
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, visits
from roadworthy.dashboard.words import dollars
from roadworthy.monitoring import Dimension, Figures, Key, sum_of
from roadworthy.monitoring import Row as Counted
from roadworthy.service.costs import cost_row

By = Literal["workflow", "prompt", "model", "tenant", "day"]
Period = Literal["day", "7d", "30d", "month"]
Name = Annotated[str, Query(max_length=200)]
_PERIODS: Mapping[Period, str] = {
    "day": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "month": "This month",
}
_BY: Mapping[By, str] = {
    "workflow": "Workflow",
    "prompt": "Prompt",
    "model": "Model",
    "tenant": "Tenant",
    "day": "Day",
}
_NEXT: Mapping[By, By] = {"workflow": "prompt", "prompt": "model", "model": "workflow", "tenant": "workflow"}
"""By what one looks at the part that a row stands for."""
_MOST_ROWS = 50
_MOST_LINES = 4
_STEERS_A_SPREADSHEET = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for."""

    by: By = "workflow"
    period: Period = "30d"
    workflow: Name = ""
    tenant: Name = ""
    prompt: Name = ""
    model: Name = ""

    def since_ms(self, now_ms: int) -> int:
        """The first moment that counts, in UTC."""
        back = {"day": 0, "7d": 6, "30d": 29, "month": date_of(now_ms).day - 1}[self.period]
        return day_of(now_ms) - back * DAY_MS

    def asked(self, visit: Visit, by: tuple[Dimension, ...]) -> Asked:
        """The same as a question, of what the visitor may see."""
        return Asked(
            self.since_ms(visit.app.clock.now_ms()),
            visit.principal.scope(Permission.COSTS_READ),
            by,
            **{name: getattr(self, name) or None for name in _FILTERS},
        )


_FILTERS = ("workflow", "tenant", "prompt", "model")


@dataclass(frozen=True, slots=True)
class Choice:
    """A link that changes one thing of the view."""

    name: str
    address: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    address: str
    figures: Figures
    share: float


@dataclass(frozen=True, slots=True)
class Saving:
    """Money that was not spent."""

    name: str
    micro_usd: int
    note: str = ""


def router(renderer: Renderer, ledger: Ledger) -> APIRouter:
    """The routes."""
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(renderer.app, Permission.COSTS_READ)

    @made.get("/costs")
    async def costs(visit: Annotated[Visit, Depends(reads)], view: Annotated[View, Depends()]) -> Response:
        context: dict[str, Any] = {"view": view}
        if visit.fragment != "budgets":
            context |= await _money(visit, view, ledger)
        context["accounts"] = await accounts(visit, ledger) if visit.may(Permission.COSTS_READ) else None
        return await renderer.page(visit, "costs.html", **context)

    @made.get("/costs.csv")
    async def values(visit: Annotated[Visit, Depends(reads)], view: Annotated[View, Depends()]) -> Response:
        found = await ledger.figures(visit, view.asked(visit, (Dimension(view.by),)))
        name = f"costs-{view.by}-{view.period}.csv"
        return Response(
            _csv(view.by, found),
            media_type="text/csv",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    return made


async def _money(visit: Visit, view: View, ledger: Ledger) -> dict[str, Any]:
    dimension = Dimension(view.by)
    by = (Dimension.DAY,) if dimension is Dimension.DAY else (Dimension.DAY, dimension)
    asked = view.asked(visit, by)
    found = await ledger.figures(visit, asked)
    total = sum_of(Counted(key, figures) for key, figures in found.items())
    mine = replace(asked, by=(), scope=visit.principal.scope(Permission.RUNS_READ))
    of_runs = await ledger.runs(visit, mine)
    about_runs = not (view.prompt or view.model)  # a run has no one prompt or model
    rows, others = _rows(visit, view, found, total)
    return {
        "rows": rows,
        "others": others,
        "total": total,
        "by_name": _BY[view.by].lower(),
        "lines": _lines(view, asked, found, rows, visit.app.clock.now_ms()),
        "spark": _spark(asked, found, visit.app.clock.now_ms()),
        "savings": _savings(total),
        "dearest": of_runs.dearest if about_runs else (),
        "refused": of_runs.refused if about_runs else 0,
        "refused_address": _runs_list("status:dead,parked error:budget_spent", asked),
        "most": MOST_REFUSED,
        "period_name": _PERIODS[view.period],
        "periods": [
            Choice(name, visit.address(period=one), one == view.period) for one, name in _PERIODS.items()
        ],
        "dimensions": [Choice(name, visit.address(by=one), one == view.by) for one, name in _BY.items()],
        "filters": [
            Choice(f"{name}: {value}", visit.address(**{name: None}))
            for name in _FILTERS
            if (value := getattr(view, name))
        ],
        "csv_address": f"/costs.csv?{visit.request.url.query}",
        "first_day": date_of(asked.since_ms),
        "last_day": date_of(visit.app.clock.now_ms()),
    }


def _rows(
    visit: Visit, view: View, found: Mapping[Key, Figures], total: Figures
) -> tuple[Sequence[Row], Row | None]:
    """The dearest first, or the newest day; and what the others come to."""
    sums = defaultdict[str, Figures](Figures)
    for key, figures in found.items():
        sums[key[-1]] += figures
    named = [(name, figures) for name, figures in sums.items() if figures != Figures()]
    if view.by == "day":
        named.sort(reverse=True)
    else:
        named.sort(key=lambda one: (-one[1].cost_micro_usd, -one[1].calls, one[0]))
    whole = total.cost_micro_usd or 1
    rows = [
        Row(name, _part(visit, view, name), figures, figures.cost_micro_usd / whole)
        for name, figures in named[:_MOST_ROWS]
    ]
    rest = [Counted((name,), figures) for name, figures in named[_MOST_ROWS:]]
    if not rest:
        return rows, None
    others = sum_of(rest)
    return rows, Row(f"{len(rest):,} others", "", others, others.cost_micro_usd / whole)


def _part(visit: Visit, view: View, name: str) -> str:
    """Where one looks closer at a row; nowhere for a day, or for calls that have no such thing."""
    following = _NEXT.get(view.by)
    if following is None or not name or getattr(view, view.by):
        return ""
    return visit.address(**{view.by: name, "by": following})


def _days(asked: Asked, now_ms: int) -> Sequence[date]:
    first, last = date_of(asked.since_ms), date_of(now_ms)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _lines(
    view: View, asked: Asked, found: Mapping[Key, Figures], rows: Sequence[Row], now_ms: int
) -> tuple[Sequence[str], Markup]:
    """Money by day: a line for each of the dearest, and one for all others."""
    days = _days(asked, now_ms)
    names = [] if view.by == "day" else [row.name for row in rows[:_MOST_LINES]]
    has_others = len(rows) > len(names)
    lines = {name: [0.0] * len(days) for name in names}
    others = [0.0] * len(days)
    place = {day.isoformat(): number for number, day in enumerate(days)}
    for key, figures in found.items():
        line = others if view.by == "day" else lines.get(key[-1], others)
        if key[0] in place:
            line[place[key[0]]] += figures.cost_micro_usd / 1_000_000
    series = [charts.Series(name or "(none)", line) for name, line in lines.items()]
    if has_others:
        series.append(charts.Series("others" if names else "all", others, filled=not names))
    drawn = charts.lines(
        "Spending by day, USD", [f"{day:%b} {day.day}" for day in days], series, form=dollars
    )
    return [one.name for one in series] if len(series) > 1 else [], drawn


def _spark(asked: Asked, found: Mapping[Key, Figures], now_ms: int) -> Markup:
    sums = defaultdict[str, int](int)
    for key, figures in found.items():
        sums[key[0]] += figures.cost_micro_usd
    return charts.sparkline("Spending by day", [sums[day.isoformat()] for day in _days(asked, now_ms)])


def _savings(total: Figures) -> Sequence[Saving]:
    """Ways in which money was saved, the largest first."""
    unpriced = f"; what {total.unpriced_exits:,} of them saved is not known" if total.unpriced_exits else ""
    found = [
        Saving("Known answers", total.saved_by_cache_micro_usd, f"{total.cache_answers:,} calls"),
        Saving("Rules before a model", total.saved_by_rules_micro_usd, f"{total.rule_answers:,} calls"),
        Saving(
            "Runs that were skipped",
            total.saved_by_exits_micro_usd,
            f"{total.early_exits:,} runs{unpriced}",
        ),
        Saving(
            "Providers' prefix caches", total.saved_by_prefix_micro_usd, f"{total.cached_tokens:,} tokens"
        ),
        Saving("Providers' batches", total.saved_by_batch_micro_usd),
    ]
    return sorted(found, key=lambda one: -one.micro_usd)


def _runs_list(search: str, asked: Asked) -> str:
    """The list of runs, with the same restriction."""
    words = [search, f"since:{datetime.fromtimestamp(asked.since_ms / 1000, UTC):%Y-%m-%d}"]
    words += [f'{name}:"{value}"' for name in ("workflow", "tenant") if (value := getattr(asked, name))]
    return "/runs?" + urlencode({"q": " ".join(words)})


def _csv(by: str, found: Mapping[Key, Figures]) -> str:
    """A header and a line for each row, the dearest first; no text is a formula to a spreadsheet."""
    out = io.StringIO()
    plain = [
        {by: _cell(key[0]), **cost_row({}, figures).model_dump(exclude={"key"})}
        for key, figures in sorted(found.items(), key=lambda one: (-one[1].cost_micro_usd, one[0]))
    ]
    names = [by, *cost_row({}, Figures()).model_dump(exclude={"key"})]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain)
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_STEERS_A_SPREADSHEET) else text
