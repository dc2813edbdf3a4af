"""`/v1/costs` and `/v1/budgets`: where money went, and what is left of it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query

from roadworthy.access import Permission
from roadworthy.budgets import Budgets
from roadworthy.budgets import store as budget_store
from roadworthy.errors import InvalidInput
from roadworthy.monitoring import Dimension, Figures, Filter, costs
from roadworthy.monitoring import Query as CostQuery
from roadworthy.records import from_micro_usd, iso
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.run_model import Shown, When
from roadworthy.service.strict import Line, StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.budgets.standing import Standing

_USUAL_DAYS = 30
_MOST_ROWS = 1_000
_LONGEST_DAYS = 1_100
_FIRST, _LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
Spender = Annotated[Caller, Depends(needs(Permission.COSTS_READ))]
Everywhere = Annotated[Caller, Depends(needs(Permission.COSTS_READ, everywhere=True))]


class CostRow(Shown):
    """What some calls cost."""

    key: dict[str, str]
    """What tells this row from others, by dimension."""
    calls: int
    answered: int
    attempts: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: str
    """What is known and assumed, in US dollars, as an exact decimal."""
    unknown_prices: int
    """Requests whose price nobody knows: the cost is more than `cost_usd`."""
    assumed_usd: str
    """The part of `cost_usd` that is estimated."""
    saved_usd: str
    """By known answers, prefix caches, batches, rules and early exits, as far as it is known."""


class CostReport(Shown):
    """What calls cost, grouped."""

    since: datetime
    until: datetime
    rows: list[CostRow]
    """The largest first; with more than a thousand, the others are one row with an empty key."""
    total: CostRow


class BudgetOut(Shown):
    """How one account of a budget stands in its present window."""

    budget: str
    scope: str
    subject: str
    window: str
    limit_usd: str | None
    spent_usd: str
    reserved_usd: str
    left_usd: str | None
    limit_tokens: int | None
    spent_tokens: int
    reserved_tokens: int
    left_tokens: int | None
    unpriced_requests: int
    when_spent: str
    resets_at: datetime | None


class BudgetList(Shown):
    """Every budget with its largest accounts."""

    budgets: list[BudgetOut]


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["costs"], route_class=StrictRoute)

    @made.get("/v1/costs", summary="Where money went", **route(Permission.COSTS_READ))
    async def spent(
        caller: Spender,
        by: Annotated[list[Dimension] | None, Query(max_length=4)] = None,
        since: When = None,
        until: When = None,
        workflow: Annotated[Line | None, Query()] = None,
        tenant: Annotated[Line | None, Query()] = None,
        prompt: Annotated[Line | None, Query()] = None,
        model: Annotated[Line | None, Query()] = None,
        timezone: Annotated[
            Line, Query(description="Whose days are meant.", examples=["Europe/Berlin"])
        ] = "UTC",
    ) -> CostReport:
        end = _moment(until, datetime.fromtimestamp((app.clock.now_ms() + 1) / 1000, UTC))
        begin = _moment(since, end - timedelta(days=_USUAL_DAYS))
        if end - begin > timedelta(days=_LONGEST_DAYS):
            raise InvalidInput(f"Costs are added up over {_LONGEST_DAYS} days at most.")
        where = Filter(
            app.settings.environment, workflow, tenant, prompt, model, within=caller.scope.condition
        )
        query = CostQuery(
            since_ms=int(begin.timestamp() * 1000),
            until_ms=int(end.timestamp() * 1000),
            by=tuple(by or (Dimension.WORKFLOW,)),
            where=where,
            timezone=timezone,
        )
        report = await app.database.read(lambda tx: costs(tx, query))
        rows = [
            cost_row(dict(zip(query.by, row.key, strict=True)), row.figures)
            for row in report.rows[:_MOST_ROWS]
        ]
        rest = report.rows[_MOST_ROWS:]
        if rest:
            rows.append(cost_row({}, sum((row.figures for row in rest), Figures())))
        return CostReport(since=begin, until=end, rows=rows, total=cost_row({}, report.total))

    @made.get("/v1/budgets", summary="What is left of budgets", **route(Permission.COSTS_READ))
    async def budgets(
        caller: Everywhere, limit: Annotated[int, Query(ge=1, le=200, description="Accounts of each.")] = 20
    ) -> BudgetList:
        del caller
        settings, now_ms = app.settings, app.clock.now_ms()
        found = await app.database.read(
            lambda tx: budget_store.standing(
                tx, Budgets(settings.budgets), settings.environment, now_ms, most=limit
            )
        )
        return BudgetList(budgets=[_budget(one, settings.budgets[one.account.budget].scope) for one in found])

    return made


def _moment(given: datetime | None, usual: datetime) -> datetime:
    moment = usual if given is None else given if given.tzinfo else given.replace(tzinfo=UTC)
    if not _FIRST <= moment <= _LAST:
        raise InvalidInput("This time is too far away.")
    return moment


def cost_row(key: dict[Any, str], its: Figures) -> CostRow:
    """What some calls come to, for programs."""
    plain = (
        "calls",
        "answered",
        "attempts",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "unknown_prices",
    )
    return CostRow(
        key={str(one): value for one, value in key.items()},
        **{name: getattr(its, name) for name in plain},
        cost_usd=str(its.cost_usd),
        assumed_usd=str(from_micro_usd(its.assumed_micro_usd)),
        saved_usd=str(from_micro_usd(its.saved_micro_usd)),
    )


def _budget(one: "Standing", scope: str) -> BudgetOut:
    account = one.account
    return BudgetOut(
        budget=account.budget,
        scope=scope,
        subject=account.subject,
        window=account.window,
        limit_usd=_usd(account.limit_micro_usd),
        spent_usd=str(from_micro_usd(one.spent_micro_usd)),
        reserved_usd=str(from_micro_usd(one.reserved_micro_usd)),
        left_usd=_usd(one.left_micro_usd),
        limit_tokens=account.limit_tokens,
        spent_tokens=one.spent_tokens,
        reserved_tokens=one.reserved_tokens,
        left_tokens=one.left_tokens,
        unpriced_requests=one.unpriced,
        when_spent=account.when_spent,
        resets_at=None if account.resets_at_ms is None else datetime.fromisoformat(iso(account.resets_at_ms)),
    )


def _usd(micro_usd: int | None) -> str | None:
    return None if micro_usd is None else str(from_micro_usd(micro_usd))
