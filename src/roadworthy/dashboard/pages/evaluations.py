"""`/evaluations`: every experiment, and what one says: its grounds, scores, failures, and how it differs.

What an experiment is held against is its baseline, as it was then, or any other experiment of its suite
(`?against=`), case by case. What cases were answered is for those who may see the content of every run.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Path, Query, Response
from markupsafe import Markup

from roadworthy.access import Permission
from roadworthy.app import App
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, nothing_here, visits
from roadworthy.dashboard.words import pretty, share
from roadworthy.errors import ConfigurationError, NotFound
from roadworthy.evals import Experiment, Result, store
from roadworthy.evals.comparison import Difference, compared
from roadworthy.evals.experiment import by_case, pass_shares
from roadworthy.evals.reports.charts import difference_axis, interval, shares_axis
from roadworthy.evals.reports.facts import Failed, Scored, by_evaluator, by_tag, failures, reason, spent
from roadworthy.evals.statistics import wilson
from roadworthy.prompts.difference import Row, side_by_side
from roadworthy.records import to_micro_usd

_PAGE = 50
_MOST_OTHERS = 20
_MOST_CASES = 30
_MOST_CHARS = 4_000
_ID = r"^exp_[0-9a-f]{32}$"
_BEFORE = re.compile(r"(\d{1,16}):(exp_[0-9a-f]{32})")
Suite = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Sure:
    """What one evaluator said, with how sure that is of cases like these."""

    its: Scored
    low: float
    high: float
    drawn: Markup


@dataclass(frozen=True, slots=True)
class Bad:
    """A case that failed, the first time that it did."""

    its: Failed
    reason: str
    answer: str
    """Both empty where they may not be seen."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A case that came out otherwise than before."""

    case_id: str
    was: float
    now: float
    rows: Sequence[Row]
    """What differs between the two outputs; nothing where they may not be seen."""


