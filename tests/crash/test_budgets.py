"""Five hundred calls at once over three processes against one limit, through the whole pipeline.

The provider bills on its own, in a ledger; prices times its ledger is what was really spent. It fails now and
then, so that there are retries and requests of which nobody knows whether they are billed.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy import App
from roadworthy.db import Database
from roadworthy.db.tables.budgets import budget_accounts, reservations
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.records import SystemClock, Usage
from roadworthy.testing import FakeClock
from roadworthy.testing.simulated import (
    Received,
    Reply,
    ResetConnection,
    ServerError,
    SimulatedProvider,
    sometimes,
)

pytestmark = pytest.mark.slow  # starts processes

PROJECT = Path(__file__).parent / "spending"
PROCESSES = 3
CALLS = 167
"""Of each process at once: 501 in all."""
ROUNDS = int(os.environ.get("ROADWORTHY_BUDGET_ROUNDS", "2"))
LIMIT_MICRO_USD = 23_700
"""Room for some 250 calls at the most that they may cost."""
INPUT_USD, OUTPUT_USD = Decimal("0.15"), Decimal("0.6")
"""For a million tokens, and so micro-dollars for one."""
AN_HOUR_MS = 3_600_000


def costly(received: Received) -> Reply:
    """An answer that costs between a third of what was set aside for it and nearly all of it."""
    chance = random.Random(received.number)
    read = sum(len(text.encode()) for _, text in received.messages)
    written = received.body.get("max_completion_tokens") or received.body["max_tokens"]
    share = chance.uniform(1 / 3, 1)
    usage = Usage(int(read * share), int(written * share))
    return Reply("It is on its way.", usage=usage, latency_seconds=chance.uniform(0, 0.05))


def slow(received: Received) -> Reply:
    """The same, but it takes a while."""
    reply = costly(received)
    return Reply(reply.content, usage=reply.usage, latency_seconds=1)


class Street:
    """A provider with a ledger, a database, and processes that spend."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.ledger = folder / "ledger.jsonl"
        self.ledger.touch()
        self.provider = SimulatedProvider(
            rules=[
                sometimes(ServerError(), share=0.04),
                sometimes(ResetConnection(when="during"), share=0.03, seed=1),
                costly,
            ],
            ledger_path=self.ledger,
        )
        self.database = Database(url)
        self.processes: list[subprocess.Popen[str]] = []
        self._billed = 0

    @property
    def environment(self) -> dict[str, str]:
        """Where the processes find database and provider."""
        return {
            **os.environ,
            "SPENDING_KEY": "made-up",
            "ROADWORTHY__DATABASE__URL": self.url,
            "ROADWORTHY__MODELS__MAIN__BASE_URL": self.provider.base_url,
        }

    async def start(self, count: int = CALLS) -> None:
        """Start the processes, and wait until each is ready."""
        for _ in range(PROCESSES):
            self.processes.append(self._process(count))
        lines = await asyncio.gather(*(asyncio.to_thread(one.stdout.readline) for one in self.processes))
        assert lines == ["ready\n"] * PROCESSES

    def go(self, tenant: str, *processes: "subprocess.Popen[str]") -> "list[asyncio.Future[str]]":
        """Let processes make their calls for a tenant; the line of each comes when all of them are over."""
        for process in processes:
            process.stdin.write(f"{tenant}\n")
            process.stdin.flush()
        return [asyncio.ensure_future(asyncio.to_thread(one.stdout.readline)) for one in processes]

    async def account(self, tenant: str) -> tuple[int, int]:
        """Micro-dollars spent and set aside."""
        columns = (budget_accounts.c.spent_micro_usd, budget_accounts.c.reserved_micro_usd)
        query = sa.select(*columns).where(
            budget_accounts.c.budget == "tenants", budget_accounts.c.subject == tenant
        )
        row = await self.database.read(lambda tx: tx.execute(query).one_or_none())
        return (0, 0) if row is None else (row[0], row[1])

    async def rows(self, query: "sa.Select[Any]") -> list[Any]:
        """What is on record."""
        return await self.database.read(lambda tx: list(tx.execute(query)))

    def billed_micro_usd(self) -> Decimal:
        """What the provider charges for what came since this was asked the last time."""
        entries = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        fresh, self._billed = entries[self._billed :], len(entries)
        return sum(
            (one["input_tokens"] * INPUT_USD + one["output_tokens"] * OUTPUT_USD for one in fresh), Decimal(0)
        )

    def _process(self, count: int) -> "subprocess.Popen[str]":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "spend.py", str(count)]
        return subprocess.Popen(command, cwd=PROJECT, env=self.environment, **pipes)

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            process.kill()
            process.communicate()
        self.database.close()


