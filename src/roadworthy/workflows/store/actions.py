"""Actions: each is done once under its key, whichever run and step asks for it."""

from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.db import pack, unpack
from roadworthy.db.tables.workflows import actions, steps
from roadworthy.errors import IdempotencyConflict
from roadworthy.records import Json
from roadworthy.workflows.run import StepStatus
from roadworthy.workflows.store.claims import Claim, assert_held
from roadworthy.workflows.store.runs import insert


@dataclass(frozen=True, slots=True)
class ActionState:
    """Whether an action under a key was done before."""

    done: bool
    output: Json


def begin(
    tx: sa.Connection,
    claim: Claim,
    *,
    action: str,
    key: str,
    input_hash: str,
    step_id: str,
    decision_id: str | None = None,
    now_ms: int,
) -> ActionState:
    """Register an action's key, or find what was done under it.

    Raises `IdempotencyConflict` when the key belongs to another input, or another run acts under it now.
    """
    assert_held(tx, claim)
    tx.execute(
        insert(
            tx,
            actions,
            action=action,
            key=key,
            input_hash=input_hash,
            run_id=claim.run_id,
            step_id=step_id,
            decision_id=decision_id,
            created_at=now_ms,
        )
    )
    row = tx.execute(sa.select(actions).where(actions.c.action == action, actions.c.key == key)).one()
    if row.input_hash != input_hash:
        raise IdempotencyConflict(
            f"Action {action!r} was asked before under the key {key!r} with other input (run {row.run_id}).",
            hint="Use a new key for a new act.",
        )
    if row.done_at is not None:
        return ActionState(done=True, output=unpack(row.output))
    if row.step_id != step_id:
        holder = tx.execute(
            sa.select(steps.c.status, steps.c.rewound).where(steps.c.id == row.step_id)
        ).first()
        if holder is not None and holder.status == StepStatus.RUNNING and not holder.rewound:
            raise IdempotencyConflict(
                f"Action {action!r} is being done under the key {key!r} by run {row.run_id}.",
                hint="Wait for that run.",
            )
        tx.execute(
            sa.update(actions)
            .where(actions.c.action == action, actions.c.key == key, actions.c.step_id == row.step_id)
            .values(step_id=step_id, run_id=claim.run_id, decision_id=decision_id)
        )
    return ActionState(done=False, output=None)


def finish(tx: sa.Connection, *, action: str, key: str, output: Json, now_ms: int) -> None:
    """Note that an action was done."""
    tx.execute(
        sa.update(actions)
        .where(actions.c.action == action, actions.c.key == key)
        .values(done_at=now_ms, output=pack(output))
    )
