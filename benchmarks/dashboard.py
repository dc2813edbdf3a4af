"""How long the dashboard's pages take on the server, with the records of a busy month behind them.

A database is filled with 100,000 runs, their steps and calls, 200 open reviews of 3,000, 20,000 entries of
the audit log, and the hours that a million calls come to. Then somebody who may see everything signs in over
a real socket and opens each page of the menu, as often as it takes. The figures are `total` of
`Server-Timing`: from when the request was taken to when the page was written. The first look at each page
reads what is kept then (of today for 15 seconds, of the days before for ten minutes), and is told by itself.

    python benchmarks/dashboard.py [--quick] [--postgres URL]
"""

import argparse
import asyncio
import json
import re
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2

from roadworthy import App, dashboard
from roadworthy.dashboard.navigation import MENU
from roadworthy.service import Server, Service
from variants import many_runs

RUNS, CALLS = 100_000, 1_000_000
GOAL_MS = 100.0
NOT_FOUND = 404
PROJECT = """
[project]
name = "busy-desk"
[models.small]
provider = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
model = "gpt-5-mini"
[routes.default]
models = ["small"]
[budgets.monthly]
scope = "environment"
per_month_usd = 15000
[budgets.tenants]
scope = "tenant"
per_day_usd = 50
"""
_TOTAL = re.compile(r"total;dur=([0-9.]+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests; done within 50 s")
    parser.add_argument("--postgres", metavar="URL", help="an empty database; left out, an SQLite file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "roadworthy.toml").write_text(PROJECT, encoding="utf-8")
        url = given.postgres or f"sqlite:///{folder}/dashboard.db"
        print(json.dumps(asyncio.run(measure(Path(folder), url, 8 if given.quick else 30))))


async def measure(folder: Path, url: str, requests: int) -> dict[str, Any]:
    """Fill the database, serve it, and open every page."""
    app = App.load(folder, overrides={"database.url": url, "service.port": 0})
    async with app.running(work=False):
        began = time.perf_counter()
        await asyncio.to_thread(many_runs.fill, app, RUNS, CALLS)
        print(f"{RUNS:,} runs and the hours of {CALLS:,} calls, in {time.perf_counter() - began:.0f} s")
        service = Service(app, works=False, more=dashboard.routers)
        async with Server(service, app.settings.service) as server:
            async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
                link = await app.access.first_link(many_runs.ME)
                assert link is not None, "the database is not empty"
                await client.post("/sign-in", data={"token": link.secret})
                pages = [entry.address for group in MENU for entry in group.entries]
                taken = {page: await ask(client, page, requests) for page in pages}
            service.end_streams()
    return summary({page: found for page, found in taken.items() if found})


async def ask(client: httpx2.AsyncClient, page: str, requests: int) -> list[float]:
    """Milliseconds of each request, the first one first; none where the menu is ahead of the pages."""
    taken: list[float] = []
    for _ in range(requests + 1):
        answer = await client.get(page)
        if answer.status_code == NOT_FOUND:
            return []
        answer.raise_for_status()
        found = _TOTAL.search(answer.headers["server-timing"])
        assert found is not None, page
        taken.append(float(found[1]))
    return taken


def summary(taken: dict[str, list[float]]) -> dict[str, Any]:
    """A table for people; the figures for programs."""
    print(f"{'milliseconds':16}{'first':>9}{'median':>9}{'p95':>9}")
    made: dict[str, Any] = {"runs": RUNS}
    middle = {page: median(found[1:]) for page, found in taken.items()}
    for page, (first, *others) in taken.items():
        p95 = quantiles(others, n=20, method="inclusive")[-1]
        print(f"{page:16}{first:>9.1f}{middle[page]:>9.1f}{p95:>9.1f}")
        made[f"{page.strip('/') or 'overview'}_ms_median"] = round(middle[page], 1)
    slowest = max(middle, key=lambda page: middle[page])
    made |= {"slowest_page": slowest, "slowest_page_ms_median": round(middle[slowest], 1)}
    return made | {"ratio_to_goal_100_ms": round(middle[slowest] / GOAL_MS, 2)}


if __name__ == "__main__":
    main()
