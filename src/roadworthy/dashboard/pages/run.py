"""`/runs/{run_id}`: one run: its steps in time, the one that is opened, what surrounds it, what can be done.

The address says it all: `step` is opened, at `tab`, with `call`; the list begins `from` a position.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Response

from roadworthy.access import Permission
from roadworthy.dashboard.queries import run as queries
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.sent import Body, Sent, body_of, sent_of
from roadworthy.dashboard.timeline import Timeline, drawn
from roadworthy.dashboard.visit import Visit, nothing_here, visits
from roadworthy.errors import InvalidInput, NotFound
from roadworthy.records import Json
from roadworthy.review import Exhibit, Held, Kind, exhibits
from roadworthy.service.runs import missing
from roadworthy.workflows import FINISHED, Run, RunStatus
from roadworthy.workflows.run import RESUMABLE, StepKind

_MOST_FEEDBACK = 20
_MOST_POSITION = 10**9
_SIGNAL, _REVIEW = "signal:", "review:"
_WAITS = "wait for "
_RUN_TABS = {"input": "Input", "output": "Output"}
_STEP_TABS = {"input": "Input", "output": "Output"}
_CALL_TABS = {
    "prompt": "Prompt",
    "output": "Output",
    "raw": "Raw output",
    "validation": "Validation",
    "cost": "Cost",
    "input": "Input",
}
_DECISION_TABS = {"decision": "Decision", "passages": "Passages", "output": "Output", "input": "Input"}
"""Of what is opened: each tab's name in the address, and for people. The first is shown unless told."""
_Id = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for."""

    step: str
    tab: str
    call: str
    first: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What stands below the timeline: one step, or the run itself, at one tab."""

    step: queries.Chosen | None
    tabs: Mapping[str, str]
    tab: str
    body: Body | None = None
    """Of the tabs of inputs and outputs."""
    call: Mapping[str, Any] | None = None
    """With its attempts."""
    sent: Sequence[tuple[Mapping[str, Any], Sent]] = ()
    """Each attempt of the call, and what it sent."""
    received: Sequence[tuple[Mapping[str, Any], Body | None]] = ()
    passages: Sequence[tuple[Exhibit, Body | None]] = ()
    held: Held | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows."""

    run: Run
    timeline: Timeline
    earlier: int | None
    later: int | None
    opened: Opened
    beside: queries.Beside
    feedback: Sequence[Mapping[str, Json]]
    content: bool
    tokens: int
    waits_for: str
    """In words; empty when it does not wait."""
    signal: str
    """The name of the signal that it waits for, which anybody may send."""
    actions: Sequence[str]
    """What can be done with it now, by whoever looks."""
    most: int = queries.PAGE
    most_calls: int = queries.MOST_CALLS
    most_beside: int = queries.MOST_BESIDE


def router(renderer: Renderer) -> APIRouter:
    """The routes."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.RUNS_READ)
    manages = visits(app, Permission.RUNS_MANAGE)

    @made.get("/runs/{run_id}")
    async def shown(
        visit: Annotated[Visit, Depends(reads)],
        run_id: str,
        step: _Id = "",
        tab: _Id = "",
        call: _Id = "",
        first: Annotated[int, Query(alias="from", ge=0, le=_MOST_POSITION)] = 0,
    ) -> Response:
        wanted = Wanted(step, tab, call, first)
        found = await visit.read(lambda tx: _look(tx, visit, run_id, wanted))
        if found is None:
            raise nothing_here()
        feedback = await app.feedback.find(
            subject_id=run_id, visible=visit.caller.scope.condition, limit=_MOST_FEEDBACK
        )
        page = _page(visit, *found, feedback)
        return await renderer.page(visit, "run.html", page=page)

    @made.post("/runs/{run_id}/actions")
    async def act(visit: Annotated[Visit, Depends(manages)], run_id: str) -> Response:
        try:
            run = await app.runs.get(run_id)
        except NotFound:
            raise missing(run_id) from None
        visit.caller.require(
            workflow=run.workflow, tenant=run.tenant, seen_by=Permission.RUNS_READ, missing=missing(run_id)
        )
        return visit.go(*await _done(visit, run))

    return made


async def _done(visit: Visit, run: Run) -> tuple[str, str]:
    """Do what the form says; where to go then, and what to say there."""
    runs, action = visit.app.runs, visit.field("action")
    here, position = f"/runs/{run.id}", _position(visit.field("from_step"))
    if action == "cancel":
        status = await runs.cancel(run.id)
        return here, "Cancelled." if status is RunStatus.CANCELLED else "It will stop in a moment."
    if action == "resume":
        await runs.resume(run.id, from_step=position)
        return here, "It goes on." if position is None else f"It goes on from step {position}."
    if action == "replay":
        handle = await runs.replay(run.id, from_step=position)
        return f"/runs/{handle.id}", "Started again, as this new run."
    if action == "signal":
        name = visit.field("name")
        await runs.signal(run.id, name, _payload(visit.field("payload")))
        return here, f"The signal {name!r} was sent."
    raise InvalidInput("Nothing of that name can be done with a run.")


def _position(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) > _MOST_POSITION:
        raise InvalidInput("This is no position of a step.")
    return int(text)


def _payload(text: str) -> Json:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "What the signal is to carry is no JSON.",
            hint=f'{error}. A text stands in quotes: "yes"; leave it empty to carry nothing.',
        ) from error


