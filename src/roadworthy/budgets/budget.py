"""Which accounts a request counts for, and whether they have room for it: `Budgets`.

    [budgets.daily] scope = "tenant", per_day_usd = 5, per_month_usd = 100
        for a request of tenant acme:   daily / acme / 2026-11      100 US dollars
                                        daily / acme / 2026-11-21     5 US dollars

Each request counts for one account of every limit that applies to it; the accounts' rows are in `store.py`.
A budget of each call has no row: `within_call` checks it from what the call itself has spent.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from operator import attrgetter
from typing import Literal

from roadworthy.budgets.account import Account, Amount, Key, Refusal, Subject, WhenSpent, graver
from roadworthy.budgets.calendar import Calendar
from roadworthy.settings import BudgetSettings


class Budgets:
    """The budgets of the settings."""

    def __init__(self, settings: Mapping[str, BudgetSettings]) -> None:
        calendars = {one.timezone: Calendar(one.timezone) for one in settings.values()}
        self._limits = tuple(
            limit
            for name, one in sorted(settings.items())
            for limit in _limits(name, one, calendars[one.timezone])
        )
        self._of_calls = tuple(
            Account(name, "", "call", _micro_usd(one.usd), one.tokens, one.when_spent, one.warn_at, None)
            for name, one in sorted(settings.items())
            if one.scope == "call"
        )

    @property
    def limits_calls(self) -> bool:
        """Whether `within_call` may refuse anything."""
        return bool(self._of_calls)

    def accounts(self, subject: Subject, at_ms: int) -> tuple[Account, ...]:
        """The accounts that a request of this moment counts for, in the order of their keys."""
        found: list[Account] = []
        for limit in self._limits:
            its = limit.subject_of(subject)
            if its is not None:
                found.append(limit.account(its, subject.environment, at_ms))
        return tuple(found)

    def account_of(self, key: Key) -> Account | None:
        """The account of this key by the present settings, without its end; None when there is none."""
        for limit in self._limits:
            if limit.budget == key.budget and len(key.window) == _LENGTHS[limit.window]:
                return limit.named(key.subject, key.environment, key.window, None)
        return None

    def within_call(self, so_far: Amount, wanted: Amount) -> Refusal | None:
        """Why a call that has spent `so_far` has no room for a request; None when it has.

        A refusal whose `when_spent` is `open` forbids nothing. It is given only where no other one is.
        """
        refusal: Refusal | None = None
        for account in self._of_calls:
            reason = account.lacks(so_far, wanted)
            if reason is not None:
                refusal = graver(refusal, account.refusal(reason))
        return refusal

    def every(self, environment: str, at_ms: int) -> tuple[Account, ...]:
        """One account of each limit that holds in an environment, in its present window, for a report.

        The subject is empty, except where it is the environment.
        """
        here = (
            limit.account(environment if limit.scope == "environment" else "", environment, at_ms)
            for limit in self._limits
            if limit.scope != "environment" or limit.subject_of(Subject(environment)) is not None
        )
        return (*self._of_calls, *here)


@dataclass(frozen=True, slots=True)
class _Limit:
    """One limit of the settings: what the accounts of all its subjects have in common."""

    budget: str
    scope: str
    only: frozenset[str]
    window: Literal["month", "day", "run"]
    limit_micro_usd: int | None
    limit_tokens: int | None
    when_spent: WhenSpent
    warn_at: float
    calendar: Calendar

    def subject_of(self, subject: Subject) -> str | None:
        """Who or what is counted here; None when the limit does not hold for it."""
        its = _SUBJECTS[self.scope](subject)
        if not its and self.scope != "environment":
            return None
        if self.only and _NAMES.get(self.scope, _SUBJECTS[self.scope])(subject) not in self.only:
            return None
        return its

    def account(self, subject: str, environment: str, at_ms: int) -> Account:
        """The account of a subject at a moment."""
        if self.window == "run":
            name, ends_at_ms = "run", None
        else:
            window = self.calendar.day(at_ms) if self.window == "day" else self.calendar.month(at_ms)
            name, ends_at_ms = window.name, window.ends_at_ms
        return self.named(subject, environment, name, ends_at_ms)

    def named(self, subject: str, environment: str, window: str, ends_at_ms: int | None) -> Account:
        """The account of a subject in a window."""
        return Account(
            self.budget,
            subject,
            window,
            self.limit_micro_usd,
            self.limit_tokens,
            self.when_spent,
            self.warn_at,
            ends_at_ms,
            environment,
        )


_LENGTHS = {"run": len("run"), "month": len("2026-11"), "day": len("2026-11-21")}
"""Of the names of windows."""


def _user(subject: Subject) -> str:
    """A user is one person within a tenant: another tenant's user of the same name is somebody else."""
    if not subject.user_id:
        return ""
    tenant, user_id = (
        text.replace("%", "%25").replace("/", "%2F") for text in (subject.tenant, subject.user_id)
    )
    return f"{tenant}/{user_id}" if tenant else user_id


_SUBJECTS: Mapping[str, Callable[[Subject], str]] = {
    "environment": attrgetter("environment"),
    "workflow": attrgetter("workflow"),
    "tenant": attrgetter("tenant"),
    "user": _user,
    "prompt": attrgetter("prompt_id"),
    "task": attrgetter("task"),
    "run": attrgetter("run_id"),
}
_NAMES: Mapping[str, Callable[[Subject], str]] = {
    "user": attrgetter("user_id"),
    "run": attrgetter("workflow"),  # nobody knows a run's id when the settings are written
}
"""What `only` names, where it is not the subject itself."""


def _limits(name: str, one: BudgetSettings, calendar: Calendar) -> Iterator[_Limit]:
    """Up to two, in the order of their windows' names: `2026-11` before `2026-11-21`."""
    limits: tuple[tuple[Literal["month", "day", "run"], Decimal | None, int | None], ...]
    if one.scope == "call":
        return
    if one.scope == "run":
        limits = (("run", one.usd, one.tokens),)
    else:
        limits = (
            ("month", one.per_month_usd, one.per_month_tokens),
            ("day", one.per_day_usd, one.per_day_tokens),
        )
    for window, usd, tokens in limits:
        if usd is not None or tokens is not None:
            yield _Limit(
                name,
                one.scope,
                frozenset(one.only),
                window,
                _micro_usd(usd),
                tokens,
                one.when_spent,
                one.warn_at,
                calendar,
            )


def _micro_usd(limit_usd: Decimal | None) -> int | None:
    """A limit for storage, rounded down: no part of a micro-dollar more than was allowed."""
    if limit_usd is None:
        return None
    return int((limit_usd * 1_000_000).to_integral_value(rounding=ROUND_FLOOR))
