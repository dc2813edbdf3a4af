"""What the page of one run shows: a page of its steps, what surrounds it, and one step opened.

Steps are read from a position on, at most `PAGE` of them; calls are added up to `MOST_CALLS`. What whoever
looks may not see is not read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.calls import store as call_store
from roadworthy.dashboard.queries.badges import Within
from roadworthy.dashboard.sent import Body, body_of
from roadworthy.dashboard.timeline import Try
from roadworthy.db import unpack
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.workflows import attempts, step_payloads, steps
from roadworthy.records import Json
from roadworthy.review import Decided, Item, decided
from roadworthy.review import Filter as ReviewFilter
from roadworthy.review import store as review_store
from roadworthy.workflows import Filter, Run, Step
from roadworthy.workflows.run import Attempt, AttemptStatus, StepKind, StepStatus
from roadworthy.workflows.store import runs as run_store
from roadworthy.workflows.store.find import find

PAGE = 500
MOST_CALLS = 10_000
MOST_BESIDE = 50
"""Of children and reviews."""
_MOST_TRIES = 1_000
_MOST_CALLS_OF_STEP = 20


@dataclass(frozen=True, slots=True)
class Rights:
    """What whoever looks may see of a run."""

    content: bool
    runs: Within
    """Which runs."""
    reviews: Within | None
    """Which reviews; None for none."""


@dataclass(frozen=True, slots=True)
class Steps:
    """One page of a run's steps, with the tries of those that took more than one."""

    steps: Sequence[Step]
    tries: Mapping[str, Sequence[Try]]
    earlier: int | None
    """Where the page before begins; None on the first."""
    later: int | None
    """Where the next page begins; None on the last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run's calls with one version of a prompt came to."""

    prompt_id: str
    version: str
    calls: int
    tokens: int
    micro_usd: int
    is_known: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What surrounds a run."""

    failed_step_id: str
    """The step with the error that ended it; empty when there is none."""
    prompts: Sequence[Asked]
    has_more_calls: bool
    children: Sequence[Run]
    reviews: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Chosen:
    """One step, opened."""

    step: Step
    calls: Sequence[Mapping[str, Any]]
    """Its latest calls, oldest first, without their attempts."""
    decision: Decided | None
    review: Item | None
    """On which people decide, or decided; with its question where content may be seen."""


def run_of(tx: sa.Connection, run_id: str) -> Run:
    """The run. Raises `NotFound`."""
    return run_store.get(tx, run_id)


def payload_of(tx: sa.Connection, run_id: str, name: str) -> Body | None:
    """The run's `input` or `output`; None while there is none."""
    value = run_store.payload(tx, run_id)[1 if name == "output" else 0]
    return None if value is None else body_of(value)


def steps_from(tx: sa.Connection, run_id: str, first: int) -> Steps:
    """The steps from a position on."""
    mine = steps.c.run_id == run_id
    order = (steps.c.position, steps.c.rewound.desc())
    query = sa.select(steps).where(mine, steps.c.position >= first).order_by(*order).limit(PAGE + 1)
    rows, later = list(tx.execute(query)), None
    if len(rows) > PAGE:  # a position is never split, for what was set aside belongs to what replaced it
        later = rows[-1].position
        rows = [row for row in rows if row.position < later] or rows[:PAGE]
        later = max(later, rows[-1].position + 1)
    before = sa.select(steps.c.position).where(mine, steps.c.position < first)
    last = before.order_by(steps.c.position.desc()).limit(PAGE).subquery()
    earlier = tx.execute(sa.select(sa.func.min(last.c.position))).scalar() if first else None
    return Steps([_step(row) for row in rows], _tries(tx, run_id, rows), earlier, later)


def beside(tx: sa.Connection, run: Run, rights: Rights) -> Beside:
    """What surrounds the run."""
    asked, has_more = _asked(tx, run.id)
    reviews: list[Item] = []
    if rights.reviews is not None:
        where = ReviewFilter(run_id=run.id, within=rights.reviews)
        reviews = review_store.find(tx, where, limit=MOST_BESIDE, newest_first=True)
    children = find(tx, Filter(parent_run_id=run.id, within=rights.runs), limit=MOST_BESIDE)
    return Beside(_failed_step(tx, run), asked, has_more, children[::-1], reviews)


def chosen(tx: sa.Connection, run_id: str, step_id: str, rights: Rights) -> Chosen | None:
    """A step of this run; None when it is none."""
    row = tx.execute(sa.select(steps).where(steps.c.id == step_id, steps.c.run_id == run_id)).first()
    if row is None:
        return None
    tried = tx.execute(sa.select(attempts).where(attempts.c.step_id == step_id).order_by(attempts.c.number))
    made = _calls_of(tx, run_id, step_id)
    decision = review = None
    if row.kind == StepKind.DECISION:
        decision = next((one for one in decided.of_run(tx, run_id) if one.step_id == step_id), None)
        if rights.reviews is not None:
            review = _review_of(tx, run_id, step_id, decision, rights)
    return Chosen(_step(row, [_attempt(one) for one in tried]), made, decision, review)


