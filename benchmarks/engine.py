"""What durability costs: runs of five trivial steps with Roadworthy, the bare engine, and bare sqlite3.

Each variant runs in a process of its own, in turn, several rounds; the figures are medians of CPU and wall
time per run, one at a time and fifty at once. The bare engine is DBOS on SQLite in WAL mode or PostgreSQL;
the variant `sqlite3` is one commit a step. Roadworthy keeps step, attempt and payload rows of its own on top.

    python benchmarks/engine.py [--quick] [--postgres postgresql://user@host/name]
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STEPS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; done within 50 s")
    parser.add_argument("--postgres", default="", help="an empty database; left out when not given")
    parser.add_argument("--child", nargs=3, metavar=("VARIANT", "URL", "RUNS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        variant, url, runs = arguments.child
        print(json.dumps(CHILDREN[variant](url, int(runs))))
        return
    rounds, runs = (3, 60) if arguments.quick else (7, 200)
    results = {"sqlite": measure(["roadworthy", "engine", "sqlite3"], "", rounds, runs)}
    if arguments.postgres:
        results["postgres"] = measure(["roadworthy", "engine"], arguments.postgres, rounds, runs)
    report(results)


def measure(variants: list[str], url: str, rounds: int, runs: int) -> dict[str, dict[str, float]]:
    """Medians for each variant, taken in turn so that a noisy machine hits all alike."""
    taken: dict[str, list[dict[str, float]]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant in variants:
            with tempfile.TemporaryDirectory() as folder:
                address = url or f"sqlite:///{folder}/bench.db"
                command = [sys.executable, __file__, "--child", variant, address, str(runs)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                taken[variant].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        variant: {name: statistics.median(one[name] for one in many) for name in many[0]}
        for variant, many in taken.items()
    }


def report(results: dict[str, dict[str, dict[str, float]]]) -> None:
    summary: dict[str, float] = {}
    for database, variants in results.items():
        print(f"\n{database}: milliseconds per run of {STEPS} steps")
        print(f"{'':14}{'cpu, 1':>10}{'wall, 1':>10}{'cpu, 50':>10}{'wall, 50':>10}{'start':>10}")
        for variant, figures in variants.items():
            names = ("cpu_one", "wall_one", "cpu_many", "wall_many", "start_latency")
            print(f"{variant:14}" + "".join(f"{figures.get(name, 0) * 1000:10.2f}" for name in names))
        ours = variants["roadworthy"]
        suffix = "" if database == "sqlite" else f"_{database}"
        for peer, others in variants.items():
            if peer == "roadworthy":
                continue
            name = "bare_engine" if peer == "engine" else peer
            for how, key in (("cpu_many", ""), ("cpu_one", "_one_at_a_time"), ("wall_many", "_wall")):
                summary[f"ratio_to_{name}{key}{suffix}"] = round(ours[how] / others[how], 3)
        summary[f"start_latency_ms{suffix}"] = round(ours["start_latency"] * 1000, 1)
    print(json.dumps(summary))


class Watch:
    """CPU time of this process and wall time, per run."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    def begin(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def end(self, name: str, runs: int) -> None:
        self.figures[f"cpu_{name}"] = (time.process_time() - self._cpu) / runs
        self.figures[f"wall_{name}"] = (time.perf_counter() - self._wall) / runs


def run_roadworthy(url: str, runs: int) -> dict[str, float]:
    from roadworthy import App

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "roadworthy.toml").write_text('[project]\nname = "bench"\n')
        app = App.load(folder, overrides={"database.url": url, "workers.concurrency": 50})

        @app.step
        async def trivial(number: int) -> int:
            return number

        @app.workflow
        async def five(first: int) -> int:
            total = 0
            for number in range(STEPS):
                total += await trivial(first + number)
            return total

        async def work() -> dict[str, float]:
            watch = Watch()
            if not url.startswith("sqlite"):
                from roadworthy.db import upgrade
                from roadworthy.workflows.engine import migrate

                upgrade(app.database)
                migrate(app.database)
            async with app.running():
                await (await app.start(five, 0)).result()
                latencies = []
                watch.begin()
                for number in range(runs // 4):
                    handle = await app.start(five, number)
                    await handle.result()
                    run = await handle.run()
                    latencies.append((run.started_at - run.created_at) / 1000)
                watch.end("one", runs // 4)
                watch.begin()
                gate = asyncio.Semaphore(50)

                async def one(number: int) -> None:
                    async with gate:
                        await (await app.start(five, number)).result()

                await asyncio.gather(*(one(number) for number in range(runs)))
                watch.end("many", runs)
            return {**watch.figures, "start_latency": statistics.median(latencies)}

        return asyncio.run(work())


def run_engine(url: str, runs: int) -> dict[str, float]:
    import logging

    import sqlalchemy as sa
    from dbos import DBOS

    from roadworthy.db.engines import register_clock_functions

    address = url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(address, pool_size=20)
    if url.startswith("sqlite"):

        def prepare(connection: sqlite3.Connection, _record: Any) -> None:
            connection.isolation_level = "IMMEDIATE"
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA busy_timeout=10000")
            register_clock_functions(connection)

        sa.event.listen(engine, "connect", prepare)

    async def work() -> dict[str, float]:
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS(
            config={
                "name": "bench-engine",
                "system_database_url": url,
                "system_database_engine": engine,
                "application_version": "1",
                "executor_id": f"bench-{time.time_ns()}",
                "log_level": "CRITICAL",
            }
        )

        @DBOS.step()
        async def trivial(number: int) -> int:
            return number

        @DBOS.workflow()
        async def five(first: int) -> int:
            total = 0
            for number in range(STEPS):
                total += await trivial(first + number)
            return total

        DBOS.launch()
        watch = Watch()
        await (await DBOS.start_workflow_async(five, 0)).get_result()
        watch.begin()
        for number in range(runs // 4):
            await (await DBOS.start_workflow_async(five, number)).get_result()
        watch.end("one", runs // 4)
        watch.begin()
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            async with gate:
                await (await DBOS.start_workflow_async(five, number)).get_result()

        await asyncio.gather(*(one(number) for number in range(runs)))
        watch.end("many", runs)
        return watch.figures

    figures = asyncio.run(work())
    DBOS.destroy()
    return figures


def run_sqlite3(url: str, runs: int) -> dict[str, float]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE steps (run INTEGER, step INTEGER, output TEXT, PRIMARY KEY (run, step))")
    watch = Watch()
    for name, count in (("one", runs // 4), ("many", runs)):
        watch.begin()
        for run in range(count):
            for step in range(STEPS):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "INSERT OR REPLACE INTO steps VALUES (?, ?, ?)", (run, step, json.dumps(step))
                )
                connection.execute("COMMIT")
        watch.end(name, count)
    return watch.figures


CHILDREN = {"roadworthy": run_roadworthy, "engine": run_engine, "sqlite3": run_sqlite3}

if __name__ == "__main__":
    main()