@pytest.fixture
def street(fresh_database_url: str, tmp_path: Path) -> Iterator[Street]:
    """A street on each kind of database."""
    made = Street(fresh_database_url, tmp_path)
    with made.provider:
        yield made
        made.close()


@pytest.fixture
async def later(street: Street, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Any]]:
    """Another process, whose clock is an hour ahead: for it, what the dead had set aside has expired."""
    for name, value in street.environment.items():
        monkeypatch.setenv(name, value)
    app = App.load(PROJECT, clock=FakeClock(SystemClock().now_ms() + AN_HOUR_MS))
    async with app.running(work=False):
        yield app.pipeline.admissions.expire


async def test_no_limit_is_passed_by_calls_of_several_processes(street):
    """Not by a micro-dollar: neither at the provider nor in the books, at no moment; nothing stays set aside.

    Who is refused is told why, and what was spent is what the records of the calls say.
    """
    await street.start()
    for number in range(ROUNDS):
        tenant = f"round-{number}"
        going = asyncio.gather(*street.go(tenant, *street.processes))
        most = 0
        while not going.done():
            most = max(most, sum(await street.account(tenant)))
            await asyncio.sleep(0.02)
        outcomes: Counter[str] = Counter()
        seconds = 0.0
        for line in await going:
            said = json.loads(line)
            seconds = max(seconds, said.pop("seconds"))
            outcomes.update(said)
        spent, reserved = await street.account(tenant)
        billed = street.billed_micro_usd()
        sys.stdout.write(f"\n{tenant}: {seconds:.2f} s, {dict(outcomes)}, billed {billed}, spent {spent}")
        assert billed <= spent <= most <= LIMIT_MICRO_USD
        assert reserved == 0
        assert await street.rows(sa.select(reservations)) == []
        assert sum(outcomes.values()) == PROCESSES * CALLS
        assert set(outcomes) <= {"answered", "budget_spent", "provider_error"}
        assert outcomes["answered"] > 150
        assert outcomes["budget_spent"] > 50
        its = await street.rows(sa.select(calls).where(calls.c.tenant == tenant))
        assert len(its) == PROCESSES * CALLS
        assert sum(one.cost_micro_usd for one in its) == spent
        assert {one.error_kind for one in its if one.status == "failed" and not one.attempts} == {
            "budget_spent"
        }


async def test_what_a_killed_process_had_under_way_is_charged_when_it_expires(street, later):
    """The others go on; the dead one's requests count as spent, once, and are on record as lost."""
    street.provider.answers.rules[:] = [slow]
    await street.start()
    victim, *survivors = street.processes
    lines = street.go("acme", victim)
    await street.provider.arrived(20, timeout_seconds=120)
    lines += street.go("acme", *survivors)
    await street.provider.arrived(70, timeout_seconds=120)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    dead, *others = await asyncio.gather(*lines)
    assert dead == ""
    outcomes = sum((Counter(json.loads(one)) for one in others), Counter())
    assert outcomes["answered"] + outcomes["budget_spent"] == 2 * CALLS

    under_way = await street.rows(sa.select(reservations))
    spent, reserved = await street.account("acme")
    assert under_way
    assert reserved == sum(one.micro_usd for one in under_way) > 0
    assert spent + reserved <= LIMIT_MICRO_USD
    assert await later() == len(under_way)
    assert await later() == 0

    in_the_end, reserved = await street.account("acme")
    assert (in_the_end, reserved) == (spent + sum(one.micro_usd for one in under_way), 0)
    assert street.billed_micro_usd() <= in_the_end <= LIMIT_MICRO_USD
    assert await street.rows(sa.select(reservations)) == []
    lost = await street.rows(sa.select(call_attempts).where(call_attempts.c.status == "lost"))
    assert {(one.call_id, one.number, one.cost_micro_usd) for one in lost} == {
        (one.call_id, one.number, one.micro_usd) for one in under_way
    }
    its = await street.rows(sa.select(calls).where(calls.c.id.in_([one.call_id for one in under_way])))
    assert {(one.status, one.tenant, one.cost_known) for one in its} == {("lost", "acme", False)}
    assert sum(one.cost_micro_usd for one in await street.rows(sa.select(calls))) == in_the_end
