"""`/v1/keys` and `/v1/people`: who may do what. Nobody can give more than they may do themselves."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from roadworthy.access import Grant, Permission, Role
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import Line, StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

KeyId = Annotated[str, Path(pattern=r"^key_[0-9a-f]{32}$")]
PersonId = Annotated[str, Path(pattern=r"^person_[0-9a-f]{32}$")]
Manager = Annotated[Caller, Depends(needs(Permission.ACCESS_MANAGE))]
Owner = Annotated[Caller, Depends(needs(Permission.ACCESS_MANAGE, everywhere=True))]


class GrantModel(BaseModel):
    """A role for a workflow or all of them, and for a tenant or all of them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    role: Role
    workflow: Annotated[Line, Field(max_length=200)] = ""
    """Left out, every workflow."""
    tenant: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    """Left out, every tenant."""

    def grant(self) -> Grant:
        """As access knows it."""
        return Grant(self.role, self.workflow, self.tenant)


class KeyBody(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"name": "shop", "grants": [{"role": "service", "tenant": "acme"}], "days": 90}]
        },
    )

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    grants: Annotated[list[GrantModel], Field(min_length=1, max_length=20)]
    days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    """How long it lasts; left out, as long as the settings say."""


class KeyOut(Shown):
    """A key of a program, without its secret."""

    id: str
    name: str
    hint: str
    """How its secret begins."""
    created_by: str
    state: str
    """`active`, `expired` or `revoked`."""
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    grants: list[GrantModel]


class NewKey(KeyOut):
    """A key that was just made."""

    secret: str
    """Shown this once."""


class KeyList(Shown):
    """The keys that the caller manages."""

    keys: list[KeyOut]


class PersonBody(BaseModel):
    """A person to be added."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    email: Annotated[Line, Field(max_length=320)] | None = None
    grants: Annotated[list[GrantModel], Field(max_length=20)] = []


class PersonOut(Shown):
    """Somebody who can sign in."""

    id: str
    name: str
    email: str | None
    status: str
    oidc_issuer: str | None
    """The provider of OpenID Connect by whose word they are known; null for links only."""
    created_at: datetime
    last_seen_at: datetime | None
    grants: list[GrantModel]


class PersonList(Shown):
    """Everybody."""

    people: list[PersonOut]


class LinkOut(Shown):
    """A link that signs a person in, once."""

    url: str
    expires_at: datetime


class Changed(Shown):
    """Whether it was otherwise before."""

    changed: bool


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["access"], route_class=StrictRoute)
    access, manage = app.access, Permission.ACCESS_MANAGE

    @made.get("/v1/keys", summary="List keys", **route(manage))
    async def keys(caller: Manager) -> KeyList:
        now_ms = app.clock.now_ms()
        found = await access.keys(caller.principal)
        return KeyList(keys=[KeyOut.model_validate(one.as_json(now_ms)) for one in found])

    @made.post("/v1/keys", status_code=201, summary="Make a key", **route(manage, body=True))
    async def create_key(caller: Manager, body: KeyBody) -> NewKey:
        grants = tuple(one.grant() for one in body.grants)
        key, secret = await access.create_key(caller.principal, body.name, grants=grants, days=body.days)
        return NewKey.model_validate({**key.as_json(app.clock.now_ms()), "secret": secret})

    @made.post("/v1/keys/{key_id}/revoke", summary="Make a key useless", **route(manage, 404, body=True))
    async def revoke_key(caller: Manager, key_id: KeyId) -> Changed:
        return Changed(changed=await access.revoke_key(caller.principal, key_id))

    _add_people(made, app)
    return made


def _add_people(made: APIRouter, app: "App") -> None:
    access, manage = app.access, Permission.ACCESS_MANAGE

    @made.get("/v1/people", summary="List people", **route(manage))
    async def people(caller: Owner) -> PersonList:
        found = await access.people(caller.principal)
        return PersonList(people=[PersonOut.model_validate(one.as_json()) for one in found])

    @made.post("/v1/people", status_code=201, summary="Add a person", **route(manage, 409, body=True))
    async def add(caller: Owner, body: PersonBody) -> PersonOut:
        grants = tuple(one.grant() for one in body.grants)
        person = await access.add_person(caller.principal, body.name, email=body.email, grants=grants)
        return PersonOut.model_validate(person.as_json())

    @made.post(
        "/v1/people/{person_id}/disable",
        summary="Let a person do nothing any more",
        **route(manage, 404, 409, body=True),
    )
    async def disable(caller: Owner, person_id: PersonId) -> Changed:
        return Changed(changed=await access.disable_person(caller.principal, person_id))

    @made.post(
        "/v1/people/{person_id}/enable",
        summary="Let a disabled person sign in again",
        **route(manage, 404, body=True),
    )
    async def enable(caller: Owner, person_id: PersonId) -> Changed:
        return Changed(changed=await access.enable_person(caller.principal, person_id))

    @made.post("/v1/people/{person_id}/grants", summary="Give a role", **route(manage, 404, body=True))
    async def grant(caller: Owner, person_id: PersonId, body: GrantModel) -> Changed:
        return Changed(changed=await access.grant(caller.principal, person_id, body.grant()))

    @made.post(
        "/v1/people/{person_id}/grants/take", summary="Take a role", **route(manage, 404, 409, body=True)
    )
    async def take(caller: Owner, person_id: PersonId, body: GrantModel) -> Changed:
        return Changed(changed=await access.take(caller.principal, person_id, body.grant()))

    @made.post(
        "/v1/people/{person_id}/link",
        status_code=201,
        summary="Make a link that signs a person in, once",
        **route(manage, 404, body=True),
    )
    async def link(caller: Owner, person_id: PersonId) -> LinkOut:
        one = await access.link(caller.principal, person_id)
        expires_at = datetime.fromtimestamp(one.expires_at / 1000).astimezone()
        return LinkOut(url=f"{app.address}/sign-in?token={one.secret}", expires_at=expires_at)
