"""Promote, roll back, split: what serves then, in every program, and what is on record of it."""

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa

from roadworthy.audit import Outcome
from roadworthy.audit.store import Filter
from roadworthy.db.tables.releases import exposures
from roadworthy.errors import InvalidInput, NotEvaluated, NotFound, StateConflict
from roadworthy.releases import SLOTS, ChangeKind, pinned, prompt_subject

SUBJECT = prompt_subject("reply")


async def said(app, **options):
    """Which version answers."""
    answer = await app.prompt("reply").using(**options)(text="hello")
    assert answer.value.startswith(f"{answer.prompt_version.partition('@')[2]}: ")
    return answer.prompt_version.partition("@")[2]


async def recorded(app):
    """All exposures."""
    await app.pipeline.close()
    return await app.database.read(lambda tx: list(tx.execute(sa.select(exposures))))


async def test_a_promoted_version_serves_in_every_program(app, other, until) -> None:
    """The newest file serves until another version is promoted; then that one, without a restart."""
    assert await said(other) == "v2"
    change = await app.promotions.promote("reply", "v1", reason="v2 rambles")
    assert await said(app) == "v1"
    await until(lambda: _serves(other, "v1"))
    assert (change.kind, change.reason, change.revision) == (ChangeKind.PROMOTE, "v2 rambles", 1)
    assert [arm.name for arm in change.before] == ["v2"]
    assert other.version("reply").label == "v1"


async def _serves(app, label):
    return await said(app) == label


async def test_a_release_holds_when_a_newer_file_appears(app, project, make_app, write_prompt) -> None:
    """A program that comes with v3 goes on with what was promoted."""
    await app.promotions.promote("reply", "v1")
    write_prompt(project, "v3")
    newer = make_app()
    async with newer.running(work=False):
        assert await said(newer) == "v1"


