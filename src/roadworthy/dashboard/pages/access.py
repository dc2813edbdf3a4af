"""`/settings/people`, `/settings/keys`, `/settings/roles`: who may do what.

A secret is shown once, in the answer to the form that asked for it, and no address, cookie or log has it.
A form that is sent again makes no second one: a key's form brings the id that the key will have, a link's
form says which link was the last one before, and the database takes each of them once.
"""

import ast
import inspect
import re
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from roadworthy.access import KEY_ROLES, PERMISSIONS, Grant, Permission, Role
from roadworthy.dashboard.pages.settings import tabs
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, visits
from roadworthy.dashboard.words import plural
from roadworthy.errors import InvalidInput, RoadworthyError, did_you_mean
from roadworthy.service.exchange import exchange_of
from roadworthy.service.problem import status_of

_KEY_ID = re.compile(r"key_[0-9a-f]{32}")
_MOST = 500
_ROLES = (Role.VIEWER, Role.REVIEWER, Role.APPROVER, Role.OPERATOR, Role.OWNER)
"""Of people, the one that may do least first."""
_SERVER_FAULT = 500
PersonId = Annotated[str, Path(max_length=100)]


def router(renderer: Renderer) -> APIRouter:
    """The routes."""
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    _add_people(made, renderer)
    _add_person(made, renderer)
    _add_keys(made, renderer)

    @made.get("/settings/roles")
    async def roles(
        visit: Annotated[Visit, Depends(visits(renderer.app, Permission.SETTINGS_READ))],
    ) -> Response:
        return await renderer.page(
            visit,
            "access_roles.html",
            tabs=tabs(visit),
            roles=_described(Role),
            permissions=_described(Permission),
            table=PERMISSIONS,
        )

    return made


def _add_people(made: APIRouter, renderer: Renderer) -> None:
    access = renderer.app.access
    owner = visits(renderer.app, Permission.ACCESS_MANAGE, everywhere=True)

    async def page(visit: Visit, fault: str = "", status: int = 200) -> Response:
        people = await access.people(visit.principal)
        return await renderer.page(
            visit,
            "access_people.html",
            status=status,
            tabs=tabs(visit),
            people=people[:_MOST],
            count=len(people),
            fault=fault,
            **_where(visit),
        )

    @made.get("/settings/people")
    async def people(visit: Annotated[Visit, Depends(owner)]) -> Response:
        return await page(visit)

    @made.post("/settings/people")
    async def add(visit: Annotated[Visit, Depends(owner)]) -> Response:
        try:
            grants = (_grant(visit),) if visit.field("role") else ()
            name, email = visit.field("name"), visit.field("email") or None
            person = await access.add_person(visit.principal, name, email=email, grants=grants)
        except RoadworthyError as error:
            return await page(visit, *_told(visit, error))
        return visit.go(
            f"/settings/people/{person.id}", f"{person.name} was added. A sign-in link lets them in."
        )


def _add_person(made: APIRouter, renderer: Renderer) -> None:
    app, access = renderer.app, renderer.app.access
    owner = visits(app, Permission.ACCESS_MANAGE, everywhere=True)

    @made.get("/settings/people/{person_id}")
    async def person(visit: Annotated[Visit, Depends(owner)], person_id: PersonId) -> Response:
        found = await access.person(visit.principal, person_id)
        return await renderer.page(
            visit,
            "access_person.html",
            tabs=tabs(visit),
            person=found,
            last_link=await access.last_link(visit.principal, found.id),
            link_minutes=round(app.settings.access.link_seconds / 60),
            **_where(visit),
        )

    @made.post("/settings/people/{person_id}/link")
    async def link(visit: Annotated[Visit, Depends(owner)], person_id: PersonId) -> Response:
        found = await access.person(visit.principal, person_id)
        last = visit.field("last")
        if not last.isascii() or not last.isdecimal() or len(last) > len(str(2**53)):
            raise InvalidInput("This form is not complete.", hint="Load the page again, and repeat it.")
        one = await access.link(visit.principal, found.id, last=int(last))
        return await renderer.page(
            visit,
            "access_secret.html",
            tabs=tabs(visit),
            title=f"A link for {found.name}",
            said=f"Give it to {found.name} and to nobody else: it signs in once, as them.",
            secret=f"{app.address}/sign-in?token={one.secret}",
            until=one.expires_at,
            back=f"/settings/people/{found.id}",
        )

    @made.post("/settings/people/{person_id}/actions")
    async def act(visit: Annotated[Visit, Depends(owner)], person_id: PersonId) -> Response:
        found = await access.person(visit.principal, person_id)
        said = await _done(visit, found.id)
        return visit.go(f"/settings/people/{found.id}", f"{found.name} {said}.")


