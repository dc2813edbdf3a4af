"""A worker seals the calls of its runs, tells what retention deletes, and acts as nobody but itself."""

from pathlib import Path

from roadworthy.audit import Action, Actor, ActorKind, Filter, acting
from roadworthy.testing import FakeClock
from roadworthy.workflows.retention import sweep

MARIA = Actor(ActorKind.PERSON, "person_1", "Maria", "req_1")
DAY_SECONDS = 86_400
PROMPT = "---\ninputs:\n  text: str\n---\n# user\n{{ text }}\n"


def asking(make_app, tmp_path: Path, clock: FakeClock):
    """An app whose workflow asks a model, and starts another run."""
    file = tmp_path / "prompts" / "echo" / "v1.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PROMPT)
    app = make_app(
        clock=clock,
        models={"echo": {"provider": "python", "function": "nowhere:echo"}},
        routes={"default": {"models": ["echo"]}},
    )
    app._functions["nowhere:echo"] = lambda request: request.inputs["text"].upper()
    echo = app.prompt("echo")

    @app.workflow
    async def inner(text: str) -> str:
        return (await echo(text=text)).value

    @app.workflow
    async def outer(text: str) -> str:
        return await inner(text)

    return app, outer


async def entries(app) -> list[tuple[str, str, str]]:
    """What the log says, oldest first."""
    found = await app.audit.find(Filter())
    return [(one.action, one.actor_kind, one.actor) for one in reversed(found)]


async def test_calls_are_sealed_and_what_retention_deletes_is_told(make_app, tmp_path):
    """From a call to a model to the day on which nothing of it is left but the log."""
    clock = FakeClock()
    app, outer = asking(make_app, tmp_path, clock)
    async with app.running():
        with acting(MARIA):
            run = await app.start(outer, text="a")
        assert await run.result(timeout_seconds=20) == "A"
        clock.advance(400)
        await app._keep_up()
        sealed = await app.audit.verify()
        assert (sealed.fault, sealed.seals, sealed.calls, sealed.unsealed) == ("", 1, 2, 0)
        clock.advance(100 * DAY_SECONDS)
        await app.rollups.keep_up()  # only what the reports have is deleted
        await sweep(app._parts, app._worker.engine)
        await sweep(app._parts, app._worker.engine)
        gone = await app.audit.verify()
        assert (gone.fault, gone.seals, gone.by_retention) == ("", 0, 1)
        assert await entries(app) == [
            (Action.RUN_STARTED, "person", "person_1"),
            (Action.CALLS_SEALED, "system", ""),
            (Action.RECORDS_DELETED, "system", ""),
        ]


async def test_what_a_run_does_is_not_done_by_whoever_started_the_process(make_app, tmp_path):
    """Neither the runs that it starts nor what its worker does."""
    app, outer = asking(make_app, tmp_path, FakeClock())
    with acting(MARIA):
        async with app.running():
            run = await app.start(outer, text="a")
            await run.result(timeout_seconds=20)
            assert await entries(app) == [(Action.RUN_STARTED, "person", "person_1")]
