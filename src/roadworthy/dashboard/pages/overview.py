"""`/`: what needs a person first, then how it goes: what a request costs, spending, latency, acceptance."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Response

from roadworthy.access import Permission
from roadworthy.budgets import Budgets
from roadworthy.budgets import store as budget_store
from roadworthy.budgets.standing import Standing
from roadworthy.dashboard.pages.trends import trends
from roadworthy.dashboard.queries import overview as queries
from roadworthy.dashboard.queries.costs import DAY_MS, Ledger
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, visits
from roadworthy.dashboard.words import bounded, plural, share
from roadworthy.records import iso
from roadworthy.service.health import Health
from roadworthy.service.runs import sees

_MOST_ACCOUNTS = 20
_MOST_NAMED = 3
_ALARM_DAYS = 7
_RUNS = Permission.RUNS_READ
_REVIEWS = Permission.REVIEWS_READ
_LEFT_ALONE = "It failed too often, or asked for a pause; it is asked again"
_WHEN_SPENT = {
    "close": "What it has no room for is refused.",
    "degrade": "What it has no room for takes a cheaper route.",
    "open": "Requests go on.",
}


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs a person."""

    key: str
    """Tells it from the others while the page is live."""
    tone: str
    """`bad` or `warn`."""
    said: str
    note: str = ""
    address: str = ""
    """Where it is looked after."""
    at_ms: int | None = None
    """Since when, or until when."""


def router(renderer: Renderer, health: Health, ledger: Ledger) -> APIRouter:
    """The route."""
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)

    @made.get("/")
    async def overview(visit: Annotated[Visit, Depends(visits(renderer.app, _RUNS))]) -> Response:
        context: dict[str, Any] = {
            "is_new": await visit.read(partial(_is_new, visit)),
            "example": _example(visit),
        }
        if not context["is_new"]:
            context["concerns"] = await _concerns(visit, health)
            if not visit.fragment:
                context["trends"] = await trends(visit, ledger)
        return await renderer.page(visit, "overview.html", **context)

    return made


@dataclass(frozen=True, slots=True)
class Example:
    """How a first run is started."""

    workflow: str
    input: str
    others: int


def _example(visit: Visit) -> Example | None:
    """A run of the first workflow that the visitor sees; None where the project has none."""
    seen = [one for name, one in sorted(visit.app.workflows.items()) if sees(visit.caller, name)]
    if not seen:
        return None
    asked = json.dumps(dict.fromkeys(seen[0].signature.parameters, "…"), ensure_ascii=False)
    return Example(seen[0].name, asked, len(seen) - 1)


def _is_new(visit: Visit, tx: sa.Connection) -> bool:
    scope = visit.principal.scope
    return queries.is_new(tx, visit.app.settings.environment, scope(_RUNS), scope(Permission.COSTS_READ))


async def _concerns(visit: Visit, health: Health) -> Sequence[Concern]:
    """What needs a person, what is worst first."""
    found = await visit.read(partial(_in_database, visit))
    told = visit.may(Permission.METRICS_READ)
    for name, part in (await health.parts()).items():
        if not part.ready:
            found.append(Concern(f"part-{name}", "bad", f"Not ready: {name}", part.why if told else ""))
    return sorted(found, key=lambda one: one.tone)  # "bad" before "warn", else as they are


def _in_database(visit: Visit, tx: sa.Connection) -> list[Concern]:
    environment, now_ms = visit.app.settings.environment, visit.app.clock.now_ms()
    runs = queries.stopped(tx, environment, visit.principal.scope(_RUNS), now_ms)
    late = queries.overdue(tx, environment, visit.principal.scope(_REVIEWS), now_ms)
    found = [*_runs(runs), *_reviews(late)]
    if visit.may(Permission.COSTS_READ):
        limits = Budgets(visit.app.settings.budgets)
        found += _budgets(budget_store.standing(tx, limits, environment, now_ms, most=_MOST_ACCOUNTS))
    if visit.may(_REVIEWS):
        found += _alarms(queries.alarms(tx, environment, now_ms - _ALARM_DAYS * DAY_MS))
    if visit.may(Permission.METRICS_READ):
        alive_since_ms = now_ms - int(visit.app.settings.workers.dead_after_seconds * 1000)
        found += _workers(queries.lost_workers(tx, alive_since_ms))
        found += _models(queries.left_alone(tx, environment, now_ms))
    return found


