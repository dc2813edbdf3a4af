"""Cases from what went wrong lately: `of_failures`."""

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from roadworthy.calls.call import CallStatus
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.feedback import feedback
from roadworthy.db.tables.review import review_items
from roadworthy.db.tables.workflows import runs
from roadworthy.errors import InvalidInput, NotFound
from roadworthy.evals.growing.sources import (
    Draft,
    Target,
    of_call,
    of_feedback,
    of_review,
    of_run,
    words_of,
)
from roadworthy.review import ItemStatus
from roadworthy.workflows.run import RunStatus

_BAD_STARS = 2
_CHANGED = (ItemStatus.EDITED, ItemStatus.REJECTED, ItemStatus.DECLINED, ItemStatus.ANSWERED)

Read = Callable[[sa.Connection, Target, str], list[Draft]]


def of_failures(tx: sa.Connection, target: Target, since_ms: int, limit: int) -> list[Draft]:
    """What failed, what people changed, rejected or had to answer, and what end users were unhappy with.

    Newest first; what has no inputs on record is left out.
    """
    by_prompt = target.kind == "prompt"
    found = [
        *_each(tx, target, of_review, _reviews(target, since_ms), limit),
        *_each(tx, target, of_feedback, _feedback(tx, target, since_ms, limit), limit),
        *_each(
            tx,
            target,
            of_call if by_prompt else of_run,
            (_calls if by_prompt else _runs)(target, since_ms),
            limit,
        ),
    ]
    return sorted(found, key=lambda one: -one.created_at)[:limit]


def _each(
    tx: sa.Connection, target: Target, read: Read, which: "sa.Select[tuple[str]] | list[str]", limit: int
) -> Iterator[Draft]:
    ids = which if isinstance(which, list) else [str(row[0]) for row in tx.execute(which.limit(limit))]
    for one in ids:
        try:
            yield from read(tx, target, one)
        except (InvalidInput, NotFound):  # one of many whose inputs are not, or no longer, on record
            continue


def _calls(target: Target, since_ms: int) -> "sa.Select[tuple[str]]":
    return (
        sa.select(calls.c.id)
        .where(
            calls.c.environment == target.environment,
            calls.c.prompt_id == target.name,
            calls.c.started_at >= since_ms,
            calls.c.status == CallStatus.FAILED.value,
        )
        .order_by(calls.c.started_at.desc())
    )


def _runs(target: Target, since_ms: int) -> "sa.Select[tuple[str]]":
    return (
        sa.select(runs.c.id)
        .where(
            runs.c.environment == target.environment,
            runs.c.workflow == target.name,
            runs.c.created_at >= since_ms,
            runs.c.status == RunStatus.DEAD.value,
        )
        .order_by(runs.c.created_at.desc())
    )


def _reviews(target: Target, since_ms: int) -> "sa.Select[tuple[str]]":
    own = review_items.c.prompt_id if target.kind == "prompt" else review_items.c.workflow
    return (
        sa.select(review_items.c.id)
        .where(
            review_items.c.environment == target.environment,
            own == target.name,
            review_items.c.created_at >= since_ms,
            review_items.c.status.in_([one.value for one in _CHANGED]),
        )
        .order_by(review_items.c.created_at.desc())
    )


def _feedback(tx: sa.Connection, target: Target, since_ms: int, limit: int) -> list[str]:
    """Bad ratings, and corrections whatever the rating; these stand inside what is stored as one."""
    own = feedback.c.prompt_id if target.kind == "prompt" else feedback.c.workflow
    bad = (feedback.c.scale == "thumbs") & (feedback.c.rating < 0)
    bad |= (feedback.c.scale == "stars") & (feedback.c.rating <= _BAD_STARS)
    query = sa.select(feedback, bad.label("bad")).where(
        feedback.c.environment == target.environment,
        own == target.name,
        feedback.c.created_at >= since_ms,
        bad | feedback.c.said.is_not(None),
    )
    found: list[str] = []
    for row in tx.execute(query.order_by(feedback.c.created_at.desc())).mappings():
        if len(found) < limit and (row["bad"] or words_of(row).get("correction") is not None):
            found.append(row["id"])
    return found
