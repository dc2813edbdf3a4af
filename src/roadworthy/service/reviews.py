"""`/v1/reviews`: what waits for a person, over HTTP: look, claim, draft, decide, answer, assign.

Whoever decides does so in their own name, by the roles that they have for the item's workflow and tenant.
What is outside of their grants reads like what does not exist.
"""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from roadworthy.access import Permission
from roadworthy.errors import NotFound
from roadworthy.review import Filter, Item, ItemStatus, Kind, Reviewer
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.review_model import (
    REVIEW_ID,
    AnswerBody,
    AssignBody,
    ClaimBody,
    DeclineBody,
    DraftBody,
    DraftOut,
    ReviewDetail,
    ReviewList,
    ReviewOut,
    StatsList,
    VerdictBody,
    review_out,
    stats_out,
    verdict_out,
)
from roadworthy.service.strict import Line, StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

_MOST = 200
Reader = Annotated[Caller, Depends(needs(Permission.REVIEWS_READ))]
Everywhere = Annotated[Caller, Depends(needs(Permission.REVIEWS_READ, everywhere=True))]
Decider = Annotated[Caller, Depends(needs(Permission.REVIEWS_DECIDE))]
Assigner = Annotated[Caller, Depends(needs(Permission.REVIEWS_ASSIGN))]
ReviewId = Annotated[str, Path(pattern=REVIEW_ID, description="The review's id.")]
IfMatch = Annotated[
    str | None,
    Header(
        pattern=r'^(W/)?"?[0-9]{1,9}"?$',
        description="The `version` that was looked at, as the ETag says it: 409 when it is another by now.",
    ),
]


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["reviews"], route_class=StrictRoute)
    desk = Desk(app)
    _reading(made, app, desk)
    _deciding(made, app, desk)
    _minding(made, app, desk)
    return made


