"""`/reviews`: what waits for a person, the first one due on top, and how well automatic decisions hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from roadworthy.access import Permission
from roadworthy.dashboard.queries import reviews as queries
from roadworthy.dashboard.queries.reviews import Inbox, Show, Waiting
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, nothing_here, visits
from roadworthy.dashboard.words import bounded, plural
from roadworthy.errors import NotFound
from roadworthy.review import Item, Stats
from roadworthy.service.review_model import REVIEW_ID
from roadworthy.service.reviews import as_reviewer
from roadworthy.service.strict import Line

ShowQuery = Annotated[Show, Query()]
WorkflowQuery = Annotated[Line, Query()]
_NAMES = {
    Show.OPEN: "Open",
    Show.MINE: "Mine",
    Show.OVERDUE: "Overdue",
    Show.ESCALATED: "Escalated",
    Show.DECIDED: "Decided",
}
_EMPTY = {
    Show.OPEN: "Nothing waits for a person.",
    Show.MINE: "Nothing is assigned to you.",
    Show.OVERDUE: "Nothing is overdue.",
    Show.ESCALATED: "Nothing is escalated.",
    Show.DECIDED: "Nothing is decided yet.",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A list, and how long it is."""

    name: str
    address: str
    count: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows."""

    rows: Sequence[Waiting]
    segments: Sequence[Segment]
    show: Show
    workflow: str
    workflows: Sequence[str]
    first: str
    """Where the first review is that the visitor may decide; empty when there is none."""
    empty: str
    query: str
    shown: str
    older: str
    newest: str
    stats: Sequence[Stats] | None
    """None for whoever may not see all of them."""


def router(renderer: Renderer) -> APIRouter:
    """The route."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.REVIEWS_READ)

    @made.get("/reviews")
    async def listed(
        visit: Annotated[Visit, Depends(reads)],
        show: ShowQuery = Show.OPEN,
        workflow: WorkflowQuery = "",
        after: Annotated[str | None, Query(pattern=REVIEW_ID)] = None,
    ) -> Response:
        inbox = inbox_of(visit, show, workflow)
        try:
            rows = await visit.read(lambda tx: queries.page_of(tx, inbox, after=after))
        except NotFound:
            raise nothing_here() from None
        counts = await visit.read(inbox.counts)
        page = _page(visit, inbox, rows, counts, after, await _stats(visit))
        return await renderer.page(visit, "reviews.html", page=page)

    return made


def inbox_of(visit: Visit, show: Show, workflow: str) -> Inbox:
    """The visitor's inbox."""
    return Inbox(
        environment=visit.app.settings.environment,
        within=visit.principal.scope(Permission.REVIEWS_READ).condition,
        person_id=visit.principal.id,
        person_name=visit.principal.name,
        now_ms=visit.app.clock.now_ms(),
        show=show,
        workflow=workflow,
    )


def may_take(visit: Visit, one: Waiting, now_ms: int) -> bool:
    """Whether this is for the visitor to decide, and nobody else is at work on it."""
    item: Item = one.item
    if not visit.may(Permission.REVIEWS_DECIDE, item.workflow, item.tenant):
        return False
    return item.answered_at is None and one.is_for(as_reviewer(visit.caller, item), now_ms)


async def _stats(visit: Visit) -> Sequence[Stats] | None:
    if visit.fragment or not visit.may(Permission.REVIEWS_READ):
        return None
    environment = visit.app.settings.environment
    return await visit.read(lambda tx: queries.sampled(tx, environment, visit.app.reviews.aim))


def _page(
    visit: Visit,
    inbox: Inbox,
    rows: Sequence[Waiting],
    counts: Mapping[Show, int],
    after: str | None,
    stats: Sequence[Stats] | None,
) -> Page:
    shown = rows[: queries.PAGE]
    first = next((one.item.id for one in shown if may_take(visit, one, inbox.now_ms)), "")
    query = query_of(inbox)
    pairs = visit.caller.scope.pairs
    return Page(
        rows=shown,
        segments=[
            Segment(
                name,
                visit.address(show="" if show is Show.OPEN else show.value, after=None),
                bounded(counts[show], queries.MOST_COUNTED) if show in counts else "",
                show is inbox.show,
            )
            for show, name in _NAMES.items()
        ],
        show=inbox.show,
        workflow=inbox.workflow,
        workflows=[
            name for name in sorted(visit.app.workflows) if any(of is None or of == name for of, _ in pairs)
        ],
        first=f"/reviews/{first}{query}" if first else "",
        empty=_EMPTY[inbox.show],
        query=query,
        shown=plural(len(shown), "review"),
        older=visit.address(after=shown[-1].item.id) if len(rows) > queries.PAGE else "",
        newest=visit.address(after=None) if after else "",
        stats=stats,
    )


def query_of(inbox: Inbox) -> str:
    """What an address says so that one goes on in the same list; with its question mark, or empty."""
    said = {"show": "" if inbox.show is Show.OPEN else inbox.show.value, "workflow": inbox.workflow}
    kept = urlencode({name: value for name, value in said.items() if value})
    return f"?{kept}" if kept else ""
