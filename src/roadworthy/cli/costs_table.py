"""A report of costs as a table, as comma-separated values, and as a document.

A price that nobody knows is never shown as nothing: `?`, or ` + ?` behind what is known.
"""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from roadworthy.cli import terminal
from roadworthy.monitoring import Figures
from roadworthy.records import from_micro_usd, iso

if TYPE_CHECKING:
    from roadworthy.monitoring import EarlyExit, Report

_SHOWN_EXITS = 10
_BETWEEN = 2
"""Spaces between two columns."""
_NARROW_NAME = 20
"""Longer names are broken into lines where there is little room."""
_STEERS_A_SPREADSHEET = ("=", "+", "-", "@", "\t", "\r")
_USEFUL_DIGITS = 3
_MOST_DECIMALS, _FEWEST_DECIMALS = 6, 2


def money(amount_usd: Decimal) -> str:
    """Dollars for people: two decimals, and below a dollar as many as show three digits, at most six."""
    decimals = _FEWEST_DECIMALS
    if amount_usd and abs(amount_usd) < 1:
        decimals = max(decimals, min(_MOST_DECIMALS, _USEFUL_DIGITS - 1 - amount_usd.adjusted()))
    return f"{amount_usd:,.{decimals}f}"


def micro(micro_usd: int, *, and_more: bool = False) -> str:
    """Micro-dollars for people; `and_more` where a part of it is not known."""
    if and_more:
        return f"{money(from_micro_usd(micro_usd))} + ?" if micro_usd else "?"
    return money(from_micro_usd(micro_usd)) if micro_usd else "0"


def _share(report: "Report", its: Figures) -> str:
    share = report.share(its)
    return "" if share is None else f"{share:.1%}"


def _per_answer(_: "Report", its: Figures) -> str:
    if its.cost_per_answer_usd is None:
        return "?" if its.answered and its.unknown_prices else ""
    shown = money(its.cost_per_answer_usd) if its.cost_per_answer_usd else "0"
    return f"{shown} + ?" if its.unknown_prices else shown


def _by_code(_: "Report", its: Figures) -> str:
    saved = its.saved_by_rules_micro_usd + its.saved_by_exits_micro_usd
    return micro(saved, and_more=its.unpriced_exits > 0)


_COLUMNS: Mapping[str, Callable[["Report", Figures], str]] = {
    "calls": lambda _, its: f"{its.calls:,}",
    "attempts": lambda _, its: f"{its.attempts:,}",
    "tokens in": lambda _, its: f"{its.input_tokens:,}",
    "cached": lambda _, its: f"{its.cached_tokens:,}",
    "tokens out": lambda _, its: f"{its.output_tokens:,}",
    "USD": lambda _, its: micro(its.cost_micro_usd, and_more=its.unknown_prices > 0),
    "share": _share,
    "per answer": _per_answer,
    "no price": lambda _, its: f"{its.unknown_prices:,}",
    "assumed": lambda _, its: f"{its.assumed:,}",
    "saved: cache": lambda _, its: micro(its.saved_by_cache_micro_usd),
    "prefix": lambda _, its: micro(its.saved_by_prefix_micro_usd),
    "batch": lambda _, its: micro(its.saved_by_batch_micro_usd),
    "rules, exits": _by_code,
}
_ALWAYS = ("calls", "attempts", "tokens in", "tokens out", "USD", "share", "per answer")
"""Shown also where there is nothing in them."""
_CAN_GO = ("cached", "tokens out", "tokens in", "attempts", "assumed", "per answer", "share")
"""Left out on a narrow terminal, the first ones first, before a figure would be cut short."""


def print_report(report: "Report", limit: int | None) -> None:
    """The table, with what has to be known to read it."""
    where = f"environment {report.query.where.environment!r}, {_stretch(report)}"
    if not report.rows:
        terminal.say(f"No calls: {terminal.clean(where)}.")
        return
    terminal.say(f"US dollars, {terminal.clean(where)}", style="dim")
    rows = [*_rows(report, limit), (_in_first_column(report, "total"), report.total)]
    cells = {name: [cell(report, its) for _, its in rows] for name, cell in _COLUMNS.items()}
    shown = {name: column for name, column in cells.items() if name in _ALWAYS or set(column) != {"0"}}
    keys = [[terminal.clean(name, most=60) for name in key] for key, _ in rows]
    for name in _CAN_GO:
        if _width(keys, shown) <= terminal.console().width:
            break
        shown.pop(name, None)
    made = terminal.table(*report.query.by, *shown, right=tuple(shown))
    for number, key in enumerate(keys):
        is_total = number == len(keys) - 1
        if is_total:
            made.add_section()
        figures_of_row = (column[number] for column in shown.values())
        made.add_row(*key, *figures_of_row, style="bold" if is_total else None)
    terminal.show(made)
    _say_notes(report)


def _width(keys: Sequence[Sequence[str]], columns: Mapping[str, Sequence[str]]) -> int:
    """Characters that a line needs: figures as a whole, names as far as they cannot be broken."""
    widths = [max(map(len, [name, *column])) for name, column in columns.items()]
    widths += [min(_NARROW_NAME, max(map(len, names))) for names in zip(*keys, strict=True)]
    return sum(widths) + _BETWEEN * len(widths)