async def _done(visit: Visit, person_id: str) -> str:
    """Do what a form says with a person; what came of it, after their name."""
    access, by, action = visit.app.access, visit.principal, visit.field("action")
    if action in ("give", "take"):
        grant = _grant(visit)
        if action == "give":
            return f"{'is now' if await access.grant(by, person_id, grant) else 'was before'} {grant}"
        return f"{'is no longer' if await access.take(by, person_id, grant) else 'was not'} {grant}"
    if action == "end":
        return f"is signed out: {plural(await access.end_sessions(by, person_id), 'session')} ended"
    simple = {
        "disable": (access.disable_person, "is disabled, and every session has ended"),
        "enable": (access.enable_person, "may sign in again"),
        "unbind": (access.unbind_person, "is known by no identity of a provider any more"),
    }
    if action not in simple:
        raise InvalidInput("Nothing of that name can be done with people.")
    change, said = simple[action]
    await change(by, person_id)
    return said


def _add_keys(made: APIRouter, renderer: Renderer) -> None:
    app, access = renderer.app, renderer.app.access
    manager = visits(app, Permission.ACCESS_MANAGE)

    async def page(visit: Visit, fault: str = "", status: int = 200) -> Response:
        keys = await access.keys(visit.principal)
        return await renderer.page(
            visit,
            "access_keys.html",
            status=status,
            tabs=tabs(visit),
            keys=keys[:_MOST],
            count=len(keys),
            new_id=app.ids.new("key"),
            days=app.settings.access.key_days,
            most_days=app.settings.access.max_key_days,
            sees_people=visit.may(Permission.ACCESS_MANAGE),
            fault=fault,
            **_where(visit) | {"roles": [one.value for one in KEY_ROLES]},
        )

    @made.get("/settings/keys")
    async def keys(visit: Annotated[Visit, Depends(manager)]) -> Response:
        return await page(visit)

    @made.post("/settings/keys")
    async def create(visit: Annotated[Visit, Depends(manager)]) -> Response:
        try:
            key_id, days = visit.field("key_id"), visit.field("days")
            if not _KEY_ID.fullmatch(key_id):
                raise InvalidInput("This form is not complete.", hint="Load the page again, and repeat it.")
            key, secret = await access.create_key(
                visit.principal,
                visit.field("name"),
                grants=(_grant(visit),),
                days=_number(days) if days else None,
                key_id=key_id,
            )
        except RoadworthyError as error:
            return await page(visit, *_told(visit, error))
        return await renderer.page(
            visit,
            "access_secret.html",
            tabs=tabs(visit),
            title=f"The key {key.name}",
            said="Keep it where your program finds it. Nobody can be shown it again.",
            secret=secret,
            until=key.expires_at,
            back="/settings/keys",
        )

    @made.post("/settings/keys/{key_id}/revoke")
    async def revoke(
        visit: Annotated[Visit, Depends(manager)], key_id: Annotated[str, Path(max_length=100)]
    ) -> Response:
        changed = await access.revoke_key(visit.principal, key_id)
        said = "is revoked. Every process follows within 5 seconds." if changed else "was revoked before."
        return visit.go("/settings/keys", f"The key {key_id} {said}")


def _where(visit: Visit) -> dict[str, Any]:
    """Which roles the visitor may choose from, and where: an empty name is everywhere."""
    pairs = visit.principal.scope(Permission.ACCESS_MANAGE).pairs
    named = sorted(visit.app.workflows)
    own = sorted({workflow for workflow, _ in pairs if workflow})
    return {
        "roles": [one.value for one in _ROLES],
        "workflows": ["", *named] if any(workflow is None for workflow, _ in pairs) else own,
        "tenants": [""]
        if any(tenant is None for _, tenant in pairs)
        else sorted({one or "" for _, one in pairs}),
    }


def _grant(visit: Visit) -> Grant:
    """The grant that a form names. Raises `InvalidInput`."""
    name = visit.field("role")
    if name not in set(Role):
        raise InvalidInput(f"There is no role {name!r}.", hint=did_you_mean(name, list(Role)))
    return Grant(Role(name), visit.field("workflow").strip(), visit.field("tenant").strip() or None)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no number of days.") from None


def _told(visit: Visit, error: RoadworthyError) -> tuple[str, int]:
    """What to say above the form, and the status; raises what is not for people."""
    status = status_of(error)
    if status >= _SERVER_FAULT:
        raise error
    exchange_of(visit.request.scope).code = error.code
    return f"{error.message} {error.hint}".strip(), status


@cache
def _described(kind: type[Enum]) -> Mapping[Any, str]:
    """The line under each member, where it is documented."""
    (declared,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(declared, ast.ClassDef)  # noqa: S101 - it is the source of one
    lines = [ast.literal_eval(one.value) for one in declared.body if isinstance(one, ast.Expr)][1:]
    return dict(zip(kind, lines, strict=True))
