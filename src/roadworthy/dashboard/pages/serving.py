"""`POST /prompts/{prompt_id}/serves`: what a form changes of what serves, and what a refusal says.

Whatever was typed stands in the form again after a refusal. An evaluation that is missing is named with the
command that makes it; those who may override it are shown how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import Query

from roadworthy.access import Permission
from roadworthy.app import App
from roadworthy.dashboard.arms import arms_of
from roadworthy.dashboard.queries.splits import split_of
from roadworthy.dashboard.visit import Visit
from roadworthy.dashboard.words import percent
from roadworthy.errors import (
    ConflictError,
    Forbidden,
    InvalidInput,
    NotEvaluated,
    RoadworthyError,
    StateConflict,
)
from roadworthy.releases import Change, Release, slots_of
from roadworthy.service.exchange import exchange_of
from roadworthy.service.principal import forbidden
from roadworthy.service.problem import status_of

Asked = Annotated[str, Query(max_length=10)]
"""`?outcomes=shown`: also where adding them up takes a while."""
_SERVER_FAULT = 500
_MOST_FIELDS = 8
"""So many versions have a field for their share, and all that have one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a change was not made, and what was typed."""

    message: str
    hint: str
    status: int
    action: str
    reason: str
    label: str = ""
    shares: Mapping[str, str] = field(default_factory=dict[str, str])
    commands: Sequence[tuple[str, str]] = ()
    """Suites whose evaluation is missing, and the command that makes each."""
    can_override: bool = False
    """Whether it is the gate that refused, and the visitor may pass it with a reason."""


def looked_at(visit: Visit) -> int:
    """The revision that the form was made from. Raises `InvalidInput`."""
    said = visit.field("expect")
    if not said.isascii() or not said.isdecimal() or len(said) > len(str(2**53)):
        raise InvalidInput("This form is not complete.", hint="Load the page again, and repeat it.")
    return int(said)


def typed_shares(visit: Visit) -> dict[str, str]:
    """What was typed beside each name; what was left empty is left out."""
    names, percents = visit.form.get("of", []), visit.form.get("percent", [])
    return {name: said.strip() for name, said in zip(names, percents, strict=False) if said.strip()}


def shares_in(typed: Mapping[str, str]) -> dict[str, int]:
    """Slots by name. Raises `InvalidInput`."""
    percents: dict[str, Decimal] = {}
    for name, said in typed.items():
        try:
            percents[name] = Decimal(said.removesuffix("%").replace(",", "."))
        except InvalidOperation:
            raise InvalidInput(f"{said!r} is no share.", hint="Write a number of percent.") from None
    return slots_of({name: one for name, one in percents.items() if one})


def shares_now(release: Release | None, default: str) -> dict[str, str]:
    """What each arm has, as it stands in a form."""
    if release is None:
        return {default: "100"}
    return {arm.name: percent(arm.share).removesuffix("%") for arm in release.arms}


def share_names(labels: Sequence[str], serving: Mapping[str, str]) -> list[str]:
    """The versions that have a field: the newest, and all that serve."""
    return [one for place, one in enumerate(labels) if place < _MOST_FIELDS or one in serving]


async def split_shown(visit: Visit, subject: str, *, asked: bool) -> dict[str, Any]:
    """What a page shows of the newest split; its figures are for those who see every tenant."""
    app = visit.app
    found = None
    if visit.may(Permission.PROMPTS_READ):
        environment = app.settings.environment
        found = await visit.read(lambda tx: split_of(tx, environment, subject, asked=asked))
    its = found.outcomes if found else None
    return {
        "split": arms_of(its, sees_costs=visit.may(Permission.COSTS_READ)) if its else None,
        "split_is_large": found is not None and its is None,
    }


async def change(app: App, visit: Visit, prompt_id: str) -> Change | Refused:
    """Make the change that the form asks for. Raises what is nobody's fault here."""
    try:
        return await _changed(app, visit, prompt_id)
    except RoadworthyError as error:
        return refused(visit, error)


def refused(visit: Visit, error: RoadworthyError) -> Refused:
    """Why the form was not taken; raises the error again where it is a fault of the service."""
    if status_of(error) >= _SERVER_FAULT:
        raise error
    exchange_of(visit.request.scope).code = error.code
    missing = isinstance(error, NotEvaluated)
    gate = isinstance(error, ConflictError | Forbidden) and not isinstance(error, StateConflict)
    return Refused(
        message=error.message,
        hint=error.hint,
        status=status_of(error),
        action=visit.field("action"),
        reason=visit.field("reason"),
        label=visit.field("label"),
        shares=typed_shares(visit),
        commands=list(zip(error.details["suites"], error.details["commands"], strict=True))
        if missing
        else (),
        can_override=gate and visit.principal.may(Permission.PROMPTS_OVERRIDE),
    )


async def _changed(app: App, visit: Visit, prompt_id: str) -> Change:
    expect, reason = looked_at(visit), visit.field("reason")
    override = visit.field("override") == "yes"
    if override and not visit.principal.may(Permission.PROMPTS_OVERRIDE):
        raise forbidden(Permission.PROMPTS_OVERRIDE)
    match visit.field("action"):
        case "promote":
            label = visit.field("label")
            return await app.promotions.promote(
                prompt_id, label, expect=expect, reason=reason, override=override
            )
        case "split":
            slots = shares_in(typed_shares(visit))
            return await app.promotions.split(
                prompt_id, slots, expect=expect, reason=reason, override=override
            )
        case "rollback":
            return await app.promotions.rollback(prompt_id, expect=expect, reason=reason)
        case "clear":
            return await app.promotions.clear(prompt_id, expect=expect, reason=reason, override=override)
        case _:
            raise InvalidInput("This form is not complete.", hint="Load the page again, and repeat it.")