def _rows(report: "Report", limit: int | None) -> "list[tuple[Sequence[str], Figures]]":
    """The first rows, and one for the others."""
    shown, others = report.first(limit)
    rows: list[tuple[Sequence[str], Figures]] = [
        ([name or "(none)" for name in row.key], row.figures) for row in shown
    ]
    if others is not None:
        rows.append((_in_first_column(report, f"({others.rows:,} others)"), others.figures))
    return rows


def _in_first_column(report: "Report", label: str) -> Sequence[str]:
    return [label, *[""] * (len(report.query.by) - 1)]


def _say_notes(report: "Report") -> None:
    total = report.total
    if total.unknown_prices:
        terminal.say(f"+ ?: {unknown_prices(total)}")
    if total.assumed:
        amount = micro(total.assumed_micro_usd)
        terminal.say(
            f"Assumed: {_requests(total.assumed)}, {amount} in all, where the provider counted nothing."
        )
    for one in report.early_exits[:_SHOWN_EXITS]:
        saved = one.saved_micro_usd
        what = "what they saved is not known" if saved is None else f"saved about {micro(saved)}"
        runs = "1 run" if one.runs == 1 else f"{one.runs:,} runs"
        named = f"{one.workflow}: {runs} ended early ({one.reason or 'no reason given'}); {what}"
        terminal.say(terminal.clean(named, most=200))
    more = len(report.early_exits) - _SHOWN_EXITS
    if more > 0:
        terminal.say(f"... and {more} more reasons", style="dim")


def unknown_prices(its: Figures) -> str:
    """What a `+ ?` stands for."""
    return f"the price of {_requests(its.unknown_prices)} is not known; the cost is more than it shows."


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"


def _stretch(report: "Report") -> str:
    from roadworthy.monitoring.days import zone_of

    zone = zone_of(report.query.timezone)

    def said(time_ms: int) -> str:
        return f"{datetime.fromtimestamp(time_ms / 1000, zone):%Y-%m-%d %H:%M}"

    return f"{said(report.query.since_ms)} to {said(report.query.until_ms)} ({report.query.timezone})"


def print_csv(report: "Report", limit: int | None) -> None:
    """A header, then a line for each row; no total, so that adding up a column is right."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*report.query.by, *figures(report, report.total)])
    for key, its in _rows(report, limit):
        values = figures(report, its).values()
        out.writerow([*map(_cell, key), *("" if value is None else value for value in values)])


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    shown = terminal.clean(text)
    return f"'{shown}" if shown.startswith(_STEERS_A_SPREADSHEET) else shown


def document(report: "Report", limit: int | None) -> dict[str, Any]:
    """A report for `--json`."""
    query = report.query
    shown, others = report.first(limit)
    names = [one.value for one in query.by]
    return {
        "environment": query.where.environment,
        "since": iso(query.since_ms),
        "until": iso(query.until_ms),
        "timezone": query.timezone,
        "by": names,
        "rows": [{**dict(zip(names, row.key, strict=True)), **figures(report, row.figures)} for row in shown],
        "others": {"rows": others.rows, **figures(report, others.figures)} if others else None,
        "total": figures(report, report.total),
        "early_exits": [_exit_document(one) for one in report.early_exits],
    }


def figures(report: "Report", its: Figures) -> dict[str, Any]:
    """The figures of a row for programs; money as decimal strings in US dollars."""
    share, per_answer = report.share(its), its.cost_per_answer_usd
    return {
        "calls": its.calls,
        "answered": its.answered,
        "answered_by_cache": its.cache_answers,
        "answered_by_rule": its.rule_answers,
        "attempts": its.attempts,
        "input_tokens": its.input_tokens,
        "output_tokens": its.output_tokens,
        "cached_tokens": its.cached_tokens,
        "cost_usd": exact(its.cost_micro_usd),
        "share": None if share is None else round(share, 6),
        "cost_per_answer_usd": None if per_answer is None else f"{per_answer:.9f}",
        "unknown_prices": its.unknown_prices,
        "assumed": its.assumed,
        "assumed_usd": exact(its.assumed_micro_usd),
        "saved_by_cache_usd": exact(its.saved_by_cache_micro_usd),
        "saved_by_prefix_usd": exact(its.saved_by_prefix_micro_usd),
        "saved_by_batch_usd": exact(its.saved_by_batch_micro_usd),
        "saved_by_rules_usd": exact(its.saved_by_rules_micro_usd),
        "saved_by_exits_usd": exact(its.saved_by_exits_micro_usd),
        "early_exits": its.early_exits,
        "unpriced_exits": its.unpriced_exits,
    }


def _exit_document(one: "EarlyExit") -> dict[str, Any]:
    saved = one.saved_micro_usd
    return {
        "workflow": one.workflow,
        "reason": one.reason,
        "runs": one.runs,
        "saved_usd": None if saved is None else exact(saved),
    }


def exact(micro_usd: int) -> str:
    """Micro-dollars as dollars, to the last digit and never as a power of ten."""
    return f"{from_micro_usd(micro_usd):f}"
