"""Calls that no model answers, in real runs: they wait for better times or for a person, in no process."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from roadworthy import App, Decision
from roadworthy.calls import store
from roadworthy.errors import RoadworthyError, StepFailed
from roadworthy.testing.simulated import Received, Reply, SimulatedProvider, Unavailable

SETTINGS = """
[models.main]
provider = "openai-compatible"
model = "first-model"
base_url = "{base_url}"
api_key_env = "PUT_OFF_KEY"
prices = {{ input_usd_per_million = 1, output_usd_per_million = 4 }}
breaker = {{ enabled = false }}

[routes.default]
models = ["main"]
attempts = 1
{route}

[budgets.all]
scope = "environment"
per_day_usd = 10
"""
PROMPT = """---
inputs:
  text: str
settings:
  max_tokens: 100
---
# user
{{ text }}
"""
LATER = 'then = ["later"]\nlater = { promise_seconds = 120, retry_seconds = 0.3 }'
A_SHORT_PROMISE = 'then = ["later", "review"]\nlater = { promise_seconds = 1, retry_seconds = 0.2 }'
REVIEW = 'then = ["review"]'


class Refund(BaseModel):
    """What is asked for."""

    amount: int


class Desk:
    """A project whose one model may be down, and what its workflow did."""

    def __init__(self, make_app: Callable[..., App], provider: SimulatedProvider) -> None:
        self.down = True
        self.acted: list[tuple[str, int]] = []
        self.provider = provider
        self._make_app = make_app
        provider.answers.rules.append(self._answer)

    def _answer(self, _received: Received) -> Any:
        return Unavailable() if self.down else Reply({"amount": 7})

    def app(self) -> App:
        """Another process of the same project."""
        app = self._make_app()
        ask = app.prompt("ask", output=Refund)

        @app.action(irreversible=True)
        async def pay(decision: Decision[Refund], *, key: str = "") -> str:
            self.acted.append((key, decision.value.amount))
            return "paid"

        @app.workflow
        async def refund(text: str) -> list[str]:
            answer = await ask(text=text)
            done = await pay(Decision.by_rule(answer, rule="small amounts"))
            return [answer.rung, str(answer.value.amount), done]

        @app.workflow
        async def careless(text: str) -> str:
            answer = await ask(text=text)
            return await pay(answer)

        return app


@pytest.fixture
def make_desk(
    tmp_path: Path, make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Desk]]:
    """Set up a project with this route."""
    monkeypatch.setenv("PUT_OFF_KEY", "made-up")
    with SimulatedProvider() as provider:

        def make(route: str) -> Desk:
            (tmp_path / "prompts" / "ask").mkdir(parents=True)
            (tmp_path / "prompts" / "ask" / "v1.md").write_text(PROMPT)
            settings = SETTINGS.format(base_url=provider.base_url, route=route)
            (tmp_path / "roadworthy.toml").write_text(settings)
            return Desk(make_app, provider)

        yield make


async def open_review(app: App, until: Callable[..., Awaitable[None]]) -> Any:
    """The one item that waits for a person, once there is one."""

    async def there() -> bool:
        return bool(await app.reviews.open_items())

    await until(there, seconds=60)
    (item,) = await app.reviews.open_items()
    return item


async def calls_of(app: App, handle: Any) -> list[tuple[str, str]]:
    """Status and rung of the calls of a run."""
    found = await app.database.read(lambda tx: store.of_run(tx, handle.id))
    return [(one["status"], one["rung"]) for one in found]


async def waits(handle: Any, until: Callable[..., Awaitable[None]], what: str) -> None:
    """Wait until a run waits for this."""

    async def there() -> bool:
        run = await handle.run()
        return run.status == "waiting" and str(run.waiting_for).startswith(what)

    await until(there, seconds=60)


async def test_a_call_for_later_is_answered_when_the_provider_is_back(make_desk, until):
    """Meanwhile the run is held by no process; each try is on record, and the step's work is done once."""
    desk = make_desk(LATER)
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"text": "A parcel is lost."})
        await until(lambda: desk.provider.count >= 2, seconds=60)
        await waits(handle, until, "")
        assert app._worker is not None
        await until(lambda: not app._worker.executor.active, seconds=60)
        desk.down = False
        assert await handle.result(timeout_seconds=60) == ["main", "7", "paid"]
        calls = await calls_of(app, handle)
    assert len(calls) >= 3
    assert calls[-1] == ("succeeded", "main")
    assert set(calls[:-1]) == {("put_off", "later")}
    assert [amount for _, amount in desk.acted] == [7]