async def test_rolling_back_goes_to_what_served_alone_before_and_further(app) -> None:
    """Each rollback takes back one more promotion; splits are passed over, at the end is an error."""
    await app.promotions.promote("reply", "v1")
    await app.promotions.split("reply", {"v1": SLOTS // 2, "v2": SLOTS // 2})
    await app.promotions.promote("reply", "v2")
    first = await app.promotions.rollback("reply", reason="complaints")
    assert await said(app) == "v1"
    assert (first.kind, first.undoes) == (ChangeKind.ROLLBACK, 2)
    await app.promotions.rollback("reply")
    assert await said(app) == "v2"  # what the settings said before the first promotion
    with pytest.raises(NotFound, match="Nothing else served"):
        await app.promotions.rollback("reply")


async def test_rolling_back_a_canary_gives_everybody_what_served_before(app) -> None:
    """Nobody is left with the canary."""
    await app.promotions.promote("reply", "v1")
    await app.promotions.split("reply", {"v1": 9_000, "v2": 1_000})
    await app.promotions.rollback("reply")
    await app.releases.fresh()
    release = app.releases.current(SUBJECT)
    assert [(arm.name, arm.slots) for arm in release.arms] == [("v1", SLOTS)]


async def test_a_version_whose_file_is_gone_serves_from_the_database(app, project, make_app) -> None:
    """Rolling back needs no deployment: a program without the file has the text that was registered."""
    await app.promotions.promote("reply", "v1")
    (project / "prompts" / "reply" / "v1.md").unlink()
    without = make_app()
    async with without.running(work=False):
        assert await said(without) == "v1"
        await without.promotions.promote("reply", "v2")
        await without.promotions.rollback("reply")
        assert await said(without) == "v1"
        await without.promotions.promote("reply", "v2")
        await without.promotions.promote("reply", "v1")
        assert await said(without) == "v1"


async def test_the_promoted_text_serves_whatever_its_file_says_by_now(app, project, make_app) -> None:
    """A release names a text; in development a label's file may have moved on since."""
    await app.promotions.promote("reply", "v1")
    (project / "prompts/reply/v1.md").write_text("# user\nanother text\n")
    edited = make_app()
    async with edited.running(work=False):
        assert await said(edited) == "v1"


async def test_shares_are_sticky_and_exposures_are_on_record(app, other) -> None:
    """Each user always meets the same version, in every program; each call says which arm it met."""
    await app.promotions.split("reply", {"v1": SLOTS // 2, "v2": SLOTS // 2})
    await asyncio.gather(app.releases.fresh(), other.releases.fresh())
    other.releases.memory.forget()
    met = {user: await said(app, user_id=user) for user in (f"u-{n}" for n in range(40))}
    assert {user: await said(other, user_id=user) for user in met} == met
    assert set(met.values()) == {"v1", "v2"}
    await other.pipeline.close()
    rows = await recorded(app)
    assert Counter(row.arm for row in rows) == {
        arm: 2 * count for arm, count in Counter(met.values()).items()
    }
    assert len({row.key_hash for row in rows}) == len(met)
    assert all(row.call_id == row.source and row.environment == "development" for row in rows)
    assert not any(user in row.key_hash for row in rows for user in met)


async def test_an_explicit_key_goes_before_user_and_tenant(app) -> None:
    """Whoever shares a key shares the version."""
    await app.promotions.split("reply", {"v1": SLOTS // 2, "v2": SLOTS // 2})
    met = {await said(app, key="household", user_id=f"u-{n}", tenant=f"t-{n}") for n in range(8)}
    assert len(met) == 1


async def test_moving_shares_keeps_everybody_but_those_who_have_to_move(app) -> None:
    """From a tenth to a half, nobody goes back from v2 to v1."""
    users = [f"u-{n}" for n in range(60)]
    await app.promotions.split("reply", {"v1": 9_000, "v2": 1_000})
    before = {user: await said(app, user_id=user) for user in users}
    await app.promotions.split("reply", {"v1": 5_000, "v2": 5_000})
    after = {user: await said(app, user_id=user) for user in users}
    assert {(before[user], after[user]) for user in users} == {("v1", "v1"), ("v1", "v2"), ("v2", "v2")}


async def test_one_arm_leaves_no_exposure(app) -> None:
    """Where everybody gets the same, there is nothing to compare."""
    await app.promotions.promote("reply", "v1")
    await said(app, user_id="u-1")
    assert await recorded(app) == []


async def test_what_is_pinned_wins_over_releases_and_leaves_no_exposure(app) -> None:
    """Evaluations force a version, a route and a flag; outside of the block nothing has changed."""
    await app.promotions.split("reply", {"v1": SLOTS // 2, "v2": SLOTS // 2})
    with pinned(prompts={"reply": "v1"}, flags={"new-rules": True}):
        assert {await said(app, user_id=f"u-{n}") for n in range(6)} == {"v1"}
        with pinned(prompts={"reply": "v2"}, routes={"default": "mini"}):
            answer = await app.prompt("reply")(text="hello")
            assert (answer.value[:4], answer.rung) == ("V2: ", "shout")
            assert await app.flag("new-rules")
    assert not await app.flag("new-rules")
    assert await recorded(app) == []


async def test_a_route_is_switched_by_share(app) -> None:
    """Half of the users are answered by the other route; its own name alone undoes it."""
    await app.promotions.split_route("default", {"default": SLOTS // 2, "mini": SLOTS // 2})
    rungs = {(await app.prompt("reply").using(user_id=f"u-{n}")(text="x")).rung for n in range(20)}
    assert rungs == {"echo", "shout"}
    assert {row.subject for row in await recorded(app)} == {"route:default"}
    await app.promotions.split_route("default", {"default": SLOTS})
    assert (await app.prompt("reply")(text="x")).rung == "echo"
    with pytest.raises(NotFound, match="no route 'maxi'"):
        await app.promotions.split_route("default", {"maxi": SLOTS})


async def test_of_two_promotions_at_once_one_stands(app, other) -> None:
    """The second is told that somebody else was first."""
    await asyncio.gather(app.releases.fresh(), other.releases.fresh())
    both = await asyncio.gather(
        app.promotions.promote("reply", "v1", expect=0),
        other.promotions.promote("reply", "v2", expect=0),
        return_exceptions=True,
    )
    (refused,) = [one for one in both if isinstance(one, StateConflict)]
    assert "somebody else" in refused.message
    assert len(await app.releases.history(SUBJECT)) == 1


async def test_many_changes_at_once_are_numbered_without_gaps(app, other) -> None:
    """The history is one line, whoever made it."""
    changes = [
        (app if number % 2 else other).releases.split(
            f"flag:f{number % 3}", {("on", ""): SLOTS}, reason=str(number)
        )
        for number in range(12)
    ]
    made = await asyncio.gather(*changes)
    assert sorted(change.revision for change in made) == list(range(1, 13))


async def test_outside_of_development_a_version_needs_an_evaluation(make_app, person) -> None:
    """Refused, with what to run, and on record; an override takes a reason; going back takes nothing."""
    app = make_app("production")
    async with app.running(work=False):
        with pytest.raises(NotEvaluated, match="no passing evaluation") as refused:
            await app.promotions.promote("reply", "v1")
        assert "evals/reply/suite.toml" in refused.value.hint
        with pytest.raises(NotEvaluated):
            await app.promotions.split("reply", {"v1": 100, "v2": 9_900})
        with pytest.raises(InvalidInput, match="needs a reason"):
            await app.promotions.promote("reply", "v1", override=True, reason="  ")
        await app.promotions.promote("reply", "v2")  # serves already
        change = await app.promotions.promote("reply", "v1", override=True, reason="the outage")
        assert (change.kind, change.by_name, change.evidence) == (ChangeKind.OVERRIDE, "Ada", {"v1": None})
        assert await said(app) == "v1"
        assert [arm.name for arm in (await app.promotions.rollback("reply")).arms] == ["v2"]
        entries = await app.audit.find(Filter())
    told = [(one.action, one.outcome, one.actor) for one in entries if one.subject == SUBJECT]
    assert told == [
        ("prompt.rolled_back", Outcome.DONE.value, person),
        ("prompt.promoted", Outcome.DONE.value, person),
        ("prompt.promoted", Outcome.DONE.value, person),
        ("prompt.promoted", Outcome.REFUSED.value, person),
        ("prompt.promoted", Outcome.REFUSED.value, person),
    ]


async def test_environments_serve_their_own_versions(app, make_app) -> None:
    """What is promoted in one is not promoted in another on the same database."""
    await app.promotions.promote("reply", "v1")
    staging = make_app("staging")
    async with staging.running(work=False):
        assert await said(staging) == "v2"


@pytest.mark.parametrize(("prompt", "label"), [("reply", "v9"), ("replies", "v1")])
async def test_what_is_not_there_cannot_be_promoted(app, prompt, label) -> None:
    """The error says which, and what it could have been."""
    with pytest.raises(NotFound, match=r"no version 'v9'|no prompt 'replies'"):
        await app.promotions.promote(prompt, label)


async def test_clearing_lets_the_settings_say_again(app, make_app) -> None:
    """The newest file serves as before the first promotion."""
    await app.promotions.promote("reply", "v1")
    await app.promotions.clear("reply")
    assert await said(app) == "v2"
    assert [arm.name for arm in (await app.promotions.rollback("reply")).arms] == ["v1"]
