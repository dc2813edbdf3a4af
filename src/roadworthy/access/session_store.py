"""The SQL of sessions, of the links that begin them, and of how often that was tried."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.access.principal import Principal, PrincipalKind
from roadworthy.access.records import Status
from roadworthy.access.store import grants_of
from roadworthy.db import Prepared, insert_once
from roadworthy.db.tables.access import (
    openid_attempts,
    people,
    sessions,
    sign_in_attempts,
    sign_in_links,
)

_KEPT_MS = 30 * 86_400_000
"""How long ended sessions and used links stay on record."""

_ADD_SESSION = insert_once(sessions, "id", "hash", "person_id", "created_at", "last_seen_at", "expires_at")
_ADD_LINK = insert_once(sign_in_links, "hash", "person_id", "expires_at")


def _count() -> Prepared:
    made = {
        name: insert.on_conflict_do_update(
            index_elements=["bucket", "window"], set_={"count": sign_in_attempts.c.count + 1}
        ).returning(sign_in_attempts.c.count)
        for name, insert in (
            ("sqlite", sqlite.insert(sign_in_attempts)),
            ("postgresql", postgresql.insert(sign_in_attempts)),
        )
    }
    return Prepared(made, "bucket", "window", "count")


_COUNT = _count()


@dataclass(frozen=True, slots=True)
class Open:
    """A session that goes on, and whose it is."""

    id: str
    principal: Principal
    last_seen_at: int
    hash: str


def add_link(tx: sa.Connection, digest: str, person_id: str, now_ms: int, expires_at: int) -> None:
    """Store a link; those that this person had and did not use are good for nothing from now on."""
    earlier = (sign_in_links.c.person_id == person_id) & sign_in_links.c.used_at.is_(None)
    tx.execute(sa.update(sign_in_links).where(earlier, sign_in_links.c.hash != digest).values(used_at=now_ms))
    _ADD_LINK.run(tx, hash=digest, person_id=person_id, expires_at=expires_at)


def last_link(tx: sa.Connection, person_id: str, *, but: str = "") -> int:
    """Until when a person's newest link holds, or held; 0 without any. `but` does not count."""
    its = sign_in_links.c
    newest = sa.select(sa.func.max(its.expires_at)).where(its.person_id == person_id, its.hash != but)
    return tx.execute(newest).scalar() or 0


def person_of_link(tx: sa.Connection, digest: str) -> Principal | None:
    """Whose link it is, used or not; without grants, for it is not known yet whether it still holds."""
    query = sa.select(people.c.id, people.c.name).join(
        sign_in_links, sign_in_links.c.person_id == people.c.id
    )
    row = tx.execute(query.where(sign_in_links.c.hash == digest)).first()
    return None if row is None else Principal(PrincipalKind.PERSON, row.id, row.name)


def use_link(tx: sa.Connection, digest: str, session_id: str, now_ms: int) -> bool:
    """Use a link up for this session: true for one session only, however many come together."""
    its = sign_in_links.c
    fresh = (its.hash == digest) & its.used_at.is_(None) & (its.expires_at > now_ms)
    tx.execute(sa.update(sign_in_links).where(fresh).values(used_at=now_ms, session_id=session_id))
    return tx.execute(sa.select(its.session_id).where(its.hash == digest)).scalar() == session_id


def begin(
    tx: sa.Connection, session_id: str, digest: str, person_id: str, now_ms: int, expires_at: int
) -> Principal | None:
    """Store a session; None when the person may not sign in."""
    active = (people.c.id == person_id) & (people.c.status == Status.ACTIVE.value)
    seen = sa.update(people).where(active).values(last_seen_at=now_ms).returning(people.c.name)
    name = tx.execute(seen).scalar()
    if name is None:
        return None
    _ADD_SESSION.run(
        tx,
        id=session_id,
        hash=digest,
        person_id=person_id,
        created_at=now_ms,
        last_seen_at=now_ms,
        expires_at=expires_at,
    )
    return _principal(tx, person_id, name, session_id)


def begun(tx: sa.Connection, session_id: str) -> Principal | None:
    """Whose session it is; None when it was not stored."""
    query = sa.select(people.c.id, people.c.name).join(sessions, sessions.c.person_id == people.c.id)
    row = tx.execute(query.where(sessions.c.id == session_id)).first()
    return None if row is None else _principal(tx, row.id, row.name, session_id)


def find(tx: sa.Connection, digest: str, now_ms: int, idle_ms: int) -> Open | None:
    """The session of a token by its digest; None when there is none that goes on."""
    query = (
        sa.select(sessions, people.c.name)
        .join(people, people.c.id == sessions.c.person_id)
        .where(
            sessions.c.hash == digest,
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > now_ms,
            sessions.c.last_seen_at > now_ms - idle_ms,
            people.c.status == Status.ACTIVE.value,
        )
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    return Open(row.id, _principal(tx, row.person_id, row.name, row.id), row.last_seen_at, row.hash)


def seen(tx: sa.Connection, session_id: str, person_id: str, now_ms: int) -> None:
    """Note that a session goes on; it never goes back."""
    later = (sessions.c.id == session_id) & (sessions.c.last_seen_at < now_ms)
    tx.execute(sa.update(sessions).where(later).values(last_seen_at=now_ms))
    tx.execute(sa.update(people).where(people.c.id == person_id).values(last_seen_at=now_ms))


def end(tx: sa.Connection, which: sa.ColumnElement[bool], now_ms: int) -> int:
    """End the sessions that go on; returns how many."""
    going = sessions.c.ended_at.is_(None) & which
    return tx.execute(sa.update(sessions).where(going).values(ended_at=now_ms)).rowcount


def end_all_of(tx: sa.Connection, person_id: str, now_ms: int) -> int:
    """End a person's sessions, and the links that could begin others."""
    unused = (sign_in_links.c.person_id == person_id) & sign_in_links.c.used_at.is_(None)
    tx.execute(sa.update(sign_in_links).where(unused).values(used_at=now_ms))
    return end(tx, sessions.c.person_id == person_id, now_ms)


def count_attempt(tx: sa.Connection, bucket: str, window: int) -> int:
    """Count a try; returns how many there were in this window."""
    return _COUNT.run(tx, bucket=bucket, window=window, count=1).fetchone()[0]


def tidy(tx: sa.Connection, now_ms: int, window: int) -> None:
    """Delete what is over for long, and the counts of earlier windows."""
    tx.execute(sa.delete(sessions).where(sessions.c.expires_at < now_ms - _KEPT_MS))
    tx.execute(sa.delete(sign_in_links).where(sign_in_links.c.expires_at < now_ms - _KEPT_MS))
    tx.execute(sa.delete(openid_attempts).where(openid_attempts.c.expires_at < now_ms))
    tx.execute(sa.delete(sign_in_attempts).where(sign_in_attempts.c.window < window))


def _principal(tx: sa.Connection, person_id: str, name: str, session_id: str) -> Principal:
    given = frozenset(grants_of(tx, [person_id])[person_id])
    return Principal(PrincipalKind.PERSON, person_id, name, given, session_id)