async def test_a_call_for_later_is_answered_after_a_restart(make_desk, until):
    """The process that asked is gone; another one asks again when it is time."""
    desk = make_desk(LATER)
    first = desk.app()
    async with first.running():
        handle = await first.runs.start("refund", {"text": "A parcel is lost."})
        await waits(handle, until, "")
    desk.down = False
    second = desk.app()
    async with second.running():
        run, result = await second.runs.outcome(handle.id, timeout_seconds=60)
    assert run.status == "succeeded"
    assert result == ["main", "7", "paid"]
    assert len(desk.acted) == 1


async def test_when_the_promise_ends_a_person_is_asked(make_desk, until):
    """`later` gives up at the time that was promised, and the next rung has its turn."""
    desk = make_desk(A_SHORT_PROMISE)
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"text": "A parcel is lost."})
        item = await open_review(app, until)
        calls = await calls_of(app, handle)
        assert calls[-1] == ("put_off", "review")
        assert set(calls[:-1]) == {("put_off", "later")}
        assert len(calls) >= 2
        await app.reviews.answer(item.id, {"amount": 3}, "maria")
        assert await handle.result(timeout_seconds=60) == ["review", "3", "paid"]


async def test_a_persons_answer_lets_the_run_go_on(make_desk, until):
    """It has the declared type, its rung says where it came from, and it costs nothing."""
    desk = make_desk(REVIEW)
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"text": "A parcel is lost."})
        item = await open_review(app, until)
        await waits(handle, until, "signal:review")
        assert (item.workflow, item.prompt_id, item.run_id) == ("refund", "ask", handle.id)
        await app.reviews.answer(item.id, {"amount": 5}, "maria", "As agreed.")
        assert await handle.result(timeout_seconds=60) == ["review", "5", "paid"]
        assert await calls_of(app, handle) == [("put_off", "review")]
    assert [amount for _, amount in desk.acted] == [5]
    assert desk.provider.count == 1


async def test_a_person_who_declines_fails_the_run(make_desk, until):
    """The failure says that a person was needed; nothing was done."""
    desk = make_desk(REVIEW)
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"text": "A parcel is lost."})
        item = await open_review(app, until)
        await app.reviews.decline(item.id, "maria", "Nobody can know that.")
        with pytest.raises(StepFailed) as failed:
            await handle.result(timeout_seconds=60)
    assert failed.value.kind == "needs_person"
    assert desk.acted == []


async def test_a_run_that_waits_for_a_person_outlives_its_process(make_desk, until):
    """The answer is given while no process works; the next one goes on with it, and asks no model again."""
    desk = make_desk(REVIEW)
    first = desk.app()
    async with first.running():
        handle = await first.runs.start("refund", {"text": "A parcel is lost."})
        item = await open_review(first, until)
    office = desk.app()
    async with office.running(work=False):
        await office.reviews.answer(item.id, {"amount": 9}, "maria")
    desk.down = False
    second = desk.app()
    async with second.running():
        run, result = await second.runs.outcome(handle.id, timeout_seconds=60)
    assert run.status == "succeeded"
    assert result == ["review", "9", "paid"]
    assert (len(desk.acted), desk.provider.count) == (1, 1)


async def test_an_irreversible_action_takes_no_answer_of_a_person_as_it_is(make_desk, until):
    """What a person typed is an answer like any other: a decision has to stand behind the act."""
    desk = make_desk(REVIEW)
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("careless", {"text": "A parcel is lost."})
        item = await open_review(app, until)
        await app.reviews.answer(item.id, {"amount": 1_000_000}, "maria")
        with pytest.raises(RoadworthyError, match="was given an Answer"):
            await handle.result(timeout_seconds=60)
    assert desk.acted == []
