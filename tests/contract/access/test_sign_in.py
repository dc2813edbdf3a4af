"""Signing in, in both databases: links work once, sessions end, and tries are counted."""

import asyncio
import threading

import pytest

from roadworthy.access import Grant, PrincipalKind, Role
from roadworthy.access import secret as secrets
from roadworthy.access.secret import SecretKind
from roadworthy.db import Database
from roadworthy.errors import Forbidden, NotFound, StateConflict, TooManySignIns, Unauthenticated

HOUR_SECONDS = 3_600


@pytest.fixture
async def maria(desk):
    """An owner who can sign in."""
    return await desk.owner()


async def signed_in(desk, person):
    """A session of hers."""
    return await desk.access.sign_in((await desk.access.link(desk.root, person.id)).secret)


async def test_a_link_begins_a_session_once(desk, maria):
    """The session says who it is and what she may do; the link is used up."""
    link = await desk.access.link(desk.root, maria.id)
    begun = await desk.access.sign_in(link.secret, address="192.0.2.1")
    principal = await desk.access.session(begun.token)
    assert principal == begun.principal
    assert (principal.kind, principal.id, principal.grants) == (PrincipalKind.PERSON, maria.id, maria.grants)
    with pytest.raises(Unauthenticated):
        await desk.access.sign_in(link.secret)
    assert [one for one in desk.noted if one[0].startswith("se") or one[0].startswith("si")] == [
        ("session.opened", principal.session_id, maria.id),
        ("sign_in.refused", maria.id, None),
    ]
    with pytest.raises(NotFound):
        await desk.access.link(desk.root, "person_0")


async def test_a_link_that_is_used_by_many_at_once_begins_one_session(desk, maria, fresh_database_url):
    """Programs of their own, which begin together."""
    link = await desk.access.link(desk.root, maria.id)
    barrier = threading.Barrier(6)

    def program():
        database = Database(fresh_database_url)
        try:
            barrier.wait()
            return asyncio.run(desk.another(database).sign_in(link.secret)).token
        except Unauthenticated:
            return None
        finally:
            database.close()

    tokens = await asyncio.gather(*(asyncio.to_thread(program) for _ in range(6)))
    assert len([token for token in tokens if token]) == 1


async def test_a_link_that_is_unknown_used_old_or_replaced_reads_the_same(desk, maria):
    """Nobody learns which it is; every try is noted."""
    used, replaced = await desk.access.link(desk.root, maria.id), None
    await desk.access.sign_in(used.secret)
    replaced = await desk.access.link(desk.root, maria.id)
    old = await desk.access.link(desk.root, maria.id)
    desk.clock.advance(900)
    key = await desk.access.create_key(desk.root, "service")
    told, wrong = (
        set(),
        [used.secret, replaced.secret, old.secret, key[1], secrets.make(SecretKind.LINK), "x"],
    )
    for secret in wrong:
        with pytest.raises(Unauthenticated) as refused:
            await desk.access.sign_in(secret)
        told.add(str(refused.value))
    assert len(told) == 1
    assert len([one for one in desk.noted if one[0] == "sign_in.refused"]) == len(wrong)


async def test_a_session_ends_when_it_is_idle_and_when_it_is_old(desk, maria):
    """Use puts the first end off, and never the second one."""
    begun = await signed_in(desk, maria)
    for _ in range(14):
        desk.clock.advance(12 * HOUR_SECONDS - 1)
        await desk.access.session(begun.token)
        await desk.access.settle()
    desk.clock.advance(14)
    with pytest.raises(Unauthenticated):
        await desk.access.session(begun.token)
    another = await signed_in(desk, maria)
    desk.clock.advance(12 * HOUR_SECONDS)
    with pytest.raises(Unauthenticated):
        await desk.access.session(another.token)


async def test_signing_out_ends_that_session_only(desk, maria):
    """In every process, at once."""
    one, other = await signed_in(desk, maria), await signed_in(desk, maria)
    await desk.access.sign_out(one.token)
    for access in (desk.access, desk.another()):
        with pytest.raises(Unauthenticated):
            await access.session(one.token)
        assert (await access.session(other.token)).id == maria.id
    with pytest.raises(Unauthenticated):
        await desk.access.sign_out(one.token)


async def test_a_person_who_is_disabled_is_out_at_once(desk, maria):
    """Sessions and links end, in every process."""
    jo = await desk.owner("Jo")
    begun, link = await signed_in(desk, jo), await desk.access.link(desk.root, jo.id)
    await desk.access.disable_person(maria, jo.id)
    with pytest.raises(Unauthenticated):
        await desk.another().session(begun.token)
    for secret in (link.secret, (await desk.access.link(desk.root, jo.id)).secret):
        with pytest.raises(Unauthenticated):
            await desk.access.sign_in(secret)


async def test_somebody_ends_all_sessions_of_a_person(desk, maria):
    """And the link that could begin another; how many went on is told, and it is noted."""
    tokens = [(await signed_in(desk, maria)).token for _ in range(2)]
    unused = await desk.access.link(desk.root, maria.id)
    assert await desk.access.end_sessions(desk.root, maria.id) == 2
    for token in tokens:
        with pytest.raises(Unauthenticated):
            await desk.access.session(token)
    with pytest.raises(Unauthenticated):
        await desk.access.sign_in(unused.secret)
    assert ("sessions.ended", maria.id, "root") in desk.noted


