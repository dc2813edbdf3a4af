"""How each account of the budgets stands, as lines of a table: a part of `/costs`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from roadworthy.budgets import Budgets
from roadworthy.budgets import store as budget_store
from roadworthy.budgets.standing import Standing
from roadworthy.dashboard import words
from roadworthy.dashboard.queries.costs import Ledger
from roadworthy.dashboard.visit import Visit
from roadworthy.monitoring import Pace

_MOST = 20
_DOLLAR, _CENT = 1_000_000, 10_000
_WHEN_SPENT = {"close": "refuse", "degrade": "take a cheaper route", "open": "go on, and tell"}
_WINDOWS = {"call": "each call", "run": "each run", "2026-11": "month", "2026-11-21": "day"}
_BY_LENGTH = {len(window): name for window, name in _WINDOWS.items() if window[0].isdigit()}
_Paces = Mapping[tuple[str, str, str, str], Pace]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of an account, in dollars or in tokens."""

    limit: str
    spent: str
    reserved: str
    left: str
    expected: str
    """By the end of the window; empty where it cannot be said."""
    reached_on: date | None


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a budget."""

    budget: str
    scope: str
    subject: str
    window: str
    limits: Sequence[Limit]
    share: float | None
    """How much of its tightest limit is taken; None where nothing is counted."""
    tone: str
    when_spent: str
    resets_at_ms: int | None
    unpriced: int


async def accounts(visit: Visit, ledger: Ledger) -> Sequence[Account]:
    """The largest accounts of every budget; only for whoever sees the whole environment."""
    settings, now_ms = visit.app.settings, visit.app.clock.now_ms()
    if not settings.budgets:
        return ()
    found = await visit.read(
        partial(
            budget_store.standing,
            budgets=Budgets(settings.budgets),
            environment=settings.environment,
            now_ms=now_ms,
            most=_MOST,
        )
    )
    heading = {(one.budget, one.subject, one.window, one.unit): one for one in await ledger.paces(visit)}
    return [_account(one, settings.budgets[one.account.budget].scope, heading) for one in found]


def _account(one: Standing, scope: str, heading: _Paces) -> Account:
    account = one.account
    is_counted = account.window != "call"
    limits: list[Limit] = []
    if account.limit_micro_usd is not None:
        more = " + ?" if one.unpriced else ""
        pace = heading.get((account.budget, account.subject, account.window, "micro_usd"))
        limits.append(
            Limit(
                _usd(account.limit_micro_usd),
                _usd(one.spent_micro_usd) + more if is_counted else "",
                _usd(one.reserved_micro_usd) if one.reserved_micro_usd else "",
                _usd(one.left_micro_usd) if is_counted else "",
                words.dollars(pace.expected / _DOLLAR) if pace and pace.expected is not None else "",
                pace.reached_on if pace else None,
            )
        )
    if account.limit_tokens is not None:
        pace = heading.get((account.budget, account.subject, account.window, "tokens"))
        limits.append(
            Limit(
                f"{account.limit_tokens:,} tokens",
                f"{one.spent_tokens:,}" if is_counted else "",
                f"{one.reserved_tokens:,}" if one.reserved_tokens else "",
                f"{one.left_tokens:,}" if is_counted else "",
                f"{pace.expected:,}" if pace and pace.expected is not None else "",
                pace.reached_on if pace else None,
            )
        )
    return Account(
        budget=account.budget,
        scope=scope,
        subject=account.subject,
        window=_WINDOWS.get(account.window) or _BY_LENGTH[len(account.window)],
        limits=limits,
        share=one.share if is_counted else None,
        tone="bad" if one.share >= 1 else "warn" if one.share >= account.warn_at else "",
        when_spent=_WHEN_SPENT[account.when_spent],
        resets_at_ms=account.resets_at_ms,
        unpriced=one.unpriced,
    )


def _usd(micro_usd: int | None) -> str:
    """A cost; whole cents as such, for limits are round."""
    if micro_usd is None or micro_usd % _CENT:
        return words.usd(micro_usd)
    return f"${micro_usd / _DOLLAR:,.2f}"
