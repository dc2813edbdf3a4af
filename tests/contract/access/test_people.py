"""People and grants in both databases: who may change them, and that an owner always remains."""

import asyncio

import pytest

from roadworthy.access import Grant, Principal, PrincipalKind, Role, Status
from roadworthy.db import Database
from roadworthy.errors import ConflictError, Forbidden, InvalidInput, NotFound, StateConflict


async def test_a_person_is_added_with_what_they_may_do(desk):
    """Found again by id and by address in any case; each change is noted with who made it."""
    grant = Grant(Role.REVIEWER, "sort", "acme")
    added = await desk.access.add_person(desk.root, " Maria ", email="Maria@Example.ORG", grants=(grant,))
    assert (added.name, added.email, added.status) == ("Maria", "maria@example.org", Status.ACTIVE)
    assert await desk.access.people(desk.root) == [added]
    assert await desk.access.person(desk.root, added.id) == added
    assert await desk.access.person(desk.root, "MARIA@example.org") == added
    assert desk.noted == [("person.added", added.id, "root"), ("grant.given", added.id, "root")]
    with pytest.raises(ConflictError):
        await desk.access.add_person(desk.root, "Other", email="maria@example.org")
    await desk.access.add_person(desk.root, "No address")
    await desk.access.add_person(desk.root, "No address either")


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "\x1b[2J", "x" * 201, "Ma\u202eria", "a\x00b", "\ud800", "Ma\u200bria"]
)
async def test_a_name_that_could_steer_a_terminal_or_hide_is_refused(desk, name):
    """Of people and of keys."""
    with pytest.raises(InvalidInput):
        await desk.access.add_person(desk.root, name)
    with pytest.raises(InvalidInput):
        await desk.access.create_key(desk.root, name)
    assert desk.noted == []


@pytest.mark.parametrize("email", ["", "maria", "@", "a@", "@b", "a b@c", "a@b@c", "a\n@b", "x" * 400 + "@b"])
async def test_what_is_no_address_is_refused(desk, email):
    """Before it is stored."""
    with pytest.raises(InvalidInput):
        await desk.access.add_person(desk.root, "Maria", email=email)


async def test_markup_and_quotes_in_names_are_only_text(desk):
    """Stored and given back as they are."""
    name = "Robert'); DROP TABLE people;-- <b>[red]{{x}}"
    added = await desk.access.add_person(desk.root, name)
    assert (await desk.access.person(desk.root, added.id)).name == name


async def test_a_change_that_cannot_be_noted_is_not_made(desk):
    """No change without its entry in the audit."""
    maria = await desk.owner()
    desk.broken = True
    for work in (
        desk.access.add_person(desk.root, "Other"),
        desk.access.grant(desk.root, maria.id, Grant(Role.VIEWER)),
        desk.access.create_key(desk.root, "service"),
    ):
        with pytest.raises(RuntimeError):
            await work
    (only,) = await desk.access.people(desk.root)
    assert only.grants == (Grant(Role.OWNER),)
    assert await desk.access.keys(desk.root) == []


async def test_a_grant_is_given_and_taken_once(desk):
    """The same one again changes nothing and is not noted."""
    maria, grant = await desk.owner(), Grant(Role.VIEWER, tenant="acme")
    desk.noted.clear()
    assert await desk.access.grant(desk.root, maria.id, grant)
    assert not await desk.access.grant(desk.root, maria.id, grant)
    assert set((await desk.access.person(desk.root, maria.id)).grants) == {Grant(Role.OWNER), grant}
    assert await desk.access.take(desk.root, maria.id, grant)
    assert not await desk.access.take(desk.root, maria.id, grant)
    assert [action for action, _, _ in desk.noted] == ["grant.given", "grant.taken"]
    for change in (desk.access.grant, desk.access.take):
        with pytest.raises(NotFound):
            await change(desk.root, "person_0", grant)


async def test_the_last_owner_remains(desk):
    """Neither disabled nor stripped, not even by the terminal; another owner makes it possible."""
    maria, owner = await desk.owner(), Grant(Role.OWNER)
    with pytest.raises(StateConflict):
        await desk.access.disable_person(maria, maria.id)
    with pytest.raises(StateConflict):
        await desk.access.take(desk.root, maria.id, owner)
    other = await desk.owner("Jo")
    assert await desk.access.disable_person(other, maria.id)
    assert not await desk.access.disable_person(other, maria.id)
    with pytest.raises(StateConflict):  # a disabled owner is none
        await desk.access.take(other, other.id, owner)
    assert await desk.access.take(desk.root, maria.id, owner)


async def test_a_disabled_person_is_enabled_with_the_roles_they_had(desk):
    """Once; what was granted was kept meanwhile."""
    await desk.owner()
    jo = await desk.access.add_person(desk.root, "Jo", grants=(Grant(Role.REVIEWER, "sort"),))
    assert await desk.access.disable_person(desk.root, jo.id)
    assert await desk.access.enable_person(desk.root, jo.id)
    assert not await desk.access.enable_person(desk.root, jo.id)
    assert await desk.access.person(desk.root, jo.id) == jo
    assert [action for action, who, _ in desk.noted if who == jo.id][-2:] == [
        "person.disabled",
        "person.enabled",
    ]


async def test_two_owners_who_disable_each_other_at_once_leave_one(desk, fresh_database_url):
    """Whichever order the database chooses; the same for taking the role."""
    for change in ("disable_person", "take"):
        pair = [await desk.owner("Maria"), await desk.owner("Jo")]
        for one in await desk.access.people(desk.root):
            if one.id not in {owner.id for owner in pair}:
                await desk.access.disable_person(desk.root, one.id)

        def program(by, whom, change=change):
            database = Database(fresh_database_url)
            rest = () if change == "disable_person" else (Grant(Role.OWNER),)
            try:
                return asyncio.run(getattr(desk.another(database), change)(by, whom.id, *rest))
            except StateConflict:
                return False
            finally:
                database.close()

        done = await asyncio.gather(
            asyncio.to_thread(program, pair[0], pair[1]), asyncio.to_thread(program, pair[1], pair[0])
        )
        assert sorted(done) == [False, True]


async def test_only_an_owner_of_everything_manages_people(desk):
    """Who owns one workflow gives roles there, and no more than that."""
    maria = await desk.access.add_person(desk.root, "Maria", grants=(Grant(Role.OWNER, "sort"),))
    scoped = Principal(PrincipalKind.PERSON, maria.id, "Maria", frozenset(maria.grants))
    reviewer = Principal(PrincipalKind.PERSON, "person_r", "Rita", frozenset({Grant(Role.REVIEWER)}))
    for by in (scoped, reviewer):
        for work in (
            desk.access.people(by),
            desk.access.person(by, maria.id),
            desk.access.add_person(by, "New"),
            desk.access.disable_person(by, maria.id),
            desk.access.enable_person(by, maria.id),
            desk.access.end_sessions(by, maria.id),
            desk.access.last_link(by, maria.id),
            desk.access.link(by, maria.id),
            desk.access.grant(by, maria.id, Grant(Role.OWNER)),
            desk.access.grant(by, maria.id, Grant(Role.VIEWER, "other")),
            desk.access.take(by, maria.id, Grant(Role.OWNER)),
        ):
            with pytest.raises(Forbidden):
                await work
    assert await desk.access.grant(scoped, maria.id, Grant(Role.REVIEWER, "sort", "acme"))
