"""The SQL of attempts, and of whom an identity belongs to. Every write may run twice with the same effect."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from roadworthy.access.openid.provider import Identity
from roadworthy.access.records import Status
from roadworthy.db import insert_once
from roadworthy.db.tables.access import openid_attempts, people

_ADD = insert_once(openid_attempts, "hash", "provider", "return_to", "expires_at")


class Standing(StrEnum):
    """What somebody is here who comes with an identity; the values of those refused are for the audit log."""

    KNOWN = "known"
    """A person is bound to the identity."""
    ADDED = "added"
    """A person has the address and is bound to nothing yet."""
    STRANGER = "nobody let them in"
    """Nobody has the identity or the address."""
    TAKEN = "the address belongs to another identity"
    """Whoever has the address is bound to another identity; no program knows which of the two is right."""
    DISABLED = "disabled"
    """It is somebody who may not sign in."""


@dataclass(frozen=True, slots=True)
class Found:
    """Whom an identity belongs to."""

    standing: Standing
    person_id: str = ""
    name: str = ""


def add(tx: sa.Connection, digest: str, provider: str, return_to: str, expires_at: int) -> None:
    """Store that a browser was sent away."""
    _ADD.run(tx, hash=digest, provider=provider, return_to=return_to, expires_at=expires_at)


def take(tx: sa.Connection, digest: str, provider: str, session_id: str, now_ms: int) -> str | None:
    """Use an attempt up for this session, once; returns where the browser wants to go, None if it is over."""
    its = openid_attempts.c
    fresh = (its.hash == digest) & (its.provider == provider) & its.session_id.is_(None)
    use = sa.update(openid_attempts).where(fresh, its.expires_at > now_ms).values(session_id=session_id)
    tx.execute(use)
    taken = sa.select(its.return_to).where(its.hash == digest, its.session_id == session_id)
    return tx.execute(taken).scalar()


def whose(tx: sa.Connection, identity: Identity) -> Found:
    """Whom it belongs to: by the identity, else by a verified address of somebody who has none yet."""
    of = people.c
    bound = (of.oidc_issuer == identity.issuer) & (of.oidc_subject == identity.subject)
    meant = bound if identity.email is None else bound | (of.email == identity.email)
    # One statement: between two of them somebody else may bind it.
    found = tx.execute(
        sa.select(of.id, of.name, of.status, of.oidc_subject, bound.label("bound")).where(meant)
    ).all()
    row = next((one for one in found if one.bound), None) or next(iter(found), None)
    if row is None:
        return Found(Standing.STRANGER)
    standing = Standing.KNOWN if row.bound else Standing.ADDED if row.oidc_subject is None else Standing.TAKEN
    if row.status != Status.ACTIVE.value:
        standing = Standing.DISABLED
    return Found(standing, row.id, row.name)


def bind(tx: sa.Connection, person_id: str, identity: Identity) -> None:
    """Let the identity be this person's from now on, whatever address it has."""
    free = (people.c.id == person_id) & people.c.oidc_subject.is_(None)
    tx.execute(
        sa.update(people).where(free).values(oidc_issuer=identity.issuer, oidc_subject=identity.subject)
    )


def unbind(tx: sa.Connection, person_id: str) -> bool:
    """Let no identity be this person's any more; False when none was."""
    bound = (people.c.id == person_id) & people.c.oidc_subject.is_not(None)
    return bool(
        tx.execute(sa.update(people).where(bound).values(oidc_issuer=None, oidc_subject=None)).rowcount
    )


def issuer_of(tx: sa.Connection, person_id: str) -> str | None:
    """Who says that it is this person; None for somebody who signs in with links."""
    return tx.execute(sa.select(people.c.oidc_issuer).where(people.c.id == person_id)).scalar()
