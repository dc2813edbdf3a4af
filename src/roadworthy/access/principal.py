"""Who asks, and what they may do: a principal has grants, a grant is a role somewhere."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from roadworthy.access.permission import Permission
from roadworthy.access.role import PERMISSIONS, Role
from roadworthy.errors import Forbidden, InvalidInput

_LONGEST_NAME = 200


class PrincipalKind(StrEnum):
    """How somebody was recognised."""

    PERSON = "person"
    """By a session."""
    KEY = "key"
    """By a key."""
    TERMINAL = "terminal"
    """By running the command line on a machine that reaches the database."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role for a workflow or all of them, and for a tenant or all of them."""

    role: Role
    workflow: str = ""
    """Empty: every workflow, and what belongs to none."""
    tenant: str | None = None
    """None: every tenant, and what belongs to none. A tenant's grant reaches nothing without a tenant."""

    def __post_init__(self) -> None:
        if self.tenant == "":
            raise InvalidInput("A grant for a tenant names it.", hint="Leave the tenant out for all of them.")
        for name in (self.workflow, self.tenant or ""):
            if len(name) > _LONGEST_NAME or not name.isprintable():
                raise InvalidInput(
                    f"A grant's workflow and tenant have at most {_LONGEST_NAME} printable characters."
                )

    def gives(self, permission: Permission) -> bool:
        """Whether the role holds the permission, wherever that is."""
        return permission in PERMISSIONS[self.role]

    def covers(self, workflow: str, tenant: str) -> bool:
        """Whether it reaches what belongs to this workflow and tenant; empty names are of none."""
        return self.workflow in ("", workflow) and (self.tenant is None or self.tenant == tenant)

    def contains(self, other: "Grant") -> bool:
        """Whether it reaches everything that the other one reaches."""
        return self.workflow in ("", other.workflow) and self.tenant in (None, other.tenant)

    @property
    def everywhere(self) -> bool:
        """Whether nothing is left out."""
        return not self.workflow and self.tenant is None

    def __str__(self) -> str:
        where = [f"workflow {self.workflow!r}"] if self.workflow else []
        where += [f"tenant {self.tenant!r}"] if self.tenant is not None else []
        return f"{self.role} of {' and '.join(where)}" if where else str(self.role)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list may show: pairs of a workflow and a tenant, where None is any."""

    pairs: frozenset[tuple[str | None, str | None]] = frozenset()

    def allows(self, workflow: str, tenant: str) -> bool:
        """Whether what belongs to this workflow and tenant may be shown."""
        return any(
            (of is None or of == workflow) and (whose is None or whose == tenant) for of, whose in self.pairs
        )

    def condition(
        self, workflow: sa.ColumnElement[str], tenant: sa.ColumnElement[str]
    ) -> sa.ColumnElement[bool]:
        """As SQL, over the columns that hold the two; they are empty where something belongs to none."""
        if (None, None) in self.pairs:
            return sa.true()
        each: list[sa.ColumnElement[bool]] = []
        for of, whose in sorted(self.pairs, key=str):
            parts = [] if of is None else [workflow == of]
            parts += [] if whose is None else [tenant == whose]
            each.append(sa.and_(*parts))
        return sa.or_(*each) if each else sa.false()


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was recognised. Without grants nothing is allowed."""

    kind: PrincipalKind
    id: str
    name: str
    grants: frozenset[Grant] = frozenset()
    session_id: str = ""
    """The session of a person."""

    @classmethod
    def terminal(cls, user: str) -> "Principal":
        """Who runs the command line where the database is: may do everything, and is named in the audit."""
        return cls(PrincipalKind.TERMINAL, user, user, frozenset({Grant(Role.OWNER)}))

    def may(self, permission: Permission, *, workflow: str = "", tenant: str = "") -> bool:
        """Whether this is allowed for what belongs to a workflow and a tenant; empty names are of none."""
        return any(grant.gives(permission) and grant.covers(workflow, tenant) for grant in self.grants)

    def require(self, permission: Permission, *, workflow: str = "", tenant: str = "") -> None:
        """Raise `Forbidden` where `may` says no."""
        if not self.may(permission, workflow=workflow, tenant=tenant):
            raise Forbidden(
                f"{self.name!r} may not do this: it needs {permission}.",
                hint="An owner of the project can give a role that has it.",
            )

    def may_give(self, grant: Grant) -> bool:
        """Whether this principal may give or take a grant: it manages access there, and may do all of it."""
        return any(
            own.gives(Permission.ACCESS_MANAGE)
            and own.contains(grant)
            and PERMISSIONS[own.role] >= PERMISSIONS[grant.role]
            for own in self.grants
        )

    def scope(self, permission: Permission) -> Scope:
        """What lists may show to whom this is allowed."""
        return Scope(
            frozenset(
                (grant.workflow or None, grant.tenant) for grant in self.grants if grant.gives(permission)
            )
        )
