"""Keys in both databases: shown once, kept as a hash, and good for nothing once they end."""

import asyncio
import time

import pytest
import sqlalchemy as sa

from roadworthy.access import KEY_ROLES, Grant, Principal, PrincipalKind, Role
from roadworthy.access import secret as secrets
from roadworthy.access.secret import SecretKind
from roadworthy.db.tables import metadata
from roadworthy.errors import Forbidden, InvalidInput, NotFound, StateConflict, Unauthenticated

DAY_SECONDS = 86_400


async def test_a_key_is_recognised_with_what_it_may_do(desk):
    """By its secret, which is nowhere in the database."""
    grants = (Grant(Role.SERVICE, "sort", "acme"), Grant(Role.VIEWER))
    key, secret = await desk.access.create_key(desk.root, "billing", grants=grants)
    principal = await desk.access.key(secret)
    assert principal == Principal(PrincipalKind.KEY, key.id, "billing", frozenset(grants))
    assert (await desk.access.keys(desk.root))[0].hint == secret[:8]
    await desk.access.settle()

    def everything(tx: sa.Connection) -> str:
        return repr([tx.execute(sa.select(table)).all() for table in metadata.sorted_tables])

    stored = desk.database.read_now(everything)
    assert secret not in stored
    assert secret[9:30] not in stored


@pytest.mark.parametrize("role", [role for role in Role if role not in KEY_ROLES])
async def test_a_program_is_never_what_only_people_are(desk, role):
    """A model's own program must not decide in a person's place."""
    with pytest.raises(InvalidInput, match="for people"):
        await desk.access.create_key(desk.root, "robot", grants=(Grant(role),))


@pytest.mark.parametrize("days", [0, -1, 366, float("inf"), float("nan")])
async def test_a_key_ends(desk, days):
    """No key lasts for ever, or longer than the settings let it."""
    with pytest.raises(InvalidInput):
        await desk.access.create_key(desk.root, "service", days=days)


async def test_a_key_that_is_asked_for_twice_is_made_once(desk):
    """The second time is told, and neither changes the first key nor gives it anything."""
    key_id = f"key_{'0' * 32}"
    key, secret = await desk.access.create_key(desk.root, "shop", key_id=key_id)
    desk.noted.clear()
    with pytest.raises(StateConflict):
        await desk.access.create_key(desk.root, "shop", grants=(Grant(Role.OPERATOR),), key_id=key_id)
    assert await desk.access.keys(desk.root) == [key]
    assert (await desk.access.key(secret)).grants == frozenset(key.grants)
    assert desk.noted == []


async def test_a_key_that_is_wrong_expired_or_revoked_reads_the_same(desk):
    """Nobody learns which of the three it is."""
    _, secret = await desk.access.create_key(desk.root, "service", days=1)
    revoked, gone = await desk.access.create_key(desk.root, "other")
    assert await desk.access.revoke_key(desk.root, revoked.id)
    assert not await desk.access.revoke_key(desk.root, revoked.id)
    assert (await desk.access.key(secret)).name == "service"
    desk.clock.advance(DAY_SECONDS)
    typo = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    told = set()
    for wrong in (
        secret, gone, typo, "", "rw_", "x" * 100_000, "rw_\ud800" + "x" * 48, "rw_" + "\n" * 49,
        secrets.make(SecretKind.KEY), secrets.make(SecretKind.SESSION),
    ):  # fmt: skip
        with pytest.raises(Unauthenticated) as refused:
            await desk.access.key(wrong)
        told.add(str(refused.value))
    assert len(told) == 1


async def test_a_revoked_key_ends_everywhere_within_five_seconds(desk):
    """At once in the process that revoked it, and in another one when what it remembers is too old."""
    key, secret = await desk.access.create_key(desk.root, "service")
    other = desk.another()
    await desk.access.key(secret)
    await other.key(secret)
    await desk.access.revoke_key(desk.root, key.id)
    with pytest.raises(Unauthenticated):
        await desk.access.key(secret)
    desk.clock.advance(4.9)
    await other.key(secret)
    desk.clock.advance(0.1)
    with pytest.raises(Unauthenticated):
        await other.key(secret)
    await asyncio.gather(desk.access.settle(), other.settle())


async def test_when_a_key_was_used_is_written_once_a_minute(desk):
    """Behind the request."""
    _, secret = await desk.access.create_key(desk.root, "service")

    async def used() -> int | None:
        await desk.access.key(secret)
        await desk.access.settle()
        return (await desk.access.keys(desk.root))[0].last_used_at

    first = await used()
    assert first == desk.clock.now_ms()
    desk.clock.advance(59)
    assert await used() == first
    desk.clock.advance(1)
    assert await used() == desk.clock.now_ms()


async def test_a_key_of_another_tenant_does_not_exist(desk):
    """In the words of one that really does not, and in no list."""
    owner = Principal(PrincipalKind.PERSON, "p", "Maria", frozenset({Grant(Role.OWNER, tenant="acme")}))
    theirs, _ = await desk.access.create_key(
        desk.root, "theirs", grants=(Grant(Role.SERVICE, tenant="other"),)
    )
    wide, _ = await desk.access.create_key(desk.root, "wide")
    mine, _ = await desk.access.create_key(owner, "mine", grants=(Grant(Role.SERVICE, "sort", "acme"),))
    assert [key.id for key in await desk.access.keys(owner)] == [mine.id]
    told = set()
    for key_id in (theirs.id, wide.id, "key_0"):
        with pytest.raises(NotFound) as missing:
            await desk.access.revoke_key(owner, key_id)
        told.add(str(missing.value).replace(key_id, "ID"))
    assert len(told) == 1
    assert await desk.access.revoke_key(owner, mine.id)
    for grant in (Grant(Role.SERVICE), Grant(Role.SERVICE, "sort"), Grant(Role.SERVICE, tenant="other")):
        with pytest.raises(Forbidden):
            await desk.access.create_key(owner, "wider", grants=(grant,))
    with pytest.raises(Forbidden):
        await desk.access.keys(Principal(PrincipalKind.KEY, "key_1", "x", frozenset({Grant(Role.OPERATOR)})))


async def test_a_key_that_is_remembered_costs_next_to_nothing(desk):
    """Under 50 microseconds of the processor, the best of some rounds."""
    _, secret = await desk.access.create_key(desk.root, "service")
    await desk.access.key(secret)
    await desk.access.settle()
    rounds = []
    for _ in range(20):
        began = time.process_time()
        for _ in range(200):
            await desk.access.key(secret)
        rounds.append((time.process_time() - began) / 200)
    assert min(rounds) < 50e-6