def _reading(made: APIRouter, app: "App", desk: "Desk") -> None:
    @made.get(
        "/v1/reviews",
        summary="What waits for a person, longest wait first",
        **route(Permission.REVIEWS_READ, 404),
    )
    async def find(
        caller: Reader,
        status: Annotated[
            list[ItemStatus] | None, Query(max_length=20, description="Open ones if left out.")
        ] = None,
        kind: Annotated[list[Kind] | None, Query(max_length=5)] = None,
        workflow: Annotated[Line | None, Query()] = None,
        tenant: Annotated[Line | None, Query()] = None,
        run: Annotated[Line | None, Query()] = None,
        assigned_to: Annotated[Line | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
        after: Annotated[
            str | None, Query(pattern=REVIEW_ID, description="The last id of the page before.")
        ] = None,
    ) -> ReviewList:
        chosen = tuple(status or (ItemStatus.OPEN,))
        where = Filter(
            status=chosen,
            kind=tuple(kind or ()),
            workflow=workflow,
            tenant=tenant,
            run_id=run,
            assigned_to=assigned_to,
            within=caller.scope.condition,
        )
        if after is not None:
            await desk.get(caller, after)
        newest_first = chosen != (ItemStatus.OPEN,)
        found = await app.reviews.find(where, limit=limit + 1, after=after, newest_first=newest_first)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return ReviewList(reviews=[review_out(item) for item in page], next=following)

    @made.get("/v1/reviews/stats", summary="What the sampling knows", **route(Permission.REVIEWS_READ))
    async def stats(_: Everywhere, workflow: Annotated[Line | None, Query()] = None) -> StatsList:
        return StatsList(stats=[stats_out(one) for one in await app.reviews.stats(workflow)])

    @made.get("/v1/reviews/{review_id}", summary="Show a review", **route(Permission.REVIEWS_READ, 404))
    async def show(caller: Reader, response: Response, review_id: ReviewId) -> ReviewDetail:
        item = await desk.get(caller, review_id)
        response.headers["etag"] = f'"{item.version}"'
        return await desk.detail(caller, item)


def _deciding(made: APIRouter, app: "App", desk: "Desk") -> None:
    changes = route(Permission.REVIEWS_DECIDE, 404, 409, body=True)

    @made.post("/v1/reviews/{review_id}/decide", summary="Approve, edit or reject an answer", **changes)
    async def decide(
        caller: Decider, response: Response, review_id: ReviewId, body: VerdictBody, if_match: IfMatch = None
    ) -> ReviewOut:
        who = await desk.reviewer(caller, review_id)
        item = await app.reviews.decide(
            review_id,
            body.verdict,
            by=who,
            value=body.value,
            note=body.note,
            expected_version=None if if_match is None else int(if_match.removeprefix("W/").strip('"')),
        )
        response.headers["etag"] = f'"{item.version}"'
        return review_out(item)

    @made.post("/v1/reviews/{review_id}/answer", summary="Answer in a model's place", **changes)
    async def answer(caller: Decider, review_id: ReviewId, body: AnswerBody) -> ReviewOut:
        who = await desk.reviewer(caller, review_id)
        return review_out(await app.reviews.answer(review_id, body.value, who, body.note))

    @made.post("/v1/reviews/{review_id}/decline", summary="Say that there is no answer", **changes)
    async def decline(caller: Decider, review_id: ReviewId, body: DeclineBody) -> ReviewOut:
        who = await desk.reviewer(caller, review_id)
        return review_out(await app.reviews.decline(review_id, who, body.note))


def _minding(made: APIRouter, app: "App", desk: "Desk") -> None:
    changes = route(Permission.REVIEWS_DECIDE, 404, 409, body=True)

    @made.post("/v1/reviews/{review_id}/claim", summary="Say that one looks at it", **changes)
    async def claim(caller: Decider, review_id: ReviewId, body: ClaimBody | None = None) -> ReviewOut:
        who = await desk.reviewer(caller, review_id)
        return review_out(await app.reviews.claim(review_id, who, (body or ClaimBody()).seconds))

    @made.post("/v1/reviews/{review_id}/release", summary="Give one's claim up", **changes)
    async def release(caller: Decider, review_id: ReviewId) -> ReviewOut:
        return review_out(await app.reviews.release(review_id, await desk.reviewer(caller, review_id)))

    @made.post("/v1/reviews/{review_id}/draft", summary="Keep one's own draft", **changes)
    async def draft(caller: Decider, review_id: ReviewId, body: DraftBody) -> DraftOut:
        who = await desk.reviewer(caller, review_id)
        saved_at = await app.reviews.save_draft(review_id, body.draft, by=who)
        return DraftOut.model_validate({"draft": body.draft, "saved_at": saved_at / 1000})

    @made.post(
        "/v1/reviews/{review_id}/assign",
        summary="Say who is to decide",
        **route(Permission.REVIEWS_ASSIGN, 404, 409, body=True),
    )
    async def assign(caller: Assigner, review_id: ReviewId, body: AssignBody) -> ReviewOut:
        await desk.get(caller, review_id)
        return review_out(await app.reviews.assign(review_id, body.to))


class Desk:
    """What the routes do, for one caller each."""

    def __init__(self, app: "App") -> None:
        self._app = app

    async def get(self, caller: Caller, review_id: str) -> Item:
        """An item for which the caller has the route's permission. Raises `NotFound`, `Forbidden`."""
        missing = NotFound(f"There is no review {review_id!r}.")
        try:
            item = await self._app.reviews.get(review_id)
        except NotFound:
            raise missing from None
        caller.require(
            workflow=item.workflow, tenant=item.tenant, seen_by=Permission.REVIEWS_READ, missing=missing
        )
        return item

    async def reviewer(self, caller: Caller, review_id: str) -> Reviewer:
        """Who decides, with the roles that they have for this item. Raises `NotFound`, `Forbidden`."""
        return as_reviewer(caller, await self.get(caller, review_id))

    async def detail(self, caller: Caller, item: Item) -> ReviewDetail:
        """Everything of an item that the caller may see."""
        where = {"workflow": item.workflow, "tenant": item.tenant}
        content = caller.may(Permission.RUNS_CONTENT, **where)
        shown = ReviewDetail.model_validate({**item.as_json(content=content), "content": content})
        who = as_reviewer(caller, item)
        if content:
            said = await self._app.reviews.verdicts(item.id, who)
            shown.verdicts = [verdict_out(vote) for vote in said]
        own = await self._app.reviews.draft(item.id, who)
        if own is not None:
            shown.draft = DraftOut.model_validate({"draft": own[0], "saved_at": own[1] / 1000})
        return shown


def as_reviewer(caller: Caller, item: Item) -> Reviewer:
    """Whoever asks, with the roles that they have where an item belongs."""
    principal = caller.principal
    roles = {grant.role.value for grant in principal.grants if grant.covers(item.workflow, item.tenant)}
    return Reviewer(principal.id, principal.name, frozenset(roles))
