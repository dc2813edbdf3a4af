"""However a step that asks a model ends, or is kept from ending: what was set aside for it is settled."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy import App
from roadworthy.db.tables.budgets import budget_accounts, reservations
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.workflows import runs
from roadworthy.testing.simulated import Hang, Received, Reply, ServerError, SimulatedProvider, Unavailable

SETTINGS = """
[models.main]
provider = "openai-compatible"
model = "first-model"
base_url = "{base_url}"
api_key_env = "DESK_KEY"
prices = {{ input_usd_per_million = 1, output_usd_per_million = 4 }}
breaker = {{ enabled = false }}

[routes.default]
models = ["main"]
attempts = 2
backoff = {{ initial_seconds = 0.001, max_seconds = 0.002 }}
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
TAKEN_OVER = {"status": "queued", "worker_id": None, "claim": runs.c.claim + 1, "due_at": 1}
"""Of a run whose worker was taken for dead."""


class Street:
    """A project with a budget, and what its provider billed."""

    def __init__(self, provider: SimulatedProvider, ledger: Path, app: App) -> None:
        self.provider = provider
        self.app = app
        self._ledger = ledger
        ask = app.prompt("ask")

        @app.workflow
        async def answer(text: str) -> str:
            return (await ask(text=text)).value

        @app.step
        async def inside(text: str) -> str:
            return (await ask(text=text)).value

        @app.workflow
        async def in_a_step(text: str) -> str:
            return await inside(text)

    def at_the_first_request(self, happens: Callable[[], None]) -> None:
        """While the model answers for the first time, this happens; then it answers."""

        def answer(received: Received) -> Reply:
            if received.number == 1:
                happens()
            return Reply("Here.")

        self.provider.answers.rules.append(answer)

    def change(self, statement: Any) -> None:
        """Change the database from outside."""
        self.app.database.write_now(lambda tx: tx.execute(statement))

    async def rows(self, table: sa.Table) -> list[Any]:
        """A whole table."""
        return await self.app.database.read(lambda tx: list(tx.execute(sa.select(table))))

    async def reserved(self) -> int:
        """Micro-dollars that are set aside."""
        return sum(one.reserved_micro_usd for one in await self.rows(budget_accounts))

    async def nothing_under_way(self) -> bool:
        """Whether every request is settled."""
        return not await self.rows(reservations)

    async def books_balance(self, *, exactly: bool = True) -> None:
        """Nothing is set aside; what was spent is what is on record and was billed (or more)."""
        assert await self.nothing_under_way()
        assert await self.reserved() == 0
        spent = sum(one.spent_micro_usd for one in await self.rows(budget_accounts))
        assert sum(one.cost_micro_usd for one in await self.rows(call_attempts)) == spent
        assert sum(one.cost_micro_usd for one in await self.rows(calls)) == spent
        assert sum(one.cost_micro_usd for one in await self.rows(runs)) == spent
        entries = [json.loads(line) for line in self._ledger.read_text().splitlines()]
        billed = sum(one["input_tokens"] + 4 * one["output_tokens"] for one in entries)
        assert spent == billed if exactly else spent >= billed


@pytest.fixture
def make_street(
    tmp_path: Path, make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Street]]:
    """Set up a project with this route."""
    monkeypatch.setenv("DESK_KEY", "made-up")
    ledger = tmp_path / "ledger.jsonl"
    ledger.touch()
    with SimulatedProvider(ledger_path=ledger) as provider:

        def make(route: str = "", **settings: Any) -> Street:
            (tmp_path / "prompts" / "ask").mkdir(parents=True)
            (tmp_path / "prompts" / "ask" / "v1.md").write_text(PROMPT)
            settings_file = SETTINGS.format(base_url=provider.base_url, route=route)
            (tmp_path / "roadworthy.toml").write_text(settings_file)
            return Street(provider, ledger, make_app(**settings))

        yield make


async def test_an_answer_that_comes_after_the_run_was_taken_over_is_paid_for_at_once(make_street, until):
    """Nobody can take it, but it was billed: it is on record, and nothing waits until it expires."""
    street = make_street()
    street.at_the_first_request(lambda: street.change(sa.update(runs).values(**TAKEN_OVER)))
    async with street.app.running():
        handle = await street.app.runs.start("answer", {"text": "Where is it?"})
        assert await handle.result(timeout_seconds=60) == "Here."
        await until(street.nothing_under_way)
        await street.books_balance()
        assert Counter(one.status for one in await street.rows(calls)) == {"lost": 1, "succeeded": 1}
        assert {one.status for one in await street.rows(call_attempts)} == {"succeeded"}
        assert street.provider.count == 2


