"""`/reviews/{review_id}`: one question to a person, with its evidence, and the form that decides it.

The form works without script. With it, the same form is sent by `review.js`: what is wrong comes back as the
block `work`, which leaves what was typed as it is, and what was taken as 201 with where to go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from roadworthy.access import Permission
from roadworthy.access.records import Status
from roadworthy.dashboard.answer_form import AnswerForm, Field
from roadworthy.dashboard.pages.reviews import ShowQuery, WorkflowQuery, inbox_of, may_take, query_of
from roadworthy.dashboard.queries import reviews as queries
from roadworthy.dashboard.queries.reviews import Inbox, Show, Waiting, place_of
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, nothing_here, visits
from roadworthy.dashboard.words import bounded
from roadworthy.errors import InvalidInput, NotFound, StateConflict
from roadworthy.records import Json
from roadworthy.review import Exhibit, Held, Item, ItemStatus, Kind, Question, Reviewer, Vote, exhibits
from roadworthy.review.verdict import same
from roadworthy.service.review_model import REVIEW_ID
from roadworthy.service.reviews import Desk, as_reviewer

ReviewId = Annotated[str, Path(pattern=REVIEW_ID)]
_CREATED = 201
_DONE = {
    "approve": "Approved.",
    "edit": "Your edit is taken.",
    "reject": "Rejected.",
    "answer": "Answered.",
    "decline": "Declined.",
    "agree": "Agreed.",
    "disagree": "Noted as wrong.",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a form that was not taken: shown again with what was typed."""

    form: Mapping[str, list[str]]
    faults: Sequence[str] = ()
    conflict: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What the template shows."""

    item: Item
    query: str
    held: Held | None
    question: Question | None
    """Both are None for whoever may not see content."""
    exhibits: Sequence[Exhibit]
    fields: Sequence[Field]
    sent: Sent | None
    may_decide: bool
    why_not: str
    may_assign: bool
    people: Sequence[str]
    own: Vote | None
    verdicts: Sequence[Vote]
    draft: Json
    claimed_by: str
    """Who else is at work on it now."""
    claimed_since: int | None
    position: str
    previous: str
    following: str

    @property
    def is_open(self) -> bool:
        """Whether it waits for a person."""
        return self.item.status is ItemStatus.OPEN

    @property
    def is_sample(self) -> bool:
        """Whether it looks at what was decided already."""
        return self.item.kind is Kind.SAMPLE

    @property
    def note(self) -> str:
        """The reason that was typed before."""
        return self.sent.form.get("note", [""])[0] if self.sent else ""

    def typed(self, field: Field) -> str:
        """What a field shows."""
        return field.typed(self.sent.form) if self.sent else field.original

    def faults_of(self, field: Field) -> list[str]:
        """What is wrong with one field."""
        faults = self.sent.faults if self.sent else ()
        return [one.removeprefix(f"{field.name}: ") for one in faults if one.startswith(f"{field.name}: ")]


def router(renderer: Renderer) -> APIRouter:
    """The routes."""
    app = renderer.app
    desk = Desk(app)
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.REVIEWS_READ)
    decides = visits(app, Permission.REVIEWS_DECIDE)
    assigns = visits(app, Permission.REVIEWS_ASSIGN)

    async def shown(visit: Visit, inbox: Inbox, review_id: str, sent: Sent | None, status: int) -> Response:
        try:
            item = await app.reviews.get(review_id)
        except NotFound:
            raise nothing_here() from None
        if not visit.may(Permission.REVIEWS_READ, item.workflow, item.tenant):
            raise nothing_here()
        work = await _work(visit, inbox, item, sent)
        return await renderer.page(visit, "review.html", status=status, work=work)

    @made.get("/reviews/{review_id}")
    async def show_one(
        visit: Annotated[Visit, Depends(reads)],
        review_id: ReviewId,
        show: ShowQuery = Show.OPEN,
        workflow: WorkflowQuery = "",
    ) -> Response:
        return await shown(visit, inbox_of(visit, show, workflow), review_id, None, 200)

    @made.post("/reviews/{review_id}/decide")
    async def decide(
        visit: Annotated[Visit, Depends(decides)],
        review_id: ReviewId,
        show: ShowQuery = Show.OPEN,
        workflow: WorkflowQuery = "",
    ) -> Response:
        inbox = inbox_of(visit, show, workflow)
        item = await desk.get(visit.caller, review_id)
        who = as_reviewer(visit.caller, item)
        verdict = visit.field("verdict")
        try:
            await _give(visit, item, who, verdict)
        except InvalidInput as error:
            faults = error.details.get("faults") or [error.message]
            return await shown(visit, inbox, review_id, Sent(visit.form, faults), 422)
        except StateConflict as error:
            if not await _is_given(visit, item, who, verdict):
                sent = Sent(visit.form, conflict=error.message)
                return await shown(visit, inbox, review_id, sent, 409)
        return _taken(visit, await _next(visit, inbox, item), _DONE[verdict])

    @made.post("/reviews/{review_id}/assign")
    async def assign(
        visit: Annotated[Visit, Depends(assigns)],
        review_id: ReviewId,
        show: ShowQuery = Show.OPEN,
        workflow: WorkflowQuery = "",
    ) -> Response:
        await desk.get(visit.caller, review_id)
        item = await app.reviews.assign(review_id, visit.field("to").strip() or None)
        said = f"Assigned to {item.assigned_to}." if item.assigned_to else "Assigned to nobody in particular."
        return visit.go(f"/reviews/{review_id}{query_of(inbox_of(visit, show, workflow))}", said)

    return made


async def _give(visit: Visit, item: Item, who: Reviewer, verdict: str) -> None:
    """Do what the form says. Raises `InvalidInput`, `StateConflict`, `Forbidden`."""
    reviews, note = visit.app.reviews, visit.field("note").replace("\r\n", "\n")
    if verdict == "answer":
        await reviews.answer(item.id, _form_of(item).read(visit.form), who, note)
    elif verdict == "decline":
        await reviews.decline(item.id, who, note)
    elif verdict in _DONE:
        choice, value, note = _meant(item, visit.form, verdict, note)
        version = visit.field("version")
        await reviews.decide(
            item.id,
            choice,
            by=who,
            value=value,
            note=note,
            expected_version=int(version) if version.isdecimal() and len(version) < 10 else 0,  # noqa: PLR2004
        )
    else:
        raise InvalidInput("Say what is to be done: approve, edit or reject.")


def _meant(item: Item, form: Mapping[str, list[str]], verdict: str, note: str) -> tuple[str, Json, str]:
    """A button's verdict as reviews know it: agreeing with a rule that rejected is to reject."""
    if item.kind is Kind.ANSWER:
        raise InvalidInput("This asks for an answer.")
    held = Held.from_json(item.question)
    was_rejected = held.verdict == "rejected"
    if verdict == "edit":
        return verdict, _form_of(item).read(form), note
    if verdict == "disagree" and not note.strip():
        raise InvalidInput("Say in a note why it is wrong.")
    if verdict == "agree" and was_rejected:
        return "reject", None, note if note.strip() else f"As the rule decided: {held.because}"
    if verdict in ("agree", "disagree"):
        return "approve" if (verdict == "agree") is not was_rejected else "reject", None, note
    return verdict, None, note