def router(renderer: Renderer) -> APIRouter:
    """The routes."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.PROMPTS_READ)

    @made.get("/evaluations")
    async def listed(
        visit: Annotated[Visit, Depends(reads)],
        suite: Suite = "",
        before: Annotated[str, Query(max_length=60)] = "",
    ) -> Response:
        place = _BEFORE.fullmatch(before)
        found = await visit.read(
            lambda tx: store.latest(
                tx,
                suite=suite or None,
                before=(int(place[1]), place[2]) if place else None,
                limit=_PAGE + 1,
            )
        )
        shown, fault = found[:_PAGE], ""
        try:
            written = await asyncio.to_thread(lambda: app.evals.suites)
        except ConfigurationError as error:
            written, fault = {}, f"{error.message} {error.hint}".strip()
        last = shown[-1] if len(found) > _PAGE else None
        return await renderer.page(
            visit,
            "evaluations.html",
            experiments=shown,
            suite=suite,
            suites=sorted({*written, *await visit.read(store.suites)}),
            written=sorted(written),
            fault=fault,
            older=visit.address(before=f"{last.started_at}:{last.id}") if last else "",
            newest=visit.address(before=None) if before else "",
            sees_costs=visit.may(Permission.COSTS_READ),
            to_micro_usd=to_micro_usd,
        )

    @made.get("/evaluations/{experiment_id}")
    async def one(
        visit: Annotated[Visit, Depends(reads)],
        experiment_id: Annotated[str, Path(pattern=_ID)],
        against: Annotated[str, Query(pattern=f"{_ID}|^$")] = "",
    ) -> Response:
        experiment, results = await _recorded(visit, experiment_id)
        sees = visit.may(Permission.RUNS_CONTENT)
        told = cast("Mapping[str, Any]", experiment.summary)
        difference, moved, other = None, list[Moved](), None
        if against:
            other, before = await _recorded(visit, against)
            if other.suite != experiment.suite:
                raise nothing_here()
            difference = await asyncio.to_thread(_difference, before, results)
            moved = await asyncio.to_thread(_moved, app, difference, before, results, sees=sees)
        others = await visit.read(
            lambda tx: store.latest(tx, suite=experiment.suite, finished=True, limit=_MOST_OTHERS)
        )
        return await renderer.page(
            visit,
            "evaluation.html",
            experiment=experiment,
            told=told,
            drawn=_drawn(told) if told else "",
            **await asyncio.to_thread(_figures, app, results, sees=sees),
            answers=len(results),
            most=_MOST_CASES,
            others=[one for one in others if one.id != experiment.id],
            against=other,
            difference=difference,
            difference_drawn=_difference_drawn(difference) if difference and difference.cases else "",
            moved=moved,
            sees_content=sees,
            sees_costs=visit.may(Permission.COSTS_READ),
            to_micro_usd=to_micro_usd,
        )

    return made


async def _recorded(visit: Visit, experiment_id: str) -> tuple[Experiment, list[Result]]:
    try:
        experiment = await visit.read(lambda tx: store.get(tx, experiment_id))
    except NotFound:
        raise nothing_here() from None
    return experiment, await visit.read(lambda tx: store.results(tx, experiment_id))


def _figures(app: App, results: Sequence[Result], *, sees: bool) -> dict[str, Any]:
    """What is counted over all results, for the page; of many it takes seconds."""
    return {
        "spent": spent(results),
        "scores": [_sure(one) for one in by_evaluator(results)],
        "tags": by_tag(results, {}),
        "failures": _failures(app, results, sees=sees),
    }


def _drawn(told: Mapping[str, Any]) -> Markup:
    """The share that passed, with its interval."""
    value, low, high = told["share"], told["lower"], told["upper"]
    label = f"{share(value)} passed, 90% interval {share(low)} to {share(high)}"
    tone = {"pass": "ok", "fail": "bad"}.get(told["kind"], "")
    return interval(label, shares_axis([0.0]), value, low, high, line=None, tone=tone)


def _sure(one: Scored) -> Sure:
    if not one.of:
        return Sure(one, 0.0, 1.0, Markup(""))
    ends, value = wilson(one.passed, one.of), one.passed / one.of
    label = f"{one.evaluator}: {share(value)}, 95% interval {share(ends.low)} to {share(ends.high)}"
    drawn = interval(label, shares_axis([0.0]), value, ends.low, ends.high, line=None, tone="")
    return Sure(one, ends.low, ends.high, drawn)


def _difference(before: Sequence[Result], after: Sequence[Result]) -> Difference:
    hashes = [{one.case_id: one.case_hash for one in its} for its in (before, after)]
    return compared(pass_shares(before), pass_shares(after), hashes[0], hashes[1])


def _difference_drawn(its: Difference) -> Markup:
    more = its.after - its.before
    tone = "" if not its.significant else "ok" if more > 0 else "bad"
    axis = difference_axis([its.lower, its.upper])
    return interval(its.told(), axis, more, its.lower, its.upper, line=0, tone=tone)


def _moved(
    app: App, its: Difference, before: Sequence[Result], after: Sequence[Result], *, sees: bool
) -> list[Moved]:
    """The cases that are worse, then those that are better, with what differs in their answers."""
    was, now = pass_shares(before), pass_shares(after)
    old, new = by_case(before), by_case(after)
    found: list[Moved] = []
    for case_id in (*its.worse, *its.better)[:_MOST_CASES]:
        rows: Sequence[Row] = ()
        if sees:
            rows = side_by_side(_answer(app, old[case_id][0]), _answer(app, new[case_id][0]))
        found.append(Moved(case_id, was[case_id], now[case_id], rows))
    return found


def _failures(app: App, results: Sequence[Result], *, sees: bool) -> dict[str, tuple[int, list[Bad]]]:
    """By category: how many cases, and the worst of them."""
    scrub = app.telemetry.scrubber.scrub
    return {
        category: (
            len(its),
            [
                Bad(one, scrub(reason(one.result)), _answer(app, one.result)) if sees else Bad(one, "", "")
                for one in its[:_MOST_CASES]
            ],
        )
        for category, its in failures(results).items()
    }


def _answer(app: App, result: Result) -> str:
    """What was answered, cut, and without what was learned to be secret."""
    said = result.outcome.message if result.outcome.error else pretty(result.outcome.output)
    clean = app.telemetry.scrubber.scrub(said)
    return clean if len(clean) <= _MOST_CHARS else f"{clean[:_MOST_CHARS]}\n…"