async def test_retries_of_a_run_that_was_taken_over_are_paid_for_too(make_street, until):
    """A failed request that cost nothing, and the answer after it."""
    street = make_street()
    street.provider.add(ServerError())

    def answer(received: Received) -> Reply:
        if received.number == 2:
            street.change(sa.update(runs).values(**TAKEN_OVER))
        return Reply("Here.")

    street.provider.answers.rules.append(answer)
    async with street.app.running():
        handle = await street.app.runs.start("answer", {"text": "Where is it?"})
        assert await handle.result(timeout_seconds=60) == "Here."
        await until(street.nothing_under_way)
        await street.books_balance()
        found = sorted((one.status, one.attempts) for one in await street.rows(calls))
        assert found == [("lost", 2), ("succeeded", 1)]


async def test_a_call_inside_a_step_of_a_run_that_was_taken_over_is_on_record_by_itself(make_street, until):
    """It is stored before its step ends, whoever holds the run."""
    street = make_street()
    street.at_the_first_request(lambda: street.change(sa.update(runs).values(**TAKEN_OVER)))
    async with street.app.running():
        handle = await street.app.runs.start("in_a_step", {"text": "Where is it?"})
        assert await handle.result(timeout_seconds=60) == "Here."
        await until(street.nothing_under_way)
        await street.books_balance()
        assert street.provider.count == 2


@pytest.mark.parametrize("workflow", ["answer", "in_a_step"])
async def test_an_answer_that_cannot_be_stored_is_paid_for_as_soon_as_the_database_takes_it(
    make_street, until, workflow
):
    """The run asks again, which the provider bills again; both are in the books, at what they cost."""
    street = make_street()
    away = "ALTER TABLE call_attempts RENAME TO away"
    street.at_the_first_request(lambda: street.change(sa.text(away)))
    async with street.app.running():
        handle = await street.app.runs.start(workflow, {"text": "Where is it?"})
        await street.provider.arrived(1, timeout_seconds=60)
        await until(lambda: street.app.pipeline.admissions.owes)
        street.change(sa.text("ALTER TABLE away RENAME TO call_attempts"))
        assert (await street.app.runs.finished(handle.id, timeout_seconds=60)).finished_at
        await street.app.pipeline.admissions.expire()
        await until(street.nothing_under_way)
        await street.books_balance()
        assert street.provider.count >= 1


@pytest.mark.parametrize("workflow", ["answer", "in_a_step"])
async def test_a_run_that_is_cancelled_while_the_model_answers(make_street, until, workflow):
    """The request may be billed all the same, and counts by its estimate from then on."""
    street = make_street()
    street.provider.answers.rules.append(lambda _received: Hang())
    async with street.app.running():
        handle = await street.app.runs.start(workflow, {"text": "Where is it?"})
        await street.provider.arrived(1, timeout_seconds=60)
        assert await street.reserved() > 0
        await street.app.runs.cancel(handle.id)
        assert (await street.app.runs.finished(handle.id, timeout_seconds=60)).status == "cancelled"
        await until(street.nothing_under_way)
        await street.books_balance(exactly=False)
        assert {one.status for one in await street.rows(calls)} == {"cancelled"}


async def test_a_worker_that_is_stopped_while_the_model_answers_leaves_nothing_set_aside(make_street):
    """Whoever goes on with the run asks anew; this request counts by its estimate."""
    street = make_street()
    street.provider.answers.rules.append(lambda _received: Hang())
    async with street.app.running(patience_seconds=0):
        await street.app.runs.start("answer", {"text": "Where is it?"})
        await street.provider.arrived(1, timeout_seconds=60)
    async with street.app.running(work=False):
        await street.books_balance(exactly=False)


@pytest.mark.parametrize(
    "route", ['then = ["later"]\nlater = { promise_seconds = 900, retry_seconds = 600 }', 'then = ["review"]']
)
async def test_a_run_that_waits_for_better_times_or_for_a_person_holds_nothing(make_street, until, route):
    """What its requests cost by then is settled."""
    street = make_street(route)
    street.provider.answers.rules.append(lambda _received: Unavailable())
    async with street.app.running():
        handle = await street.app.runs.start("answer", {"text": "Where is it?"})

        async def waits() -> bool:
            return (await handle.run()).status == "waiting"

        await until(waits, seconds=60)
        await street.books_balance()
        assert {one.status for one in await street.rows(calls)} == {"put_off"}
