"""Keys of programs: made, revoked, and recognised in each request.

A key that was recognised is remembered for a few seconds, so the database is asked once in that time; within
it, a key that was revoked in another process still works here. When a key was last used is written behind the
request, once a minute.
"""

import hmac
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.access import secret as secrets
from roadworthy.access import store
from roadworthy.access.office import Desk, Office, about, checked_name
from roadworthy.access.permission import Permission
from roadworthy.access.principal import Grant, Principal, PrincipalKind
from roadworthy.access.records import AccessKey
from roadworthy.access.role import Role
from roadworthy.access.secret import SecretKind
from roadworthy.errors import Forbidden, InvalidInput, Unauthenticated

KEY_ROLES = (Role.SERVICE, Role.OPERATOR, Role.VIEWER)
"""What a program may be. Deciding in a person's place, and saying who may do what, is for people."""

REMEMBERED_SECONDS = 5.0
_MOST_REMEMBERED = 10_000
_USED_EVERY_SECONDS = 60.0
_DAY_MS = 86_400_000


@dataclass(slots=True)
class _Known:
    principal: Principal
    expires_at: int
    until: float
    """On the monotonic clock."""


class Keys(Desk):
    """Keys of programs. `by` is always who asks for it."""

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._known: dict[str, _Known] = {}
        self._used: dict[str, float] = {}

    async def keys(self, by: Principal) -> list[AccessKey]:
        """The keys that somebody manages, newest first. Raises `Forbidden` where that is none at all."""
        if not any(grant.gives(Permission.ACCESS_MANAGE) for grant in by.grants):
            by.require(Permission.ACCESS_MANAGE)
        found = await self._office.database.read(store.all_keys)
        return [key for key in found if _manages(by, key)]

    async def create_key(
        self,
        by: Principal,
        name: str,
        *,
        grants: tuple[Grant, ...] = (Grant(Role.SERVICE),),
        days: float | None = None,
        key_id: str | None = None,
    ) -> tuple[AccessKey, str]:
        """Make a key; returns it and its secret, which nobody can be shown again.

        It expires after `days`; `access.key_days` when None. Whoever may ask twice for the same key gives its
        `key_id`, which they made before: the second time raises `StateConflict`.
        Raises `InvalidInput`, `Forbidden`.
        """
        for grant in grants:
            if grant.role not in KEY_ROLES:
                raise InvalidInput(
                    f"A key cannot be {grant.role}: that is for people.",
                    hint=f"A program may be {', '.join(KEY_ROLES)}.",
                )
            if not by.may_give(grant):
                raise Forbidden(f"{by.name!r} may not make this key: it needs access.manage there.")
        if not grants:
            raise InvalidInput("A key without a role is good for nothing.")
        lasts_days = self._office.settings.key_days if days is None else days
        most = self._office.settings.max_key_days
        if not 0 < lasts_days <= most:
            raise InvalidInput(f"A key lasts more than 0 and at most {most} days (access.max_key_days).")
        now_ms, secret = self._office.clock.now_ms(), secrets.make(SecretKind.KEY)
        key = AccessKey(
            id=key_id or self._office.ids.new("key"),
            name=checked_name(name),
            hint=secrets.hint(secret),
            created_by=by.id,
            created_at=now_ms,
            expires_at=now_ms + int(lasts_days * _DAY_MS),
            grants=tuple(sorted(set(grants), key=str)),
        )
        notes = [self._office.record("key.created", key.id, by=by, detail={"expires_at": key.expires_at})]
        notes += [
            self._office.record("grant.given", key.id, by=by, detail=about(grant)) for grant in key.grants
        ]

        def create(tx: sa.Connection) -> None:
            store.add_key(tx, key, secrets.fingerprint(secret))
            for note in notes:
                note(tx)

        await self._office.database.write(create)
        return key, secret

    async def revoke_key(self, by: Principal, key_id: str) -> bool:
        """Make a key useless; False when it was before. Other processes follow within 5 seconds.

        Raises `NotFound`, also for a key that somebody does not manage.
        """
        now_ms = self._office.clock.now_ms()
        note = self._office.record("key.revoked", key_id, by=by)

        def revoke(tx: sa.Connection) -> bool:
            if not _manages(by, store.key(tx, key_id)):
                raise store.no_key(key_id)
            changed = store.revoke(tx, key_id, now_ms)
            if changed:
                note(tx)
            return changed

        changed = await self._office.database.write(revoke)
        for digest in [one for one, known in self._known.items() if known.principal.id == key_id]:
            del self._known[digest]
        return changed

    async def key(self, secret: str) -> Principal:
        """Whose key it is. Raises `Unauthenticated`."""
        if not secrets.well_formed(secret, SecretKind.KEY):
            raise _refused()
        digest, now = secrets.fingerprint(secret), self._office.clock.monotonic()
        known = self._known.get(digest)
        if known is None or now >= known.until:
            known = await self._look_up(digest, now)
        if self._office.clock.now_ms() >= known.expires_at:
            raise _refused()
        if now - self._used.get(known.principal.id, -_USED_EVERY_SECONDS) >= _USED_EVERY_SECONDS:
            self._note_use(known.principal.id, now)
        return known.principal

    async def _look_up(self, digest: str, now: float) -> _Known:
        self._known.pop(digest, None)
        found = await self._office.database.read(lambda tx: store.key_of(tx, digest))
        if found is None or found[0].revoked_at is not None or not hmac.compare_digest(found[1], digest):
            raise _refused()
        key, _ = found
        principal = Principal(PrincipalKind.KEY, key.id, key.name, frozenset(key.grants))
        while len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        made = self._known[digest] = _Known(principal, key.expires_at, now + REMEMBERED_SECONDS)
        return made

    def _note_use(self, key_id: str, now: float) -> None:
        if len(self._used) >= _MOST_REMEMBERED:
            self._used.clear()
        self._used[key_id] = now
        now_ms = self._office.clock.now_ms()
        self._write_behind(lambda tx: store.used(tx, key_id, now_ms))


def _manages(by: Principal, key: AccessKey) -> bool:
    return bool(key.grants) and all(by.may_give(grant) for grant in key.grants)


def _refused() -> Unauthenticated:
    return Unauthenticated(
        "This key is unknown, expired or revoked.", hint="Make one: roadworthy keys create NAME"
    )
