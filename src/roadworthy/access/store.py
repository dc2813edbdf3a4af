"""The SQL of people, keys and grants. Every write may run twice with the same effect.

`lock` comes first in a transaction that changes who is an owner, so that two of them see each other.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.access.principal import Grant
from roadworthy.access.records import AccessKey, Person, Status
from roadworthy.access.role import Role
from roadworthy.db import insert_once
from roadworthy.db.tables.access import access_keys, grants, people
from roadworthy.errors import ConflictError, NotFound, StateConflict

_POSTGRES_LOCK = 0x726F_6B65  # who changes owners, one at a time; any constant of our own will do
_PERSON = ("id", "name", "email", "status", "oidc_issuer", "created_at", "last_seen_at")
_KEY = ("id", "name", "hint", "created_by", "created_at", "expires_at", "revoked_at", "last_used_at")

_ADD_PERSON = insert_once(people, "id", "name", "email", "status", "created_at")
_ADD_KEY = insert_once(access_keys, "id", "name", "hint", "hash", "created_by", "created_at", "expires_at")
_GIVE = insert_once(grants, *grants.c.keys())


def lock(tx: sa.Connection) -> None:
    """Let no other transaction change people and grants until this one ends; SQLite has one writer anyway."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")


def add_person(tx: sa.Connection, person: Person) -> None:
    """Store a person. Raises `ConflictError` when somebody has the address."""
    _ADD_PERSON.run(
        tx,
        id=person.id,
        name=person.name,
        email=person.email,
        status=person.status,
        created_at=person.created_at,
    )
    if tx.execute(sa.select(people.c.id).where(people.c.id == person.id)).first() is None:
        raise ConflictError(
            f"There is already a person with the address {person.email!r}.",
            hint="See them: roadworthy access people",
        )


def person(tx: sa.Connection, given: str) -> Person:
    """A person, by id or address. Raises `NotFound`."""
    which = people.c.email == given.lower() if "@" in given else people.c.id == given
    found = _people(tx, which)
    if not found:
        raise no_person(given)
    return found[0]


def all_people(tx: sa.Connection) -> list[Person]:
    """Everybody, in the order in which they were added."""
    return _people(tx, sa.true())


def owners(tx: sa.Connection) -> list[Person]:
    """Active people who are owners of everything."""
    owner = Grant(Role.OWNER)
    its = sa.select(grants.c.subject).where(*_is(owner))
    return _people(tx, people.c.id.in_(its) & (people.c.status == Status.ACTIVE.value))


def owner_was_here(tx: sa.Connection) -> bool:
    """Whether an owner of everything has ever signed in."""
    its = sa.select(grants.c.subject).where(*_is(Grant(Role.OWNER)))
    seen = sa.select(people.c.id).where(people.c.id.in_(its), people.c.last_seen_at.is_not(None))
    return tx.execute(seen.limit(1)).first() is not None


def disable(tx: sa.Connection, person_id: str) -> bool:
    """Let a person do nothing any more; False when that is so already."""
    return _move(tx, person_id, Status.ACTIVE, Status.DISABLED)


def enable(tx: sa.Connection, person_id: str) -> bool:
    """Let a person sign in again; False when they may already."""
    return _move(tx, person_id, Status.DISABLED, Status.ACTIVE)


def _move(tx: sa.Connection, person_id: str, old: Status, new: Status) -> bool:
    its = (people.c.id == person_id) & (people.c.status == old.value)
    return bool(tx.execute(sa.update(people).where(its).values(status=new.value)).rowcount)


def give(tx: sa.Connection, subject: str, grant: Grant, now_ms: int) -> bool:
    """Store a grant; False when it is there already."""
    return bool(_GIVE.run(tx, subject=subject, created_at=now_ms, **_columns(grant)).rowcount)


def take(tx: sa.Connection, subject: str, grant: Grant) -> bool:
    """Delete a grant; False when there is none like it."""
    return bool(tx.execute(sa.delete(grants).where(grants.c.subject == subject, *_is(grant))).rowcount)


