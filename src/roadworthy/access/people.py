"""People and what is granted to them and to keys. The last owner can be neither disabled nor stripped."""

import sqlalchemy as sa

from roadworthy.access import session_store, store
from roadworthy.access.office import Desk, about, checked_email, checked_name, manage_everything
from roadworthy.access.openid import store as openid_store
from roadworthy.access.permission import Permission
from roadworthy.access.principal import Grant, Principal
from roadworthy.access.records import Person
from roadworthy.access.role import Role
from roadworthy.errors import Forbidden, StateConflict


class People(Desk):
    """Who may sign in, and what they may do. `by` is always who asks for it."""

    async def people(self, by: Principal) -> list[Person]:
        """Everybody with what is granted to them. Raises `Forbidden`."""
        manage_everything(by)
        return await self._office.database.read(store.all_people)

    async def person(self, by: Principal, given: str) -> Person:
        """A person, by id or address. Raises `NotFound`, `Forbidden`."""
        manage_everything(by)
        return await self._office.database.read(lambda tx: store.person(tx, given))

    async def add_person(
        self, by: Principal, name: str, *, email: str | None = None, grants: tuple[Grant, ...] = ()
    ) -> Person:
        """Add somebody, with what they may do. Raises `InvalidInput`, `ConflictError`, `Forbidden`."""
        manage_everything(by)
        new = Person(
            id=self._office.ids.new("person"),
            name=checked_name(name),
            email=checked_email(email),
            created_at=self._office.clock.now_ms(),
            grants=grants,
        )
        notes = [self._office.record("person.added", new.id, by=by)]
        notes += [self._office.record("grant.given", new.id, by=by, detail=about(grant)) for grant in grants]

        def add(tx: sa.Connection) -> None:
            store.add_person(tx, new)
            for grant in grants:
                store.give(tx, new.id, grant, new.created_at)
            for note in notes:
                note(tx)

        await self._office.database.write(add)
        return new

    async def disable_person(self, by: Principal, person_id: str) -> bool:
        """End a person's sessions and let them do nothing any more, at once; False when that is so already.

        Raises `NotFound`, `StateConflict` for the last owner, `Forbidden`.
        """
        manage_everything(by)
        now_ms = self._office.clock.now_ms()
        note = self._office.record("person.disabled", person_id, by=by)

        def disable(tx: sa.Connection) -> bool:
            store.lock(tx)
            store.person(tx, person_id)
            _keep_an_owner(tx, person_id)
            changed = store.disable(tx, person_id)
            session_store.end_all_of(tx, person_id, now_ms)
            if changed:
                note(tx)
            return changed

        return await self._office.database.write(disable)

    async def enable_person(self, by: Principal, person_id: str) -> bool:
        """Let a person who was disabled sign in again, with the roles they had; False when they may already.

        Raises `NotFound`, `Forbidden`.
        """
        manage_everything(by)
        note = self._office.record("person.enabled", person_id, by=by)

        def enable(tx: sa.Connection) -> bool:
            store.lock(tx)
            store.person(tx, person_id)
            changed = store.enable(tx, person_id)
            if changed:
                note(tx)
            return changed

        return await self._office.database.write(enable)

    async def end_sessions(self, by: Principal, person_id: str) -> int:
        """End a person's sessions and unused links; returns how many sessions went on.

        Raises `NotFound`, `Forbidden`.
        """
        manage_everything(by)
        now_ms = self._office.clock.now_ms()
        note = self._office.record("sessions.ended", person_id, by=by)

        def end(tx: sa.Connection) -> int:
            store.person(tx, person_id)
            ended = session_store.end_all_of(tx, person_id, now_ms)
            note(tx)
            return ended

        return await self._office.database.write(end)

    async def unbind_person(self, by: Principal, person_id: str) -> bool:
        """Let a person be known by their address again, not by an identity; False when they are already.

        For somebody whom their provider gave another identity. Raises `NotFound`, `Forbidden`.
        """
        manage_everything(by)
        note = self._office.record("person.unbound", person_id, by=by)

        def unbind(tx: sa.Connection) -> bool:
            store.lock(tx)
            store.person(tx, person_id)
            changed = openid_store.unbind(tx, person_id)
            if changed:
                note(tx)
            return changed

        return await self._office.database.write(unbind)

    async def grant(self, by: Principal, subject: str, grant: Grant) -> bool:
        """Give a person a role; False when they have it already. Raises `NotFound`, `Forbidden`."""
        _require_to_give(by, grant)
        now_ms = self._office.clock.now_ms()
        note = self._office.record("grant.given", subject, by=by, detail=about(grant))

        def give(tx: sa.Connection) -> bool:
            store.lock(tx)
            store.person(tx, subject)
            changed = store.give(tx, subject, grant, now_ms)
            if changed:
                note(tx)
            return changed

        return await self._office.database.write(give)

    async def take(self, by: Principal, subject: str, grant: Grant) -> bool:
        """Take a role from a person; False when they do not have it.

        Raises `NotFound`, `StateConflict` for the last owner, `Forbidden`.
        """
        _require_to_give(by, grant)
        note = self._office.record("grant.taken", subject, by=by, detail=about(grant))

        def take(tx: sa.Connection) -> bool:
            store.lock(tx)
            store.person(tx, subject)
            if grant == Grant(Role.OWNER):
                _keep_an_owner(tx, subject)
            changed = store.take(tx, subject, grant)
            if changed:
                note(tx)
            return changed

        return await self._office.database.write(take)


def _require_to_give(by: Principal, grant: Grant) -> None:
    if not by.may_give(grant):
        raise Forbidden(
            f"{by.name!r} may not give or take this role: it needs {Permission.ACCESS_MANAGE} there."
        )


def _keep_an_owner(tx: sa.Connection, person_id: str) -> None:
    if [one.id for one in store.owners(tx)] == [person_id]:
        raise StateConflict(
            "This is the last owner: without one, nobody could say who may do what.",
            hint="Make somebody else an owner first: roadworthy access grant PERSON owner",
        )
