"""What ten thousand waiting runs cost: processor time of an idle worker with none and with 10,000 of them.

Some runs are really started and leave the process while they wait for a signal; their rows are then copied
until there are 10,000 (a waiting run is only rows: no process, thread or timer belongs to it). The worker is
watched for some seconds before and after, and in the end one of the runs gets its signal and finishes.

    python benchmarks/waiting.py [--quick]
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

WAITING = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="watches for a shorter time; done within 50 s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "roadworthy.toml").write_text(
            '[project]\nname = "waiting"\n[workers]\npark_after_seconds = 0.01\nconcurrency = 50\n'
        )
        asyncio.run(measure(folder, seconds=8 if arguments.quick else 30, really=100))


async def measure(folder: str, *, seconds: float, really: int) -> None:
    from roadworthy import App, RunStatus
    from roadworthy.workflows import Filter

    app = App.load(folder)

    @app.workflow
    async def patient(number: int) -> Any:
        """Wait for a signal; the number only tells the runs apart."""
        assert number >= 0
        return await app.wait_for_signal("go")

    async with app.running():
        await (await started(app, patient, 0, "warm up")).result()
        empty = await idle_cpu(seconds)
        runs = [await app.start(patient, number) for number in range(really)]
        waiting = Filter(status=(RunStatus.WAITING,))
        while (await app.runs.count(waiting)).get(RunStatus.WAITING, 0) < really:
            await asyncio.sleep(0.1)
        await app.database.write(lambda tx: copy_rows(tx, WAITING - really))
        total = (await app.runs.count(waiting))[RunStatus.WAITING]
        full = await idle_cpu(seconds)
        began = time.perf_counter()
        await app.runs.signal(runs[-1].id, "go", "now")
        assert await runs[-1].result(timeout_seconds=30) == "now"
        wake_seconds = time.perf_counter() - began
    print(f"processor time of an idle worker, ms per second: {empty * 1000:.2f} with no run waiting,")
    print(f"{full * 1000:.2f} with {total:,}; a signalled run finished after {wake_seconds * 1000:.0f} ms")
    figures = {
        "waiting_runs": total,
        "idle_cpu_ms_per_second": round(empty * 1000, 2),
        "waiting_cpu_ms_per_second": round(full * 1000, 2),
        "cpu_ms_per_second_for_all_waiting_runs": round((full - empty) * 1000, 2),
        "wake_ms": round(wake_seconds * 1000),
    }
    print(json.dumps(figures))


async def started(app: Any, workflow: Any, number: int, signal: str) -> Any:
    handle = await app.start(workflow, number)
    await app.runs.signal(handle.id, "go", signal)
    return handle


async def idle_cpu(seconds: float) -> float:
    """Share of one processor that this process uses while nothing happens."""
    await asyncio.sleep(2)
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - cpu) / (time.perf_counter() - began)


def copy_rows(tx: sa.Connection, wanted: int) -> None:
    """More waiting runs in the image of those that are there, with their steps."""
    from roadworthy.db.tables.workflows import run_payloads, runs, step_payloads, steps

    originals = tx.execute(sa.select(runs.c.id).where(runs.c.status == "waiting")).scalars().all()
    for number in range(wanted):
        source, suffix = originals[number % len(originals)], f"x{number:05d}"
        for table, own, links in (
            (runs, "id", ()),
            (run_payloads, "run_id", ()),
            (steps, "id", ("run_id",)),
            (step_payloads, "step_id", ("run_id",)),
        ):
            of_run = table.c.id if table is runs else table.c.run_id
            changed = {own, *links}
            columns = [
                (column + suffix).label(column.name) if column.name in changed else column
                for column in table.c
            ]
            tx.execute(
                sa.insert(table).from_select(
                    [c.name for c in table.c], sa.select(*columns).where(of_run == source)
                )
            )


if __name__ == "__main__":
    main()
