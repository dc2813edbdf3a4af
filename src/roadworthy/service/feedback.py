"""`/v1/feedback`, and `/f/{token}`: how end users rate and correct an output. The form needs no script."""

import html
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from roadworthy.access import Permission
from roadworthy.errors import InvalidInput, RoadworthyError
from roadworthy.review.feedback import LONGEST_TEXT, Feedback, Scale, Subject
from roadworthy.service.exchange import exchange_of
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.run_model import Shown
from roadworthy.service.sign_in import form_of, page
from roadworthy.service.strict import Line, StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

SUBJECT_ID = r"^(call|run)_[0-9a-f]{32}$"
FEEDBACK_ID = r"^feedback_[0-9a-f]{32}$"
_MOST = 200
_WORDS = {-1: "Not good", 1: "Good"}
Giver = Annotated[Caller, Depends(needs(Permission.FEEDBACK_GIVE))]
Reader = Annotated[Caller, Depends(needs(Permission.RUNS_READ))]
Token = Annotated[str, Path(min_length=1, max_length=300)]


class FeedbackBody(BaseModel):
    """What somebody says of an output."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"subject": "call_019a2b3c4d5e7f608192a3b4c5d6e7f8", "rating": 1, "comment": "Right."}
            ]
        },
    )

    subject: Annotated[str, Field(pattern=SUBJECT_ID)]
    """The id of a call or a run."""
    scale: Scale = Scale.THUMBS
    """`thumbs` is -1 or 1, `stars` is 1 to 5."""
    rating: Annotated[int, Field(ge=-1, le=5)] | None = None
    comment: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""
    correction: Any = None
    """What the output should have been."""
    user_id: Line = ""
    """Which end user said so."""


class FeedbackOut(Shown):
    """What was said of an output."""

    id: str
    call_id: str | None
    run_id: str | None
    workflow: str
    tenant: str
    user_id: str
    prompt_id: str
    prompt_version: str
    by: str
    """`link`, or who called the API."""
    scale: Scale
    rating: int | None
    created_at: datetime
    content: bool
    """Whether comment and correction are shown: it takes the permission `runs.content`."""
    comment: str = ""
    correction: Any = None


class FeedbackList(Shown):
    """A page of feedback, newest first."""

    feedback: list[FeedbackOut]
    next: str | None


class Given(Shown):
    """That it is on record."""

    id: str


def router(app: "App") -> APIRouter:
    """The routes of the API."""
    made = APIRouter(tags=["feedback"], route_class=StrictRoute)

    @made.post(
        "/v1/feedback",
        status_code=201,
        summary="Rate or correct an output",
        **route(Permission.FEEDBACK_GIVE, 404, body=True),
    )
    async def give(caller: Giver, body: FeedbackBody) -> Given:
        said = Feedback(
            id="",
            subject=Subject(body.subject, body.scale),
            rating=body.rating,
            comment=body.comment,
            correction=body.correction,
            user_id=body.user_id,
            by=caller.principal.id,
        )
        return Given(id=await app.feedback.give(said, visible=caller.scope.condition))

    @made.get("/v1/feedback", summary="List feedback, newest first", **route(Permission.RUNS_READ))
    async def find(
        caller: Reader,
        subject: Annotated[str | None, Query(pattern=SUBJECT_ID)] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
        after: Annotated[str | None, Query(pattern=FEEDBACK_ID)] = None,
    ) -> FeedbackList:
        found = await app.feedback.find(
            subject_id=subject, visible=caller.scope.condition, limit=limit + 1, after=after
        )
        shown = [_out(caller, one) for one in found[:limit]]
        return FeedbackList(feedback=shown, next=shown[-1].id if len(found) > limit else None)

    return made


def pages(app: "App") -> APIRouter:
    """The form behind a link."""
    made = APIRouter(include_in_schema=False)

    @made.get("/f/{token}")
    async def ask(token: Token) -> Response:
        return page("How good was this?", _form(await app.feedback.subject(token)))

    @made.post("/f/{token}")
    async def give(request: Request, token: Token) -> Response:
        form = await form_of(request)
        try:
            await app.feedback.give_by_link(
                token,
                rating=_rating(form.get("rating", "")),
                comment=form.get("comment", ""),
                correction=form.get("correction", ""),
            )
        except InvalidInput as error:
            return _refused(request, error, 422)
        return page("Thank you", "<p>It is on record. Until the link expires you can change it.</p>")

    return made


def _rating(text: str) -> int | None:
    if text not in ("", "-1", "1", "2", "3", "4", "5"):
        raise InvalidInput("This is no rating.")
    return int(text) if text else None


def _refused(request: Request, error: RoadworthyError, status: int) -> Response:
    exchange_of(request.scope).code = error.code
    return page("Not stored", f"<p>{html.escape(error.message)}</p>", status=status)


def _form(subject: Subject) -> str:
    choices = "\n".join(
        f'<label><input type="radio" name="rating" value="{one}"> '
        f"{_WORDS.get(one, one) if subject.scale is Scale.THUMBS else one}</label>"
        for one in subject.scale.ratings
    )
    return f"""<form method="post">
<fieldset><legend>Your rating</legend>
{choices}
</fieldset>
<p><label>Comment<br>
<textarea name="comment" rows="3" cols="60" maxlength="{LONGEST_TEXT}"></textarea></label></p>
<p><label>What it should have said<br><textarea name="correction" rows="6" cols="60"></textarea></label></p>
<button>Send</button>
</form>"""


def _out(caller: Caller, said: dict[str, Any]) -> FeedbackOut:
    content = caller.may(Permission.RUNS_CONTENT, workflow=said["workflow"], tenant=said["tenant"])
    hidden = {} if content else {"comment": "", "correction": None}
    return FeedbackOut.model_validate({**said, **hidden, "content": content})
