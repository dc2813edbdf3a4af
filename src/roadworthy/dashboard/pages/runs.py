"""`/runs`: every run, filtered by typing, followed live, and what can be done with many at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Response

from roadworthy.access import Permission
from roadworthy.dashboard.queries.runs import Listed, Row, page_of
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.search import FIELDS, parse
from roadworthy.dashboard.visit import Visit, visits
from roadworthy.dashboard.words import plural
from roadworthy.errors import InvalidInput, RoadworthyError
from roadworthy.service.run_model import RUN_ID
from roadworthy.service.runs import missing
from roadworthy.workflows import FINISHED, Filter, RunStatus
from roadworthy.workflows.run import RESUMABLE

_MOST_AT_ONCE = 1_000
_STATES = (
    ("All", ""),
    ("Running", "queued,running"),
    ("Waiting", "waiting,parked"),
    ("Succeeded", "succeeded"),
    ("Dead", "dead"),
)
"""Of the segments: a name, and the states it means."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A way to filter by state with one click."""

    name: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows."""

    search: str
    fault: str
    runs: Sequence[Row]
    segments: Sequence[Segment]
    suggestions: Mapping[str, Any]
    older: str
    newest: str
    shown: str
    may_manage: bool

    @property
    def is_filtered(self) -> bool:
        """Whether there may be runs that are not shown."""
        return bool(self.search)


def router(renderer: Renderer) -> APIRouter:
    """The routes."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.RUNS_READ)
    manages = visits(app, Permission.RUNS_MANAGE)

    @made.get("/runs")
    async def listed(
        visit: Annotated[Visit, Depends(reads)],
        q: Annotated[str, Query(max_length=500)] = "",
        after: Annotated[str | None, Query(pattern=RUN_ID)] = None,
    ) -> Response:
        fault, found = "", Listed((), has_more=False)
        try:
            where = replace(parse(q, app.clock.now_ms()), within=visit.caller.scope.condition)
        except InvalidInput as error:
            fault = f"{error.message} {error.hint}".strip()
        else:
            found = await visit.read(lambda tx: page_of(tx, where, after=after))
        return await renderer.page(visit, "runs.html", page=_page(visit, q, after, found, fault))

    @made.post("/runs/actions")
    async def act(visit: Annotated[Visit, Depends(manages)]) -> Response:
        action, search = visit.field("action"), visit.field("q")
        if action not in _DONE:
            raise InvalidInput("Nothing of that name can be done with runs.")
        if visit.field("all") == "yes":
            where = replace(parse(search, app.clock.now_ms()), within=visit.caller.scope.condition)
            ids = await _fit(visit, where, action)
        else:
            ids = visit.form.get("run", [])[:_MOST_AT_ONCE]
        said = await _done_with_each(visit, action, ids)
        return visit.go(f"/runs?q={quote(search)}" if search else "/runs", said)

    return made


_DONE: Mapping[str, str] = {"cancel": "cancelled", "resume": "resumed", "replay": "started again"}


async def _fit(visit: Visit, where: Filter, action: str) -> list[str]:
    """Of the runs that match, those with which this can be done."""
    states = {
        "cancel": tuple(status for status in RunStatus if status not in FINISHED),
        "resume": tuple(RESUMABLE),
        "replay": tuple(FINISHED),
    }[action]
    kept = tuple(one for one in states if not where.status or one in where.status)
    if not kept:
        return []
    found = await visit.app.runs.find(replace(where, status=kept), limit=_MOST_AT_ONCE)
    return [run.id for run in found]


async def _done_with_each(visit: Visit, action: str, run_ids: Sequence[str]) -> str:
    """Do it with each run; says with how many it could be done."""
    runs = visit.app.runs
    done, faults = 0, Counter[str]()
    for run_id in run_ids:
        try:
            run = await runs.get(run_id)
            if not visit.may(Permission.RUNS_MANAGE, run.workflow, run.tenant):
                raise missing(run_id)
            await {"cancel": runs.cancel, "resume": runs.resume, "replay": runs.replay}[action](run_id)
        except RoadworthyError as error:
            faults[error.code.replace("_", " ")] += 1
        else:
            done += 1
    said = f"{plural(done, 'run')} {_DONE[action]}."
    if faults:
        said += f" {plural(faults.total(), 'run')} could not be: {', '.join(faults)}."
    if len(run_ids) == _MOST_AT_ONCE:
        said += " There may be more: do it again."
    return said


def _page(visit: Visit, search: str, after: str | None, found: Listed, fault: str) -> Page:
    words = [word for word in search.split() if not word.startswith("status:")]
    stated = next((word[7:] for word in search.split() if word.startswith("status:")), "")
    segments = [
        Segment(
            name,
            visit.address(q=" ".join([*([f"status:{states}"] if states else []), *words]), after=None),
            states == stated,
        )
        for name, states in _STATES
    ]
    values = {
        "status": [str(status) for status in RunStatus],
        "workflow": sorted(visit.app.workflows),
        "since": ["1h", "24h", "7d", "30d"],
        "cost": [">0.01", ">0.1", ">1"],
        "seconds": [">1", ">10", ">60"],
    }
    return Page(
        search=search,
        fault=fault,
        runs=found.rows,
        segments=segments,
        suggestions={
            name: {"said": field.said, "values": values.get(name, [])} for name, field in FIELDS.items()
        },
        older=visit.address(after=found.rows[-1].run.id) if found.has_more else "",
        newest=visit.address(after=None) if after else "",
        shown=plural(len(found.rows), "run"),
        may_manage=visit.may_somewhere(Permission.RUNS_MANAGE),
    )
