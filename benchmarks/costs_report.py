"""How long reports of costs take over many calls, from the calls themselves and from hours that are added up.

Calls of 30 days are put into SQLite (or the database that is named) as the pipeline keeps them: of seven
workflows, 25 tenants and two models, three to a run, a tenth of them asked twice. Then each report is made
from the calls, the hours are added up as a worker does it, and each is made again, and must say the same.

    python benchmarks/costs_report.py [--quick] [--calls N] [--url DATABASE]
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median
from typing import Any

import sqlalchemy as sa

from roadworthy.db import Database, upgrade
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.rollups import call_hours, rolled_up
from roadworthy.monitoring import Dimension, Filter, Query, RollUps, costs, latencies
from roadworthy.monitoring.history import histories
from roadworthy.records import SystemClock

DAY_MS = 86_400_000
DAYS, AT_ONCE = 30, 5_000
WHERE = Filter(environment="production")
Report = Callable[[sa.Connection], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 calls; done within 50 s")
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--url", help="an empty database; left out, an SQLite file that is deleted")
    given = parser.parse_args()
    count, rounds = (50_000, 1) if given.quick else (given.calls, 3)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(given.url or f"sqlite:///{folder}/costs.db")
        try:
            upgrade(database)
            print(json.dumps(measure(database, count, rounds)))
        finally:
            database.close()


def measure(database: Database, count: int, rounds: int) -> dict[str, float]:
    """Fill the database, and time every report before and after the hours are added up."""
    now_ms = SystemClock().now_ms()
    fill(database, count, now_ms - DAYS * DAY_MS, now_ms)
    reports = asked(now_ms)
    before = {name: timed(database, report, rounds) for name, report in reports.items()}
    longest, total = asyncio.run(add_up(database))
    stored = database.read_now(
        lambda tx: tx.execute(sa.select(sa.func.count()).select_from(call_hours)).scalar()
    )
    print(f"{count:,} calls of {DAYS} days, {stored:,} rows of hours, added up in {total:.1f} s")
    print(f"the longest transaction of that took {longest * 1000:.0f} ms")
    print(f"{'':24}{'calls':>9}{'hours':>9}   seconds")
    summary: dict[str, float] = {"calls": count, "rows": stored or 0, "add_up_seconds": round(total, 2)}
    summary["longest_write_seconds"] = round(longest, 3)
    for name, report in reports.items():
        (slow, old), (fast, new) = before[name], timed(database, report, rounds)
        assert old == new, f"{name} differs"
        print(f"{name:24}{slow:>9.3f}{fast:>9.3f}")
        summary |= {f"{name}_raw_seconds": round(slow, 3), f"{name}_seconds": round(fast, 3)}
        summary[f"{name}_ratio"] = round(slow / fast, 1)
    return summary


def asked(now_ms: int) -> dict[str, Report]:
    """The reports, by name."""

    def by(*names: str, timezone: str = "UTC", most: int | None = None) -> Report:
        dimensions = tuple(map(Dimension, names))
        query = Query(now_ms - DAYS * DAY_MS + 1, now_ms, dimensions, WHERE, timezone)
        return lambda tx: costs(tx, query, most)

    over_time = Query(now_ms - DAYS * DAY_MS + 1, now_ms, (Dimension.WORKFLOW,), WHERE)
    return {
        "workflow_tenant": by("workflow", "tenant"),
        "model_day": by("model", "day"),
        "day_kathmandu": by("day", timezone="Asia/Kathmandu"),
        "latency": lambda tx: latencies(tx, over_time),
        "expectation": lambda tx: histories(tx, WHERE, "UTC", now_ms),
        "run": by("run"),
        "run_first_50": by("run", most=50),
    }


def timed(database: Database, report: Report, rounds: int) -> tuple[float, Any]:
    """The median of the seconds that a report takes, and what it says."""
    taken: list[float] = []
    found: Any = None
    for _ in range(rounds):
        began = time.perf_counter()
        found = database.read_now(report)
        taken.append(time.perf_counter() - began)
    return median(taken), found


async def add_up(database: Database) -> tuple[float, float]:
    """As a worker would: the longest transaction, and all of them, in seconds."""
    rollups, longest, began = RollUps(database, SystemClock()), 0.0, time.perf_counter()
    done = False
    while not done:
        one = time.perf_counter()
        done = await rollups.keep_up(0)
        longest = max(longest, time.perf_counter() - one)
    assert await database.read(lambda tx: tx.execute(sa.select(rolled_up.c.rolled_until)).scalar_one())
    return longest, time.perf_counter() - began


def fill(database: Database, count: int, since_ms: int, until_ms: int) -> None:
    """Put calls and attempts into the database."""
    rows = made(count, since_ms, until_ms)
    while some := list(islice(rows, AT_ONCE)):
        tried = [attempt for _, attempts in some for attempt in attempts]

        def write(tx: sa.Connection, some: Any = some, tried: Any = tried) -> None:
            tx.execute(sa.insert(calls), [call for call, _ in some])
            tx.execute(sa.insert(call_attempts), tried)

        database.write_now(write)
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def made(count: int, since_ms: int, until_ms: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """So many calls with their attempts, in the order of time."""
    draw = random.Random(5)
    for number in range(count):
        at_ms = since_ms + (until_ms - since_ms) * number // count
        call_id, workflow, tenant = f"call_{number:09}", number % 7, int(25 * draw.random() ** 2)
        tries = 1 if draw.random() < 0.9 else 2
        attempts: list[dict[str, Any]] = [
            {
                "call_id": call_id,
                "number": attempt + 1,
                "reason": "first" if attempt == 0 else "fallback",
                "model": "small" if tries - attempt == 1 and workflow % 2 else "flagship",
                "provider": "openai",
                "status": "succeeded" if attempt == tries - 1 else "failed",
                "input_tokens": draw.randrange(100, 4_000),
                "output_tokens": draw.randrange(10, 400),
                "cache_read_tokens": draw.choice([0, 1_024]),
                "cost_micro_usd": draw.randrange(50, 20_000),
                "cost_source": "genai-prices" if draw.random() < 0.99 else "estimate of genai-prices",
                "saved_micro_usd": draw.choice([0, 900]),
                "started_at": at_ms,
                "finished_at": at_ms + 900,
            }
            for attempt in range(tries)
        ]
        names = ("input_tokens", "output_tokens", "cache_read_tokens", "cost_micro_usd")
        call: dict[str, Any] = {
            "id": call_id,
            "run_id": f"run_{number - number % 3:09}",
            "workflow": f"workflow_{workflow}",
            "step": f"step_{workflow % 3}",
            "environment": "production",
            "tenant": f"tenant-{tenant}",
            "user_id": f"user-{number % 5_000}",
            "prompt_id": f"prompt-{workflow}",
            "prompt_version": f"prompt-{workflow}@v1",
            "prompt_hash": "0" * 64,
            "route": "default",
            "status": "succeeded",
            "rung": attempts[-1]["model"],
            "provider": "openai",
            "attempts": tries,
            "cost_known": all(one["cost_source"] == "genai-prices" for one in attempts),
            "started_at": at_ms,
            "finished_at": at_ms + int(400 * 10 ** draw.gauss(0, 0.4)),
            **{name: sum(one[name] for one in attempts) for name in names},
        }
        yield call, attempts


if __name__ == "__main__":
    main()
