"""Flags: what code reads, sticky by key, the same on every replay of a run."""

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa

from roadworthy.audit import Action
from roadworthy.db.tables.releases import exposures
from roadworthy.errors import InvalidInput
from roadworthy.releases import SLOTS


async def set_flag(app, name="new-rules", **percent):
    """Set a flag by shares in percent."""
    slots = {(value, ""): share * 100 for value, share in percent.items()}
    return await app.releases.split(f"flag:{name}", slots, action=Action.FLAG_CHANGED)


async def recorded(app):
    """All exposures."""
    await app.releases.close()
    return await app.database.read(lambda tx: list(tx.execute(sa.select(exposures))))


async def test_a_flag_is_its_default_until_somebody_sets_it(app, other, until) -> None:
    """Set in one program, it is read by another; taken back, it is the default again."""
    assert not await other.flag("new-rules")
    assert await other.flag("new-rules", default=True)
    assert await other.flag("tone", default="plain") == "plain"
    await set_flag(app, on=100)
    await set_flag(app, "tone", warm=100)
    await until(lambda: other.flag("new-rules"))
    assert await other.flag("tone", default="plain") == "warm"
    await app.releases.clear("flag:new-rules", Action.FLAG_CHANGED)
    assert not await app.flag("new-rules")


async def test_a_flag_is_off_for_whom_it_is_off_whatever_its_default(app) -> None:
    """A kill switch works where code takes the flag as on."""
    await set_flag(app, off=100)
    assert not await app.flag("new-rules", default=True)


async def test_values_share_keys_and_each_key_is_recorded_once(app) -> None:
    """The same key has the same value however often it is read."""
    await set_flag(app, on=50, off=50)
    met = {f"u-{n}": await app.flag("new-rules", key=f"u-{n}") for n in range(30)}
    assert {key: await app.flag("new-rules", key=key) for key in met} == met
    rows = await recorded(app)
    values = Counter("on" if value else "off" for value in met.values())
    assert Counter(row.arm for row in rows) == values
    assert set(values) == {"on", "off"}


async def test_a_run_goes_on_with_the_value_that_it_read(make_app, until) -> None:
    """A flag that is set while the run waits does not change its way, neither live nor on the replay."""
    app = make_app()
    seen = []

    @app.step
    async def note(value: bool) -> None:
        seen.append(value)

    @app.workflow
    async def work() -> list[bool]:
        first = await app.flag("new-rules")
        await note(first)
        await app.wait_for_signal("go")
        return [first, await app.flag("new-rules")]

    async with app.running():
        await set_flag(app, on=50, off=50)
        handle = await app.start(work)
        await until(lambda: len(seen) == 1)
        value = seen[0]
        await set_flag(app, **{"off" if value else "on": 100})
        await until(lambda: _is_waiting(handle))
        await app.runs.signal(handle.id, "go")
        assert await handle.result() == [value, value]
        rows = await recorded(app)
    assert [(row.run_id, row.source, row.arm) for row in rows] == [
        (handle.id, handle.id, "on" if value else "off")
    ]


async def _is_waiting(handle):
    return (await handle.run()).status == "waiting"


async def test_runs_of_one_user_meet_the_same_value(make_app) -> None:
    """The key of a flag in a run is its user."""
    app = make_app()

    @app.workflow
    async def work() -> bool:
        return await app.flag("new-rules")

    async with app.running():
        await set_flag(app, on=50, off=50)
        handles = [await app.runs.start(work, {}, user_id=f"u-{n % 4}") for n in range(12)]
        values = [await handle.result() for handle in handles]
    assert values[:4] * 3 == values


def declare(app):
    """A workflow that asks twice side by side, waits, and asks once more; which versions answered."""
    reply = app.prompt("reply")

    @app.workflow
    async def work() -> list[str]:
        first = await asyncio.gather(reply(text="one"), reply(text="two"))
        await app.wait_for_signal("go")
        return [answer.prompt_version for answer in (*first, await reply(text="three"))]

    return work


async def test_a_promotion_before_a_replay_changes_no_finished_step(make_app, until) -> None:
    """Parallel calls of a run that another program replays keep answers and places; new ones take v1."""
    app, again = make_app(), make_app()
    work = declare(app)
    declare(again)
    async with app.running():
        handle = await app.start(work)
        await until(lambda: _is_waiting(handle))
        await app.promotions.promote("reply", "v1")
    async with again.running():
        await again.runs.signal(handle.id, "go")
        _, versions = await again.runs.outcome(handle.id, timeout_seconds=30)
    assert versions == ["reply@v2", "reply@v2", "reply@v1"]


@pytest.mark.parametrize("name", ["New Rules", "", "a|b"])
async def test_a_name_that_cannot_be_one_is_refused(app, name) -> None:
    """Also where nothing of that name was ever set."""
    with pytest.raises(InvalidInput, match="cannot name a flag"):
        await app.flag(name)


async def test_shares_of_flags_are_whole(app) -> None:
    """Every key has a value."""
    await set_flag(app, on=10, off=90)
    assert sum(arm.slots for arm in (await app.releases.fresh()).releases["flag:new-rules"].arms) == SLOTS


@pytest.mark.parametrize("value", ["false", "OFF", "of"])
async def test_a_value_that_looks_like_off_is_refused(app, value) -> None:
    """It would be a variant, and so a yes: the opposite of what is meant."""
    with pytest.raises(InvalidInput, match="every variant but 'off' is on"):
        await set_flag(app, **{value: 100})
    assert not await app.flag("new-rules")
