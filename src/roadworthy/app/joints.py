"""What one part is handed of another that it does not know: functions that `wiring` connects."""

import logging
from collections.abc import Callable, Mapping
from functools import partial

import sqlalchemy as sa

from roadworthy.access import Principal
from roadworthy.access.office import Note
from roadworthy.app.promotions import Proof
from roadworthy.audit import Action, Actor, ActorKind, Audit, Outcome, current_actor
from roadworthy.errors import NotFound
from roadworthy.evals import Evals
from roadworthy.evals.baseline import Baseline
from roadworthy.models import LearnedRouter, Models
from roadworthy.prompts import Version
from roadworthy.records import Json, iso
from roadworthy.releases import Evidence
from roadworthy.review import signal_name, store
from roadworthy.settings import RouteSettings, Settings
from roadworthy.workflows import wait

_log = logging.getLogger("roadworthy")


def proof_of(evals: Callable[[], Evals]) -> Proof:
    """What evaluations say of a version that is to serve."""

    def evidence(version: Version) -> Evidence | None:
        try:
            found = evals().evidence(version.prompt_id, version.label)
        except NotFound:  # its text is in the database only, and nothing evaluates it there
            return None
        if found is None or found.verdict is None:
            return None
        if isinstance(found, Baseline):
            return Evidence(found.experiment_id, found.verdict.value, found.at, found.fingerprint)
        return Evidence(found.id, found.verdict.value, iso(found.started_at), found.fingerprint)

    def missing(version: Version) -> tuple[str, ...]:
        return evals().missing(version.prompt_id, version.label)

    return Proof(evidence, missing)


def load_router(
    settings: Settings, models: Models, name: str, route: RouteSettings
) -> tuple[LearnedRouter, bool]:
    """The trained router of a route, and whether the models behind its names are still those it knows.

    Raises `ConfigurationError` when it does not fit the route.
    """
    assert route.router is not None  # noqa: S101 - the settings were checked
    router = LearnedRouter.load(settings.path(route.router))
    router.require(name, route.models)
    changed = router.changed({model: models.target(model).model for model in route.models})
    if changed:
        _log.warning(
            "the router of route %r was trained for another model behind %s: everything goes to %r "
            "until it is trained again (roadworthy routes train %s)",
            name,
            ", ".join(map(repr, changed)),
            router.strong,
            name,
        )
    return router, not changed


def note(
    audit: Audit,
    action: str,
    subject: str = "",
    *,
    by: Principal | None,
    refused: bool = False,
    detail: Mapping[str, Json] | None = None,
) -> Note:
    """An audit entry of what access does, to be stored with it."""
    kind, name, title = ActorKind.ANONYMOUS, "", ""
    if by is not None:
        kind, name, title = ActorKind(by.kind.value), by.id, by.name
    actor = Actor(kind, name, title, current_actor().request_id)
    outcome = Outcome.REFUSED if refused else Outcome.DONE
    entry = audit.entry(Action(action), subject, actor=actor, outcome=outcome, detail=detail)
    return partial(audit.append, entry=entry)


def wake_after_review(tx: sa.Connection, run_id: str, review_id: str, now_ms: int) -> None:
    """Send the signal that the run waits for, once for each review."""
    status = store.get(tx, review_id).status.value
    wait.send(
        tx,
        signal_id=f"sig_{review_id.partition('_')[2]}",
        run_id=run_id,
        name=signal_name(review_id),
        payload={"review_id": review_id, "status": status},
        now_ms=now_ms,
    )
