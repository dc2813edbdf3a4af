"""Who may let which version serve outside of development: approvers, and the contract of its inputs."""

import pytest

from roadworthy.audit import Actor, ActorKind, acting
from roadworthy.audit.store import Filter
from roadworthy.errors import Forbidden, InputsDiffer, NotEvaluated
from roadworthy.releases import SLOTS

TONED = "---\ninputs: {text: str, tone: str}\n---\n# user\n{{ text }}\n"
PRODUCTION = {"environment": "production", "releases__require_eval": False}


@pytest.fixture
def toned(write_prompt, project):
    """A version that needs one more input than the others; v2 is what the settings name."""
    write_prompt(project, "v3", TONED)
    return {"prompts__reply__version": "v2"}


async def test_a_version_that_needs_what_code_does_not_pass_is_refused(make_app, toned) -> None:
    """Alone or for a share; the refusal names the input, and is on record."""
    app = make_app(**PRODUCTION, **toned)
    async with app.running(work=False):
        with pytest.raises(InputsDiffer, match="reply@v3: it needs the input 'tone', which v2 does not take"):
            await app.promotions.promote("reply", "v3")
        with pytest.raises(InputsDiffer):
            await app.promotions.split("reply", {"v2": SLOTS // 2, "v3": SLOTS // 2})
        assert app.version("reply").label == "v2"
        entries = await app.audit.find(Filter(outcome="refused"))
        assert len(entries) == 2
        assert all("needs the input 'tone'" in one.detail for one in entries)


async def test_an_override_lets_it_serve_and_the_way_back_is_open(make_app, toned) -> None:
    """A rollback asks nobody, and can say what it breaks."""
    app = make_app(**PRODUCTION, **toned)
    async with app.running(work=False):
        change = await app.promotions.promote("reply", "v3", override=True, reason="code passes it")
        assert "needs the input 'tone'" in (await app.promotions.unmet(change))[0]
        back = await app.promotions.rollback("reply")
        assert [arm.name for arm in back.arms] == ["v2"]
        assert await app.promotions.unmet(back) == (
            "reply@v2: it does not take the input 'tone', which v3 takes.",
        )


async def test_it_is_held_against_what_was_released_and_not_against_the_files(make_app, toned) -> None:
    """Once v3 serves, a version without its input is the one that breaks calls."""
    app = make_app(**PRODUCTION, **toned)
    async with app.running(work=False):
        await app.promotions.promote("reply", "v3", override=True, reason="code passes it")
        with pytest.raises(InputsDiffer, match="reply@v1: it does not take the input 'tone'"):
            await app.promotions.promote("reply", "v1")
        with pytest.raises(InputsDiffer, match="reply@v2"):
            await app.promotions.clear("reply")


async def test_in_development_nothing_is_refused(make_app, toned) -> None:
    """There, what may break is only told."""
    app = make_app(**toned)
    async with app.running(work=False):
        change = await app.promotions.promote("reply", "v3")
        assert len(await app.promotions.unmet(change)) == 1


async def test_a_verdict_that_is_no_pass_is_named(make_app, project) -> None:
    """Who has evaluated it already is not sent to do so as if nobody had."""
    suite = project / "evals" / "reply"
    suite.mkdir(parents=True)
    (suite / "suite.toml").write_text('[[evaluators]]\nkind = "not_empty"\n')
    (suite / "cases.jsonl").write_text('{"id": "a", "inputs": {"text": "hello"}}\n')
    app = make_app("production")
    async with app.evaluating() as evals:
        await evals.run("reply", evals.variant("reply", "v1"))
        with pytest.raises(NotEvaluated, match="the newest says inconclusive"):
            await app.promotions.promote("reply", "v1")


async def test_only_an_approver_of_the_prompt_lets_a_version_serve(make_app) -> None:
    """Anybody else is refused, on record; rolling back stays open, and an override passes."""
    app = make_app(**PRODUCTION, prompts__reply__approvers=["Ada"])
    async with app.running(work=False):
        refusal = r"'Bob' is no approver .* \[prompts\.reply\] names Ada"
        with acting(Actor(ActorKind.PERSON, "person_2", "Bob")), pytest.raises(Forbidden, match=refusal):
            await app.promotions.promote("reply", "v1")
        with acting(Actor(ActorKind.PERSON, "person_1", "Ada")):
            await app.promotions.promote("reply", "v1")
        with acting(Actor(ActorKind.PERSON, "person_2", "Bob")):
            await app.promotions.rollback("reply")
            await app.promotions.promote("reply", "v1", override=True, reason="Ada is away")
        with pytest.raises(Forbidden, match="'system' is no approver"):
            await app.promotions.split("reply", {"v1": SLOTS // 2, "v2": SLOTS // 2})
        refused = await app.audit.find(Filter(outcome="refused"))
        assert [one.actor_name for one in refused] == ["", "Bob"]


async def test_a_prompt_has_the_approvers_of_the_workflows_that_ask_it(make_app) -> None:
    """By the calls on record; one who is named by one of two workflows alone is refused."""
    named = {"workflows.triage.approvers": ["Ada"], "workflows.other.approvers": ["Cleo"]}
    app = make_app(**PRODUCTION, **named)
    reply = app.prompt("reply")

    @app.workflow
    async def triage(text: str) -> str:
        return (await reply(text=text)).value

    @app.workflow
    async def other(text: str) -> str:
        return text

    async with app.running():
        await app.promotions.promote("reply", "v1")  # nobody has asked it yet
        await (await app.start(triage, "hello")).result()
        with pytest.raises(Forbidden, match=r"\[workflows\.triage\] names Ada"):
            await app.promotions.promote("reply", "v2")
        with acting(Actor(ActorKind.PERSON, "person_1", "Ada")):
            change = await app.promotions.promote("reply", "v2")
        assert change.by_name == "Ada"
