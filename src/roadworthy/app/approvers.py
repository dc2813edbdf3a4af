"""Who has to let a version serve: the `approvers` that the settings name for a prompt, or its workflows.

A prompt without approvers of its own has those of each workflow whose runs have asked it, by the calls on
record: whoever changes what several workflows depend on is an approver of all of them.
"""

import sqlalchemy as sa

from roadworthy.audit import Actor
from roadworthy.db.tables.calls import calls
from roadworthy.errors import Forbidden
from roadworthy.settings import Settings

_NEWEST_CALLS = 1_000


def require_approver(tx: sa.Connection, settings: Settings, prompt_id: str, actor: Actor) -> None:
    """Raise `Forbidden` where approvers are named, and this is none of them."""
    for where, names in _named(tx, settings, prompt_id).items():
        if actor.id not in names and actor.name not in names:
            raise Forbidden(
                f"{actor.name or actor.id or actor.kind.value!r} is no approver of prompt {prompt_id!r}: "
                f"[{where}] names {', '.join(names)}.",
                hint="Ask one of them, or let an owner override it with a reason.",
            )


def _named(tx: sa.Connection, settings: Settings, prompt_id: str) -> dict[str, list[str]]:
    """The approvers, by the section of the settings that names them."""
    own = settings.prompts.get(prompt_id)
    if own is not None and own.approvers:
        return {f"prompts.{prompt_id}": own.approvers}
    named = {name: one.approvers for name, one in settings.workflows.items() if one.approvers}
    if not named:
        return {}
    newest = (
        sa.select(calls.c.workflow)
        .where(calls.c.prompt_id == prompt_id)
        .order_by(calls.c.started_at.desc())
        .limit(_NEWEST_CALLS)
        .subquery()
    )
    asking = set(tx.execute(sa.select(newest.c.workflow).distinct()).scalars())
    return {f"workflows.{name}": named[name] for name in sorted(named) if name in asking}