def _form_of(item: Item) -> AnswerForm:
    if item.kind is Kind.ANSWER:
        return AnswerForm(Question.from_json(item.question).schema, is_empty=True)
    held = Held.from_json(item.question)
    return AnswerForm(held.schema, held.value)


async def _is_given(visit: Visit, item: Item, who: Reviewer, verdict: str) -> bool:
    """Whether this very verdict was taken before: the form was sent twice."""
    if item.kind is Kind.ANSWER:
        now = await visit.app.reviews.get(item.id)
        wanted = ItemStatus.ANSWERED if verdict == "answer" else ItemStatus.DECLINED
        given = _form_of(item).read(visit.form) if verdict == "answer" else None
        return now.answered_by == who.name and now.status is wanted and same(now.answer, given)
    choice, value, _ = _meant(item, visit.form, verdict, visit.field("note"))
    own = _own(await visit.app.reviews.verdicts(item.id, who), who)
    return own is not None and own.choice.value == choice and same(own.value, value)


def _own(verdicts: Sequence[Vote], who: Reviewer) -> Vote | None:
    return next((one for one in verdicts if one.by_id == who.id), None)


def _taken(visit: Visit, address: str, said: str) -> Response:
    """Lead on; a script is told where to, and goes there itself."""
    response = visit.go(
        address, said if "/review_" in address else f"{said} Nothing else in this list waits for you."
    )
    if visit.fragment:
        response.status_code = _CREATED
    return response


