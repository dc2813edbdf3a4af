"""Cases from what is on record of a run, a call, a review or feedback; `failures.py` finds the bad ones.

What a suite evaluates decides what its cases are: a prompt's are the inputs of its calls, a workflow's the
inputs of its runs. What is expected comes from people: an answer they gave, edited or approved, a correction.
Without their word a case expects nothing yet, and its note says why it is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.calls.call import CallStatus
from roadworthy.db import unpack
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.feedback import feedback
from roadworthy.db.tables.review import review_items
from roadworthy.errors import InvalidInput, NotFound
from roadworthy.records import Json
from roadworthy.review import Held, Item, ItemStatus, Kind, Question
from roadworthy.review import store as review_store
from roadworthy.workflows.run import StepKind
from roadworthy.workflows.store import runs as run_store
from roadworthy.workflows.store import steps as step_store


@dataclass(frozen=True, slots=True)
class Target:
    """What a suite evaluates."""

    kind: str
    """`prompt` or `workflow`; of a function nothing is on record."""
    name: str
    environment: str = ""
    """Whose records count for failures."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A case that could be made."""

    inputs: dict[str, Any]
    source: str
    expected: Json = None
    note: str = ""
    kind: str = ""
    """What went wrong, in words that quote nobody; empty when nothing did."""
    created_at: int = 0


def of_run(tx: sa.Connection, target: Target, run_id: str) -> list[Draft]:
    """The run's input, or those of its calls of the suite's prompt. Raises `NotFound`, `InvalidInput`."""
    run = run_store.get(tx, run_id)
    if target.kind == "workflow":
        if run.workflow != target.name:
            raise InvalidInput(
                f"{run_id} is a run of {run.workflow!r}, and the suite is about {target.name!r}."
            )
        return [_of_run(tx, run_id)]
    query = sa.select(calls.c.id).where(calls.c.run_id == run_id, calls.c.prompt_id == target.name)
    found = [_of_call(tx, call_id) for call_id in tx.execute(query.order_by(calls.c.started_at)).scalars()]
    if not found:
        raise InvalidInput(f"{run_id} did not ask the prompt {target.name!r}.")
    return [one for one in found if one is not None] or [_no_inputs(run_id)]


def of_call(tx: sa.Connection, target: Target, call_id: str) -> list[Draft]:
    """The inputs of a call. Raises `NotFound`, `InvalidInput`."""
    row = tx.execute(sa.select(calls.c.prompt_id, calls.c.run_id).where(calls.c.id == call_id)).first()
    if row is None:
        raise NotFound(
            f"There is no call {call_id!r}.", hint="Calls of a run: roadworthy runs show ID --calls"
        )
    if target.kind == "workflow":
        return of_run(tx, target, _run_of(row.run_id, call_id))
    if row.prompt_id != target.name:
        raise InvalidInput(f"{call_id} asked {row.prompt_id!r}, and the suite is about {target.name!r}.")
    return [_of_call(tx, call_id) or _no_inputs(call_id)]


def of_review(tx: sa.Connection, target: Target, review_id: str) -> list[Draft]:
    """The inputs of what was reviewed, with what people decided. Raises `NotFound`, `InvalidInput`."""
    item = review_store.get(tx, review_id)
    if target.kind == "workflow":
        told = of_run(tx, target, _run_of(item.run_id or _run_of_call(tx, item.call_id), review_id))
        return [replace(one, source=review_id, note=_said(item), kind=_kind(item)) for one in told]
    if item.prompt_id != target.name:
        raise InvalidInput(f"{review_id} is about {item.prompt_id!r}, and the suite about {target.name!r}.")
    inputs = _inputs_of_item(tx, item)
    if inputs is None:
        raise _lost(review_id)
    return [_reviewed(Draft(inputs, review_id, created_at=item.created_at), item)]


def of_feedback(tx: sa.Connection, target: Target, feedback_id: str) -> list[Draft]:
    """The inputs of what was rated, with its correction. Raises `NotFound`, `InvalidInput`."""
    row = tx.execute(sa.select(feedback).where(feedback.c.id == feedback_id)).mappings().first()
    if row is None:
        raise NotFound(f"There is no feedback {feedback_id!r}.")
    return list(_of_feedback(tx, target, row))


def _of_run(tx: sa.Connection, run_id: str) -> Draft:
    run = run_store.get(tx, run_id)
    given, _ = run_store.payload(tx, run_id)
    why = f"the run ended as {run.status.value}"
    if run.error_kind:
        why += f": {run.error_kind} in {run.error_step or 'the workflow'}"
    inputs = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    kind = f"run {run.status.value}: {run.error_kind}" if run.error_kind else ""
    return Draft(inputs, run_id, note=why, kind=kind, created_at=run.created_at)