def step_payload(tx: sa.Connection, step_id: str, name: str) -> Body | None:
    """A step's `input` or `output`; None while there is none, and where a failure took its place."""
    query = sa.select(step_payloads.c[name]).where(step_payloads.c.step_id == step_id)
    stored = tx.execute(query).scalar()
    if stored is None:
        return None
    value = unpack(stored)
    if name == "input":
        return body_of(value)
    outcome = cast("dict[str, Json]", value) if isinstance(value, dict) else {}
    return body_of(outcome.get("value")) if outcome.get("ok") else None


def call_of(tx: sa.Connection, call_id: str, *, payloads: bool) -> Mapping[str, Any] | None:
    """A call with its attempts (`tried`)."""
    return call_store.of_id(tx, call_id, payloads=payloads)


def _failed_step(tx: sa.Connection, run: Run) -> str:
    if run.error_position is None:
        return ""
    query = sa.select(steps.c.id).where(steps.c.run_id == run.id, steps.c.position == run.error_position)
    return tx.execute(query.order_by(steps.c.rewound).limit(1)).scalar() or ""


def _asked(tx: sa.Connection, run_id: str) -> tuple[list[Asked], bool]:
    latest = (
        sa.select(
            calls.c.prompt_id,
            calls.c.prompt_version,
            (calls.c.input_tokens + calls.c.output_tokens).label("tokens"),
            calls.c.cost_micro_usd,
            sa.case((calls.c.cost_known, 0), else_=1).label("unknown"),
        )
        .where(calls.c.run_id == run_id)
        .limit(MOST_CALLS + 1)
        .subquery()
    )
    prompt = (latest.c.prompt_id, latest.c.prompt_version)
    query = sa.select(
        *prompt,
        sa.func.count(),
        sa.func.sum(latest.c.tokens),
        sa.func.sum(latest.c.cost_micro_usd),
        sa.func.sum(latest.c.unknown),
    )
    found = [
        Asked(prompt_id, version, count, int(tokens), int(micro_usd), is_known=not unknown)
        for prompt_id, version, count, tokens, micro_usd, unknown in tx.execute(
            query.group_by(*prompt).order_by(*prompt)
        )
    ]
    return found, sum(one.calls for one in found) > MOST_CALLS


def _calls_of(tx: sa.Connection, run_id: str, step_id: str) -> list[Mapping[str, Any]]:
    query = sa.select(calls).where(calls.c.run_id == run_id, calls.c.step_id == step_id)
    found = tx.execute(
        query.order_by(calls.c.started_at.desc(), calls.c.id.desc()).limit(_MOST_CALLS_OF_STEP)
    )
    return [cast("Mapping[str, Any]", row) for row in found.mappings()][::-1]


def _review_of(
    tx: sa.Connection, run_id: str, step_id: str, decision: Decided | None, rights: Rights
) -> Item | None:
    """The item that this step opened, or on which it decided."""
    where = ReviewFilter(run_id=run_id, within=rights.reviews)
    wanted = decision.review_id if decision is not None else None
    for item in review_store.find(tx, where, limit=MOST_BESIDE, newest_first=True):
        if item.step_id == step_id or item.id == wanted:
            return review_store.get(tx, item.id) if rights.content else item
    return None


def _tries(tx: sa.Connection, run_id: str, rows: Sequence[Any]) -> dict[str, list[Try]]:
    """Of steps that were tried again, or whose calls were; in order."""
    made: dict[str, list[Try]] = {}
    again = [row.id for row in rows if row.attempt > 1]
    query = sa.select(attempts).where(attempts.c.step_id.in_(again)).order_by(attempts.c.number)
    for row in tx.execute(query.limit(_MOST_TRIES)) if again else ():
        made.setdefault(row.step_id, []).append(
            Try(
                row.step_id,
                f"attempt {row.number}",
                row.status,
                row.started_at,
                row.finished_at,
                row.error_kind or "",
            )
        )
    asking = [row.id for row in rows if row.kind in (StepKind.CALL, StepKind.STEP, StepKind.ACTION)]
    tried = (
        sa.select(calls.c.step_id, call_attempts)
        .join(calls, calls.c.id == call_attempts.c.call_id)
        .where(calls.c.run_id == run_id, calls.c.attempts > 1, calls.c.step_id.in_(asking))
        .order_by(call_attempts.c.started_at, call_attempts.c.number)
        .limit(_MOST_TRIES)
    )
    for row in tx.execute(tried) if asking else ():
        made.setdefault(row.step_id, []).append(
            Try(
                row.step_id,
                f"{'asked' if row.reason == 'first' else row.reason}: {row.provider_model or row.model}",
                row.status,
                row.started_at,
                row.finished_at or row.started_at,
                row.error_kind or "",
            )
        )
    return made


_PLAIN = tuple(
    name
    for name in Step.__dataclass_fields__
    if name not in ("input", "output", "attempts", "kind", "status")
)


def _step(row: Any, tried: Sequence[Attempt] = ()) -> Step:
    return Step(
        **{name: getattr(row, name) for name in _PLAIN},
        kind=StepKind(row.kind),
        status=StepStatus(row.status),
        attempts=tuple(tried),
    )


def _attempt(row: Any) -> Attempt:
    return Attempt(
        row.number,
        AttemptStatus(row.status),
        row.worker_id,
        row.started_at,
        row.finished_at,
        row.error_kind,
        row.error_message,
    )
