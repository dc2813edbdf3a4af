"""The records of access: a person, a key of a program, a way to sign in, a session."""

from dataclasses import dataclass
from enum import StrEnum

from roadworthy.access.principal import Grant, Principal
from roadworthy.records import Json, iso


class Status(StrEnum):
    """Where a person stands."""

    ACTIVE = "active"
    """May sign in, and do what is granted."""
    DISABLED = "disabled"
    """May do nothing; stays on record, because the audit log names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can sign in."""

    id: str
    name: str
    email: str | None = None
    """In lower case; two people never share one."""
    status: Status = Status.ACTIVE
    oidc_issuer: str | None = None
    """The provider by whose word they are known; None for somebody who signs in with links only."""
    created_at: int
    last_seen_at: int | None = None
    """None: has never signed in."""
    grants: tuple[Grant, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        return {
            "id": self.id,
            "name": self.name,
            "email": self.email,
            "status": self.status.value,
            "oidc_issuer": self.oidc_issuer,
            "created_at": iso(self.created_at),
            "last_seen_at": None if self.last_seen_at is None else iso(self.last_seen_at),
            "grants": grants_as_json(self.grants),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key of a program, without its secret."""

    id: str
    name: str
    hint: str
    """How the secret begins."""
    created_by: str
    """The id of who made it."""
    created_at: int
    expires_at: int
    revoked_at: int | None = None
    last_used_at: int | None = None
    """To the minute."""
    grants: tuple[Grant, ...] = ()

    def state(self, now_ms: int) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if now_ms < self.expires_at else "expired"

    def as_json(self, now_ms: int) -> dict[str, Json]:
        """For `--json`; the secret is nowhere on record."""
        times = ("created_at", "expires_at", "revoked_at", "last_used_at")
        made: dict[str, Json] = {name: getattr(self, name) for name in ("id", "name", "hint", "created_by")}
        made["state"] = self.state(now_ms)
        for name in times:
            value = getattr(self, name)
            made[name] = None if value is None else iso(value)
        return {**made, "grants": grants_as_json(self.grants)}


@dataclass(frozen=True, slots=True)
class Link:
    """A way to sign in, once. The secret is shown to nobody but that person, and is nowhere on record."""

    secret: str
    person_id: str
    expires_at: int

    @property
    def path(self) -> str:
        """Where it leads, on whatever host the service has. The service logs no query."""
        return f"/sign-in?token={self.secret}"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun."""

    token: str
    """For the cookie; nowhere on record."""
    principal: Principal
    expires_at: int
    """When it ends however much it is used."""


def grants_as_json(grants: tuple[Grant, ...]) -> list[Json]:
    """For `--json`: tenant is null for all of them."""
    return [{"role": one.role.value, "workflow": one.workflow, "tenant": one.tenant} for one in grants]