async def test_a_link_that_is_asked_for_twice_is_made_once(desk, maria):
    """The second time is told, even in the same millisecond, and the first link still holds."""
    last = await desk.access.last_link(desk.root, maria.id)
    link = await desk.access.link(desk.root, maria.id, last=last)
    with pytest.raises(StateConflict):
        await desk.access.link(desk.root, maria.id, last=last)
    await desk.access.sign_in(link.secret)
    assert await desk.access.last_link(desk.root, maria.id) == link.expires_at


async def test_what_is_taken_is_gone_at_the_next_request(desk, maria):
    """A session knows what is granted now, not when it began."""
    jo = await desk.access.add_person(desk.root, "Jo", grants=(Grant(Role.VIEWER),))
    begun = await signed_in(desk, jo)
    await desk.access.take(desk.root, jo.id, Grant(Role.VIEWER))
    assert (await desk.access.session(begun.token)).grants == frozenset()


async def test_a_form_of_another_session_is_refused(desk, maria):
    """Each session has a token of its own."""
    one, other = await signed_in(desk, maria), await signed_in(desk, maria)
    desk.access.check_csrf(one.token, desk.access.csrf_token(one.token))
    for wrong in (desk.access.csrf_token(other.token), "", "\ud800", one.token):
        with pytest.raises(Forbidden):
            desk.access.check_csrf(one.token, wrong)


async def test_tries_are_counted_for_an_address_and_for_a_person(desk, maria):
    """The right link is refused as well until the minute is over; it is noted once, not each time."""
    access = desk.another(sign_in_attempts_per_minute=3)
    link = await desk.access.link(desk.root, maria.id)
    for number in range(3):
        with pytest.raises(Unauthenticated):
            await access.sign_in("wrong", address=f"2001:db8::{number}")
    for _ in range(5):
        with pytest.raises(TooManySignIns) as refused:
            await access.sign_in(link.secret, address="2001:db8::9")
    assert 0 < refused.value.retry_after_seconds <= 60
    assert len([one for one in desk.noted if one[0] == "sign_in.refused"]) == 3 + 1
    await access.sign_in(link.secret, address="2001:db9::1")
    for number in range(2):
        with pytest.raises(Unauthenticated):
            await access.sign_in(link.secret, address=f"192.0.2.{number}")
    with pytest.raises(TooManySignIns):  # from everywhere, for the same person
        await access.sign_in(link.secret, address="192.0.2.9")
    desk.clock.advance(60)
    await access.sign_in((await desk.access.link(desk.root, maria.id)).secret, address="2001:db8::9")


async def test_tries_that_come_together_are_all_counted(desk):
    """None gets through because another one is being counted."""
    access = desk.another(sign_in_attempts_per_minute=10)
    tried = await asyncio.gather(*(access.throttle("address:x") for _ in range(30)), return_exceptions=True)
    assert len([one for one in tried if isinstance(one, TooManySignIns)]) == 20


async def test_the_first_link_is_there_until_an_owner_was(desk):
    """A new one each time, for the same person; afterwards there is none, whoever owns the project."""
    first, second = [await desk.access.first_link(desk.root) for _ in range(2)]
    assert first.person_id == second.person_id
    with pytest.raises(Unauthenticated):
        await desk.access.sign_in(first.secret)
    begun = await desk.access.sign_in(second.secret)
    assert begun.principal.grants == {Grant(Role.OWNER)}
    assert await desk.access.first_link(desk.root) is None
    await desk.owner("Jo")
    await desk.access.disable_person(desk.root, second.person_id)
    assert await desk.access.first_link(desk.root) is None


async def test_the_first_link_of_two_processes_is_for_one_owner(desk, fresh_database_url):
    """Both begin on a fresh database."""
    barrier = threading.Barrier(4)

    def program():
        database = Database(fresh_database_url)
        try:
            barrier.wait()
            return asyncio.run(desk.another(database).first_link(desk.root)).person_id
        finally:
            database.close()

    assert len(set(await asyncio.gather(*(asyncio.to_thread(program) for _ in range(4))))) == 1
    assert len(await desk.access.people(desk.root)) == 1


async def test_what_is_long_over_is_deleted(desk, maria):
    """Sessions and links after a month, counts after their minute; what goes on stays."""
    old = await signed_in(desk, maria)
    desk.clock.advance(60 * 24 * HOUR_SECONDS)
    begun = await signed_in(desk, maria)
    await desk.access.tidy()

    def count(tx):
        return tx.exec_driver_sql(
            "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM sign_in_links),"
            " (SELECT count(*) FROM sign_in_attempts)"
        ).one()

    assert tuple(desk.database.read_now(count)) == (1, 1, 1)
    await desk.access.session(begun.token)
    with pytest.raises(Unauthenticated):
        await desk.access.session(old.token)


async def test_a_transaction_that_runs_twice_has_the_same_effect(desk, fresh_database_url):
    """It was committed, and only the news of it got lost: nobody is refused what they were given."""

    class Twice(Database):
        async def write(self, work):
            await super().write(work)
            return await super().write(work)

    database = Twice(fresh_database_url)
    try:
        access = desk.another(database)
        first = await access.first_link(desk.root)
        begun = await access.sign_in(first.secret)
        jo = await access.add_person(desk.root, "Jo", email="jo@x.org", grants=(Grant(Role.VIEWER),))
        await access.grant(desk.root, jo.id, Grant(Role.OWNER))
        key, secret = await access.create_key(desk.root, "service")
        assert (await access.key(secret)).id == key.id
        assert (await access.session(begun.token)).id == first.person_id
        assert {one.id for one in await access.people(desk.root)} == {first.person_id, jo.id}
        await access.disable_person(desk.root, first.person_id)
        await access.settle()
    finally:
        database.close()
