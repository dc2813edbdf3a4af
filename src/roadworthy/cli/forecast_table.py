"""A forecast for people, and as a document."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from roadworthy.cli import terminal
from roadworthy.cli.costs_table import exact, micro, unknown_prices
from roadworthy.monitoring.forecast import SHARE
from roadworthy.records import iso

if TYPE_CHECKING:
    from roadworthy.monitoring import Forecast, Pace


def print_forecast(forecast: "Forecast") -> None:
    """What is spent and expected, in sentences; then each budget."""
    so_far = forecast.so_far
    more = so_far.unknown_prices > 0
    terminal.say(f"{_month(forecast)} ({forecast.timezone}), {_of(forecast)}, in US dollars", style="bold")
    terminal.say(f"so far    {micro(so_far.cost_micro_usd, and_more=more)}")
    if forecast.expected_micro_usd is None:
        terminal.say("expected  not known: no whole day was seen yet")
    else:
        expected = micro(forecast.expected_micro_usd, and_more=more)
        terminal.say(f"expected  {expected} by the end of the month")
        if forecast.low_micro_usd is not None and forecast.high_micro_usd is not None:
            low, high = (
                micro(one, and_more=more) for one in (forecast.low_micro_usd, forecast.high_micro_usd)
            )
            terminal.say(f"range     {low} to {high}: {SHARE:.0%} of simulated months")
        terminal.say(f"by        {_basis(forecast)}")
    if so_far.unknown_prices:
        terminal.say(f"+ ?: {unknown_prices(so_far)}")
    if forecast.budgets:
        terminal.say()
        _print_budgets(forecast)


def _print_budgets(forecast: "Forecast") -> None:
    figures = ("spent", "expected", "limit")
    made = terminal.table("budget", "subject", "window", *figures, "at this pace", right=figures)
    for pace in forecast.budgets:
        made.add_row(
            terminal.clean(pace.budget),
            terminal.clean(pace.subject or f"(each {pace.scope})", most=60),
            pace.window,
            _amount(pace, pace.spent, and_more=pace.unpriced > 0),
            "?" if pace.expected is None else _amount(pace, pace.expected),
            _amount(pace, pace.limit),
            terminal.styled(verdict(pace)),
        )
    terminal.show(made)


def verdict(pace: "Pace") -> str:
    """Where a limit is heading, in words."""
    limit = "monthly" if len(pace.window) == len("2026-11") else "daily"
    if pace.is_reached:
        return f"the {limit} limit is reached now: {_THEN[pace.when_spent]}"
    if pace.reached_on is not None:
        return f"the {limit} limit is reached on {pace.reached_on}"
    return "not known yet" if pace.expected is None else f"the {limit} limit holds this month"


_THEN = {
    "close": "what costs money is not sent",
    "degrade": "a cheaper route is taken",
    "open": "calls go on",
}


def _amount(pace: "Pace", amount: int, *, and_more: bool = False) -> str:
    return f"{amount:,} tokens" if pace.unit == "tokens" else f"${micro(amount, and_more=and_more)}"


def _month(forecast: "Forecast") -> str:
    from roadworthy.monitoring.days import zone_of

    return f"{datetime.fromtimestamp(forecast.now_ms / 1000, zone_of(forecast.timezone)):%Y-%m}"


def _of(forecast: "Forecast") -> str:
    where = forecast.where
    named = {name: getattr(where, name) for name in ("environment", "workflow", "tenant", "prompt", "model")}
    return terminal.clean(
        ", ".join(f"{name} {value!r}" for name, value in named.items() if value is not None)
    )


def _basis(forecast: "Forecast") -> str:
    days = "1 day" if forecast.days_seen == 1 else f"{forecast.days_seen} days"
    if forecast.basis == "weekdays":
        return f"the mean of each weekday in the last {days}"
    return f"the mean of the last {days}; from 14 days on, of each weekday"


def document(forecast: "Forecast") -> dict[str, Any]:
    """A forecast for `--json`."""
    so_far = forecast.so_far
    return {
        "environment": forecast.where.environment,
        "month": _month(forecast),
        "timezone": forecast.timezone,
        "now": iso(forecast.now_ms),
        "ends_at": iso(forecast.ends_at_ms),
        "spent_usd": exact(so_far.cost_micro_usd),
        "unknown_prices": so_far.unknown_prices,
        "assumed": so_far.assumed,
        "expected_usd": _usd(forecast.expected_micro_usd),
        "low_usd": _usd(forecast.low_micro_usd),
        "high_usd": _usd(forecast.high_micro_usd),
        "range_share": SHARE,
        "basis": forecast.basis,
        "days_seen": forecast.days_seen,
        "budgets": [_pace_document(pace) for pace in forecast.budgets],
    }


def _pace_document(pace: "Pace") -> dict[str, Any]:
    in_tokens = pace.unit == "tokens"
    amounts = {"limit": pace.limit, "spent": pace.spent, "expected": pace.expected}
    return {
        "budget": pace.budget,
        "scope": pace.scope,
        "subject": pace.subject,
        "window": pace.window,
        "timezone": pace.timezone,
        "unit": "tokens" if in_tokens else "usd",
        **{name: value if in_tokens else _usd(value) for name, value in amounts.items()},
        "unpriced_requests": pace.unpriced,
        "is_reached": pace.is_reached,
        "reached_on": None if pace.reached_on is None else pace.reached_on.isoformat(),
        "when_spent": pace.when_spent,
    }


def _usd(micro_usd: int | None) -> str | None:
    return None if micro_usd is None else exact(micro_usd)