async def _next(visit: Visit, inbox: Inbox, item: Item) -> str:
    """The next review that the visitor may decide: after this one in the list, else from its beginning."""
    queue = await visit.read(lambda tx: queries.page_of(tx, inbox, limit=queries.QUEUE))
    free = [one.item for one in queue if one.item.id != item.id and may_take(visit, one, inbox.now_ms)]
    later = [one for one in free if place_of(one) > place_of(item)]
    chosen = next(iter(later or free), None)
    query = query_of(inbox)
    return f"/reviews/{chosen.id}{query}" if chosen else f"/reviews{query}"


async def _work(visit: Visit, inbox: Inbox, item: Item, sent: Sent | None) -> Work:
    reviews, who = visit.app.reviews, as_reviewer(visit.caller, item)
    content = visit.may(Permission.RUNS_CONTENT, item.workflow, item.tenant)
    verdicts = await reviews.verdicts(item.id, who) if content else []
    own = _own(verdicts, who)
    draft = await reviews.draft(item.id, who) if content else None
    queue = await visit.read(lambda tx: queries.page_of(tx, inbox, limit=queries.QUEUE))
    is_answer = item.kind is Kind.ANSWER
    held = Held.from_json(item.question) if content and not is_answer else None
    may = visit.may(Permission.REVIEWS_DECIDE, item.workflow, item.tenant)
    fits = item.may_be_decided_with(who.roles)
    claimed_by = item.claimed_by if (item.claimed_until or 0) > inbox.now_ms else None
    other = claimed_by if claimed_by != who.id and item.status is ItemStatus.OPEN else None
    since = None
    if other is not None:
        since = await visit.read(lambda tx: queries.claimed_since(tx, item.id, other))
    may_assign = item.status is ItemStatus.OPEN and visit.may(
        Permission.REVIEWS_ASSIGN, item.workflow, item.tenant
    )
    return Work(
        item=item,
        query=query_of(inbox),
        held=held,
        question=Question.from_json(item.question) if content and is_answer else None,
        exhibits=exhibits(held.evidence) if held else [],
        fields=_form_of(item).fields if content else (),
        sent=sent,
        may_decide=may and fits and content and own is None and item.status is ItemStatus.OPEN,
        why_not="" if may and fits else _why_not(item),
        may_assign=may_assign,
        people=await _names(visit, item) if may_assign else (),
        own=own,
        verdicts=verdicts,
        draft=draft[0] if draft else None,
        claimed_by=(item.claimed_name or "Somebody") if other else "",
        claimed_since=since,
        **_around(queue, item, query_of(inbox)),
    )


def _why_not(item: Item) -> str:
    wanted = " or ".join(dict.fromkeys((*item.roles, *item.escalate_to, "owner")))
    return f"To decide this takes the role {wanted}."


async def _names(visit: Visit, item: Item) -> Sequence[str]:
    """Who may decide an item, for whoever may know."""
    if not visit.may(Permission.ACCESS_MANAGE):
        return ()
    people = await visit.app.access.people(visit.principal)
    return sorted(
        {
            one.name
            for one in people
            if one.status is Status.ACTIVE
            and item.may_be_decided_with(
                {grant.role.value for grant in one.grants if grant.covers(item.workflow, item.tenant)}
            )
        }
    )


def _around(queue: Sequence[Waiting], item: Item, query: str) -> dict[str, Any]:
    """Where an item stands in the list, and what is beside it."""
    ids = [one.item.id for one in queue]
    before = after = ""
    position = ""
    if item.id in ids:
        at = ids.index(item.id)
        before = ids[at - 1] if at else ""
        after = ids[at + 1] if at + 1 < len(ids) else ""
        position = f"{at + 1} of {bounded(len(ids), queries.QUEUE)}"
    elif ids:
        after = ids[0]
    return {
        "position": position,
        "previous": f"/reviews/{before}{query}" if before else "",
        "following": f"/reviews/{after}{query}" if after else "",
    }
