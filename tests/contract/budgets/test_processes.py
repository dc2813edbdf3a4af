"""Several real processes against the same limits: nothing is passed, nothing is lost, on both databases."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.budgets import Amount, Key, store
from roadworthy.db import Database
from roadworthy.db.tables.budgets import budget_accounts, reservations

pytestmark = pytest.mark.slow  # starts processes

PROGRAM = Path(__file__).parent / "spender.py"
PROCESSES = 3
REQUESTS = 170
"""Of each process: 510 at once in all."""


def _program() -> Any:
    spec = importlib.util.spec_from_file_location("spender", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


spender = _program()


@pytest.fixture
def database(fresh_database_url: str) -> Iterator[Database]:
    """An open database."""
    opened = Database(fresh_database_url)
    yield opened
    opened.close()


@pytest.fixture
def start(fresh_database_url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(PROGRAM), fresh_database_url, *(str(word) for word in words)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def standing(database: Database, key: Key) -> tuple[int, ...]:
    """Spent and reserved money, spent and reserved tokens."""
    columns = ("spent_micro_usd", "reserved_micro_usd", "spent_tokens", "reserved_tokens")
    query = sa.select(*(budget_accounts.c[name] for name in columns)).where(
        *(budget_accounts.c[name] == value for name, value in key._asdict().items())
    )
    return tuple(database.read_now(lambda tx: tx.execute(query).one()))


def left(database: Database) -> int:
    """How many reservations there are."""
    return database.read_now(
        lambda tx: tx.execute(sa.select(sa.func.count()).select_from(reservations)).scalar()
    )


def charge_expired(database: Database, now_ms: int) -> list[str]:
    """Settle what has expired as spent, as every worker does from time to time."""

    def work(tx: sa.Connection) -> list[str]:
        over = [one for one in store.expired(tx, now_ms, 10) if spender.settle(tx, one, one.amount)]
        return [one.id for one in over]

    return database.write_now(work)


def test_many_requests_of_three_processes_never_pass_a_limit(database, start):
    """Not by a micro-dollar or a token at any moment, and in the end every account shows what was spent.

    Each process looks at the books in the very transaction that sets an amount aside.
    """
    processes = [start("spend", f"p{number}", REQUESTS) for number in range(PROCESSES)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    with ThreadPoolExecutor(PROCESSES) as threads:
        results = [json.loads(out) for out, _ in threads.map(lambda one: one.communicate(), processes)]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert database.read_now(spender.overshoot) <= 0
    spent = [one for done in results for one in done if one[1] >= 0]
    assert 0 < len(spent) < PROCESSES * REQUESTS  # some passed, and some found no room
    assert standing(database, spender.EVERYTHING.key)[:2] == (sum(one[1] for one in spent), 0)
    for name, account in spender.TENANT.items():
        assert standing(database, account.key)[2:] == (sum(one[2] for one in spent if one[0] == name), 0)
    assert left(database) == 0


def test_what_a_killed_process_had_set_aside_counts_as_spent_when_it_expires(database, start):
    """Not before, and only once."""
    process = start("die", "p")
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    keys = [spender.EVERYTHING.key, spender.TENANT["acme"].key]
    assert charge_expired(database, spender.EXPIRES_AT - 1) == []
    assert [standing(database, key) for key in keys] == [(0, 700, 0, 300)] * 2
    assert charge_expired(database, spender.EXPIRES_AT) == ["hold_p"]
    assert charge_expired(database, spender.EXPIRES_AT) == []
    assert [standing(database, key) for key in keys] == [(700, 0, 300, 0)] * 2
    assert left(database) == 0


def test_a_request_that_ends_as_it_expires_is_settled_once(database, fresh_database_url):
    """By its own process or by whoever charges what has expired, never by both."""
    several = [Database(fresh_database_url) for _ in range(4)]
    spent = Amount(3, 2)
    own = expired = 0
    try:
        with ThreadPoolExecutor(len(several)) as threads:
            for number in range(20):
                made = spender.reservation(f"r{number}", "acme", Amount(7, 5), 10)
                accounts = (spender.EVERYTHING, spender.TENANT["acme"])
                assert database.write_now(lambda tx, made=made, of=accounts: spender.admit(tx, made, of))
                together = Barrier(len(several))

                def end(one: Database, made: Any = made, together: Barrier = together) -> bool:
                    together.wait()
                    return one.write_now(lambda tx: spender.settle(tx, made, spent))

                def charge(one: Database, together: Barrier = together) -> list[str]:
                    together.wait()
                    return charge_expired(one, 10)

                ends = [threads.submit(end, one) for one in several[:2]]
                charges = [threads.submit(charge, one) for one in several[2:]]
                by_itself = sum(one.result() for one in ends)
                by_others = sum(len(one.result()) for one in charges)
                assert by_itself + by_others == 1
                own, expired = own + by_itself, expired + by_others
    finally:
        for one in several:
            one.close()
    assert own + expired == 20
    total = (own * 3 + expired * 7, 0, own * 2 + expired * 5, 0)
    assert standing(database, spender.EVERYTHING.key) == total
    assert left(database) == 0


def test_a_limit_that_is_used_up_exactly_refuses_exactly_the_rest(database, fresh_database_url):
    """Of many that ask at once for equal parts, as many get one as there are; no room is wasted."""
    count, size = 60, 400
    room = spender.LIMIT_MICRO_USD // size
    several = [Database(fresh_database_url) for _ in range(4)]
    try:
        with ThreadPoolExecutor(len(several)) as threads:

            def ask(number: int) -> bool:
                made = spender.reservation(f"q{number}", spender.TENANTS[number % 2], Amount(size, 1), 10)
                accounts = (spender.EVERYTHING, spender.TENANT[spender.TENANTS[number % 2]])
                one = several[number % len(several)]
                return one.write_now(lambda tx: spender.admit(tx, made, accounts))

            granted = sum(threads.map(ask, range(count)))
    finally:
        for one in several:
            one.close()
    assert granted == room
    assert left(database) == room
    assert standing(database, spender.EVERYTHING.key) == (0, room * size, 0, room)
