"""The SQL of releases. Every change raises its environment's one counter first: they come one by one."""

import json
from collections.abc import Sequence

import sqlalchemy as sa

from roadworthy.db import Prepared, insert_once
from roadworthy.db.tables.releases import release_changes, release_revisions, releases
from roadworthy.releases.release import Change, ChangeKind, Release, pack_arms, unpack_arms

_REVISION = Prepared(
    sa.select(release_revisions.c.revision).where(
        release_revisions.c.environment == sa.bindparam("environment")
    )
)
_BEGIN = insert_once(release_revisions, "environment", "revision")


def revision(tx: sa.Connection, environment: str) -> int:
    """The number of the last change; 0 before the first. The one query of the hot path."""
    row = _REVISION.run(tx, environment=environment).fetchone()
    return 0 if row is None else int(row[0])


def current(tx: sa.Connection, environment: str) -> dict[str, Release]:
    """What serves, by subject."""
    rows = tx.execute(sa.select(releases).where(releases.c.environment == environment))
    return {row.subject: Release(row.subject, row.revision, unpack_arms(row.arms), row.salt) for row in rows}


def standing(tx: sa.Connection, environment: str) -> Sequence[Change]:
    """The change behind each release that holds, by subject."""
    its, now = release_changes.c, releases.c
    joined = release_changes.join(
        releases, (now.environment == its.environment) & (now.revision == its.revision)
    )
    query = sa.select(release_changes).select_from(joined).where(now.environment == environment)
    return [_change(row) for row in tx.execute(query.order_by(its.subject))]


def raise_revision(tx: sa.Connection, environment: str) -> int:
    """The number of the change that this transaction makes; others wait for it."""
    _BEGIN.run(tx, environment=environment, revision=0)
    query = (
        sa.update(release_revisions)
        .where(release_revisions.c.environment == environment)
        .values(revision=release_revisions.c.revision + 1)
        .returning(release_revisions.c.revision)
    )
    return int(tx.execute(query).scalar_one())


def apply(tx: sa.Connection, change: Change) -> None:
    """Store a change, and let what it says serve."""
    its = sa.and_(releases.c.environment == change.environment, releases.c.subject == change.subject)
    tx.execute(sa.delete(releases).where(its))
    if change.arms:
        tx.execute(
            sa.insert(releases).values(
                environment=change.environment,
                subject=change.subject,
                revision=change.revision,
                arms=pack_arms(change.arms),
                salt=change.salt,
            )
        )
    tx.execute(
        sa.insert(release_changes).values(
            id=change.id,
            environment=change.environment,
            subject=change.subject,
            revision=change.revision,
            kind=change.kind.value,
            arms=pack_arms(change.arms),
            before=pack_arms(change.before),
            salt=change.salt,
            undoes=change.undoes,
            by=change.by,
            by_name=change.by_name,
            reason=change.reason,
            evidence=None if change.evidence is None else json.dumps(change.evidence),
            at=change.at,
        )
    )


def change(tx: sa.Connection, change_id: str) -> Change | None:
    """One change; None where there is none."""
    row = tx.execute(sa.select(release_changes).where(release_changes.c.id == change_id)).one_or_none()
    return None if row is None else _change(row)


def history(
    tx: sa.Connection,
    environment: str,
    subject: str,
    *,
    limit: int | None = None,
    before: int | None = None,
) -> Sequence[Change]:
    """The changes of a subject, newest first; `before` is the last number of the page before."""
    its = release_changes.c
    query = sa.select(release_changes).where(its.environment == environment, its.subject == subject)
    if before is not None:
        query = query.where(its.revision < before)
    return [_change(row) for row in tx.execute(query.order_by(its.revision.desc()).limit(limit))]


def _change(row: sa.Row[tuple[object, ...]]) -> Change:
    return Change(
        id=row.id,
        environment=row.environment,
        subject=row.subject,
        revision=row.revision,
        kind=ChangeKind(row.kind),
        arms=unpack_arms(row.arms),
        before=unpack_arms(row.before),
        salt=row.salt,
        undoes=row.undoes,
        by=row.by,
        by_name=row.by_name,
        reason=row.reason,
        evidence=None if row.evidence is None else json.loads(row.evidence),
        at=row.at,
    )