Found = tuple[Run, queries.Rights, queries.Steps, queries.Beside, Opened]


def _look(tx: sa.Connection, visit: Visit, run_id: str, wanted: Wanted) -> Found | None:
    """Everything that is asked for, as of one moment; None when it is not there or not to be seen."""
    try:
        run = queries.run_of(tx, run_id)
    except NotFound:
        return None
    if not visit.may(Permission.RUNS_READ, run.workflow, run.tenant):
        return None
    rights = queries.Rights(
        content=visit.may(Permission.RUNS_CONTENT, run.workflow, run.tenant),
        runs=visit.caller.scope.condition,
        reviews=visit.principal.scope(Permission.REVIEWS_READ).condition
        if visit.may(Permission.REVIEWS_READ, run.workflow, run.tenant)
        else None,
    )
    opened = _open(tx, run, wanted, rights)
    if opened is None:
        return None
    return run, rights, queries.steps_from(tx, run.id, wanted.first), queries.beside(tx, run, rights), opened


def _open(tx: sa.Connection, run: Run, wanted: Wanted, rights: queries.Rights) -> Opened | None:
    if not wanted.step:
        tab = wanted.tab if wanted.tab in _RUN_TABS else "input"
        if not wanted.tab and run.status is RunStatus.SUCCEEDED:
            tab = "output"
        body = queries.payload_of(tx, run.id, tab) if rights.content else None
        return Opened(None, _RUN_TABS, tab, body)
    chosen = queries.chosen(tx, run.id, wanted.step, rights)
    if chosen is None:
        return None
    tabs = _STEP_TABS
    if chosen.step.kind is StepKind.DECISION:
        tabs = _DECISION_TABS
    elif chosen.calls:
        tabs = _CALL_TABS
    tab = wanted.tab if wanted.tab in tabs else next(iter(tabs))
    if tab in ("input", "output"):
        body = queries.step_payload(tx, chosen.step.id, tab) if rights.content else None
        return Opened(chosen, tabs, tab, body)
    if tabs is _DECISION_TABS:
        return _decision(chosen, tab, rights)
    return _call(tx, chosen, tab, wanted.call, rights)


def _decision(chosen: queries.Chosen, tab: str, rights: queries.Rights) -> Opened:
    item, held = chosen.review, None
    if rights.content and item is not None and item.kind is not Kind.ANSWER and item.question is not None:
        held = Held.from_json(item.question)
    shown = exhibits(held.evidence) if held is not None and tab == "passages" else []
    passages = [(one, body_of(one.rest) if one.rest is not None else None) for one in shown]
    return Opened(chosen, _DECISION_TABS, tab, passages=passages, held=held)


def _call(
    tx: sa.Connection, chosen: queries.Chosen, tab: str, call_id: str, rights: queries.Rights
) -> Opened:
    ids = [one["id"] for one in chosen.calls]
    payloads = rights.content and tab in ("prompt", "raw")
    call = queries.call_of(tx, call_id if call_id in ids else ids[-1], payloads=payloads)
    tried: list[Any] = call["tried"] if call is not None and payloads else []
    return Opened(
        chosen,
        _CALL_TABS,
        tab,
        call=call,
        sent=[(one, sent_of(one.get("sent"))) for one in tried] if tab == "prompt" else (),
        received=[(one, None if one.get("received") is None else body_of(one["received"])) for one in tried]
        if tab == "raw"
        else (),
    )


def _page(
    visit: Visit,
    run: Run,
    rights: queries.Rights,
    steps: queries.Steps,
    beside: queries.Beside,
    opened: Opened,
    feedback: Sequence[Mapping[str, Json]],
) -> Page:
    now_ms = visit.app.clock.now_ms()
    waits_for = run.waiting_for or ""
    if not waits_for and run.status is RunStatus.RUNNING and steps.steps and steps.later is None:
        last = steps.steps[-1]  # a wait that is short so far is held by the process
        if last.kind is StepKind.WAIT and last.name.startswith(_WAITS):
            waits_for = _SIGNAL + last.name.removeprefix(_WAITS)
    signal = waits_for.removeprefix(_SIGNAL) if waits_for.startswith(_SIGNAL) else ""
    return Page(
        run=run,
        timeline=drawn(steps.steps, steps.tries, beside.children, now_ms),
        earlier=steps.earlier,
        later=steps.later,
        opened=opened,
        beside=beside,
        feedback=feedback,
        content=rights.content,
        tokens=sum(one.tokens for one in beside.prompts),
        waits_for=_in_words(waits_for),
        signal="" if signal.startswith(_REVIEW) else signal,
        actions=_actions(visit, run, signal),
    )


def _in_words(waits_for: str) -> str:
    if waits_for.startswith(_SIGNAL + _REVIEW):
        return "a person's decision"
    if waits_for.startswith(_SIGNAL):
        return f"the signal {waits_for.removeprefix(_SIGNAL)!r}"
    return {"time": "its time"}.get(waits_for, waits_for)


def _actions(visit: Visit, run: Run, signal: str) -> list[str]:
    if not visit.may(Permission.RUNS_MANAGE, run.workflow, run.tenant):
        return []
    can = {
        "cancel": run.status not in FINISHED,
        "resume": run.status in RESUMABLE,
        "replay": run.status in FINISHED or run.status is RunStatus.PARKED,
        "signal": bool(signal) and not signal.startswith(_REVIEW) and run.status not in FINISHED,
    }
    return [name for name, possible in can.items() if possible]