def grants_of(tx: sa.Connection, subjects: Iterable[str]) -> dict[str, tuple[Grant, ...]]:
    """The grants of each of these people and keys."""
    wanted = list(subjects)
    found: dict[str, list[Grant]] = {subject: [] for subject in wanted}
    query = sa.select(grants).where(grants.c.subject.in_(wanted))
    query = query.order_by(grants.c.role, grants.c.workflow, grants.c.tenant)
    for row in tx.execute(query):
        tenant = None if row.all_tenants else row.tenant
        found[row.subject].append(Grant(Role(row.role), row.workflow, tenant))
    return {subject: tuple(those) for subject, those in found.items()}


def add_key(tx: sa.Connection, key: AccessKey, digest: str) -> None:
    """Store a key and its grants. Raises `StateConflict` when there is another key of this id."""
    values = {name: getattr(key, name) for name in _KEY if name not in ("revoked_at", "last_used_at")}
    _ADD_KEY.run(tx, hash=digest, **values)
    if tx.execute(sa.select(access_keys.c.hash).where(access_keys.c.id == key.id)).scalar() != digest:
        raise StateConflict(
            "This key was made already, and its secret is shown once only.",
            hint="If the secret was not kept, revoke that key and make another.",
        )
    for grant in key.grants:
        give(tx, key.id, grant, key.created_at)


def key_of(tx: sa.Connection, digest: str) -> tuple[AccessKey, str] | None:
    """The key of a secret by its digest, and the digest as it is stored."""
    row = tx.execute(sa.select(access_keys).where(access_keys.c.hash == digest)).mappings().first()
    if row is None:
        return None
    return _keys(tx, [cast("Mapping[str, Any]", row)])[0], row["hash"]


def key(tx: sa.Connection, key_id: str) -> AccessKey:
    """One key. Raises `NotFound`."""
    row = tx.execute(sa.select(access_keys).where(access_keys.c.id == key_id)).mappings().first()
    if row is None:
        raise no_key(key_id)
    return _keys(tx, [cast("Mapping[str, Any]", row)])[0]


def all_keys(tx: sa.Connection) -> list[AccessKey]:
    """Every key, newest first."""
    query = sa.select(access_keys).order_by(access_keys.c.created_at.desc(), access_keys.c.id.desc())
    return _keys(tx, [cast("Mapping[str, Any]", row) for row in tx.execute(query).mappings()])


def revoke(tx: sa.Connection, key_id: str, now_ms: int) -> bool:
    """Make a key useless; False when it was revoked before."""
    valid = (access_keys.c.id == key_id) & access_keys.c.revoked_at.is_(None)
    return bool(tx.execute(sa.update(access_keys).where(valid).values(revoked_at=now_ms)).rowcount)


def used(tx: sa.Connection, key_id: str, now_ms: int) -> None:
    """Note when a key was used."""
    tx.execute(sa.update(access_keys).where(access_keys.c.id == key_id).values(last_used_at=now_ms))


def no_person(given: str) -> NotFound:
    """That there is no such person: the same words where somebody may not know of them."""
    return NotFound(f"There is no person {given!r}.", hint="List them: roadworthy access people")


def no_key(key_id: str) -> NotFound:
    """That there is no such key: the same words where somebody may not know of it."""
    return NotFound(f"There is no key {key_id!r}.", hint="List them: roadworthy keys list")


def _people(tx: sa.Connection, which: sa.ColumnElement[bool]) -> list[Person]:
    query = sa.select(*(people.c[name] for name in _PERSON)).where(which)
    rows = list(tx.execute(query.order_by(people.c.created_at, people.c.id)).mappings())
    given = grants_of(tx, [row["id"] for row in rows])
    return [_person(cast("Mapping[str, Any]", row), given[row["id"]]) for row in rows]


def _person(row: Mapping[str, Any], given: tuple[Grant, ...]) -> Person:
    values: dict[str, Any] = {**row, "status": Status(row["status"]), "grants": given}
    return Person(**values)


def _keys(tx: sa.Connection, rows: list[Mapping[str, Any]]) -> list[AccessKey]:
    given = grants_of(tx, [row["id"] for row in rows])
    return [AccessKey(**{name: row[name] for name in _KEY}, grants=given[row["id"]]) for row in rows]


def _columns(grant: Grant) -> dict[str, Any]:
    return {
        "role": grant.role.value,
        "workflow": grant.workflow,
        "all_tenants": grant.tenant is None,
        "tenant": grant.tenant or "",
    }


def _is(grant: Grant) -> list[sa.ColumnElement[bool]]:
    return [grants.c[name] == value for name, value in _columns(grant).items()]