def _of_call(tx: sa.Connection, call_id: str) -> Draft | None:
    """A call as a case, with what people said of its answer; None when its inputs are not on record."""
    row = tx.execute(sa.select(calls).where(calls.c.id == call_id)).mappings().one()
    inputs = _inputs_of_step(tx, row["run_id"], row["step_id"])
    about = sa.select(review_items.c.id).where(review_items.c.call_id == call_id)
    ids = tx.execute(about.order_by(review_items.c.created_at)).scalars().all()
    items = [review_store.get(tx, one) for one in ids]
    if inputs is None:
        inputs = next((found for item in items if (found := _inputs_of_item(tx, item)) is not None), None)
    if inputs is None:
        return None
    why = f"the call failed: {row['error_kind']}" if row["status"] == CallStatus.FAILED.value else ""
    draft = Draft(inputs, call_id, note=why, kind=why, created_at=row["started_at"])
    for item in items:
        draft = _reviewed(draft, item)
    return draft


def _inputs_of_step(tx: sa.Connection, run_id: str | None, step_id: str | None) -> dict[str, Any] | None:
    """The inputs of a prompt that was asked as a step of its own."""
    if run_id is None or step_id is None:
        return None
    step = next((one for one in step_store.list_of(tx, run_id) if one.id == step_id), None)
    if step is None or step.kind is not StepKind.CALL or not isinstance(step.input, dict):
        return None
    inputs = step.input.get("inputs")
    return cast("dict[str, Any]", inputs) if isinstance(inputs, dict) else None


def _inputs_of_item(tx: sa.Connection, item: Item) -> dict[str, Any] | None:
    """The inputs of the call that a review is about."""
    if item.kind is Kind.ANSWER:
        inputs = Question.from_json(item.question).inputs
        return cast("dict[str, Any]", inputs) if isinstance(inputs, dict) else None
    query = sa.select(calls.c.run_id, calls.c.step_id).where(calls.c.id == item.call_id)
    row = tx.execute(query).first()
    return None if row is None else _inputs_of_step(tx, row.run_id, row.step_id)


def _reviewed(draft: Draft, item: Item) -> Draft:
    """A draft with what people decided: what they gave, edited or approved is what is expected."""
    said = _said(item)
    note = "; ".join(part for part in (draft.note, said) if part)
    draft = replace(draft, kind=_kind(item) or draft.kind)
    if item.status in (ItemStatus.ANSWERED, ItemStatus.EDITED):
        return replace(draft, expected=item.answer, note=note)
    if item.status is ItemStatus.APPROVED:
        return replace(draft, expected=Held.from_json(item.question).value, note=note)
    return replace(draft, note=note)


def _kind(item: Item) -> str:
    bad = item.status in (ItemStatus.EDITED, ItemStatus.REJECTED, ItemStatus.DECLINED, ItemStatus.ANSWERED)
    return f"{item.status.value} by a person" if bad else ""


def _said(item: Item) -> str:
    if item.status in (ItemStatus.OPEN, ItemStatus.WITHDRAWN):
        return ""
    return f"{item.status.value} by a person" + (f": {item.note}" if item.note else "")


def _of_feedback(tx: sa.Connection, target: Target, row: sa.RowMapping) -> Sequence[Draft]:
    said = words_of(row)
    rated = "" if row["rating"] is None else f"rated {row['rating']} ({row['scale']}) by an end user"
    parts = [rated, str(said.get("comment") or "")]
    if target.kind == "prompt" and row["call_id"] is not None:
        told = of_call(tx, target, row["call_id"])
    else:
        told = of_run(tx, target, _run_of(row["run_id"], row["id"]))
    correction = said.get("correction")
    of_the_same = (target.kind == "workflow") == (row["call_id"] is None)
    if correction is not None and not of_the_same:  # of the run's result, which is not the prompt's answer
        parts.append("with a correction of the whole result")
    note = "; ".join(part for part in parts if part)
    told_of = {"source": row["id"], "note": note, "kind": "end user unhappy", "created_at": row["created_at"]}
    wanted = correction if of_the_same else None  # what was approved before is what they were unhappy with
    return [replace(one, expected=wanted, **told_of) for one in told]


def words_of(row: sa.RowMapping) -> dict[str, Any]:
    """The comment and the correction of feedback."""
    said = unpack(row["said"]) if row["said"] is not None else None
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _run_of_call(tx: sa.Connection, call_id: str | None) -> str | None:
    return tx.execute(sa.select(calls.c.run_id).where(calls.c.id == call_id)).scalar()


def _run_of(run_id: str | None, record_id: str) -> str:
    if run_id is None:
        raise InvalidInput(f"{record_id} belongs to no run, and the suite is about a workflow.")
    return run_id


def _no_inputs(record_id: str) -> Draft:
    raise _lost(record_id)


def _lost(record_id: str) -> InvalidInput:
    return InvalidInput(
        f"The inputs of {record_id} are not on record.",
        hint="They are for a prompt that a workflow asks itself, not inside a step or without a run.",
    )