def _runs(runs: queries.Stopped) -> list[Concern]:
    found: list[Concern] = []
    if runs.dead:
        kinds = sorted(runs.kinds.items(), key=lambda one: (-one[1], one[0]))
        found.append(
            Concern(
                "dead",
                "bad",
                f"{_count(runs.dead, 'run')} died in the last 24 hours",
                ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in kinds[:3]),
                _list("/runs", q=f"status:dead since:{iso(runs.dead_since_ms)[:16]}"),
            )
        )
    if runs.parked:
        is_one = runs.parked == 1
        found.append(
            Concern(
                "parked",
                "warn",
                f"{_count(runs.parked, 'run')} {'is' if is_one else 'are'} parked",
                "Until somebody resumes them, or their code is here.",
                _list("/runs", q="status:parked"),
            )
        )
    return found


def _reviews(late: queries.Overdue) -> list[Concern]:
    if not late.count:
        return []
    said = f"{_count(late.count, 'review')} {'is' if late.count == 1 else 'are'} overdue"
    return [
        Concern("overdue", "bad", said, "The longest wait first.", "/reviews?show=overdue", late.oldest_ms)
    ]


def _budgets(standings: Sequence[Standing]) -> list[Concern]:
    """Accounts that are spent or nearly so; those of one budget together."""
    found: list[Concern] = []
    for tone, said in (("bad", "spent"), ("warn", "nearly spent")):
        groups: dict[str, list[Standing]] = {}
        for one in sorted(standings, key=lambda one: -one.share):
            if one.account.resets_at_ms is not None and _tone(one) == tone:
                groups.setdefault(one.account.budget, []).append(one)
        found += [_accounts(tone, said, budget, several) for budget, several in groups.items()]
    return found


def _tone(one: Standing) -> str:
    return "bad" if one.share >= 1 else "warn" if one.share >= one.account.warn_at else ""


def _accounts(tone: str, said: str, budget: str, several: Sequence[Standing]) -> Concern:
    first = several[0].account
    if len(several) == 1:
        whose = "" if first.subject in ("", first.environment) else f" of {first.subject}"
        said = f"Budget {budget}{whose} is {said}: {share(several[0].share, 0)} is taken"
    else:
        named = ", ".join(one.account.subject for one in several[:_MOST_NAMED])
        more = ", ..." if len(several) > _MOST_NAMED else ""
        said = f"{plural(len(several), 'account')} of budget {budget} are {said}: {named}{more}"
    note = f"{_WHEN_SPENT[first.when_spent]} It begins anew"
    return Concern(f"budget-{budget}-{tone}", tone, said, note, "/costs#budgets", first.resets_at_ms)


def _alarms(alarms: Sequence[queries.Alarm]) -> list[Concern]:
    return [
        Concern(
            f"alarm-{number}",
            "bad",
            f"More automatic decisions of {one.workflow} are wrong than before",
            f"Sampling began anew for {one.prompt_version}.",
            _list("/runs", q=f"workflow:{one.workflow}"),
            one.at_ms,
        )
        for number, one in enumerate(alarms[:_MOST_NAMED])
    ]


def _workers(hosts: Sequence[str]) -> list[Concern]:
    if not hosts:
        return []
    said = f"{_count(len(hosts), 'worker')} {'has' if len(hosts) == 1 else 'have'} not been heard of"
    named = ", ".join(sorted(set(hosts))[:3])
    return [Concern("workers", "bad", said, f"Last on {named}.", _list("/runs", q="status:queued,running"))]


def _models(until: Mapping[str, int]) -> list[Concern]:
    return [
        Concern(f"model-{name}", "warn", f"Model {name} is left alone", _LEFT_ALONE, "", at_ms)
        for name, at_ms in sorted(until.items())
    ]


def _count(count: int, noun: str) -> str:
    return f"{bounded(count, queries.MOST)} {noun}{'' if count == 1 else 's'}"


def _list(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}"
