"""Load with accidents: clients ask at the times of a real trace; workers are killed, all is restarted.

Two services behind a balancer and three workers, as processes, on PostgreSQL; a simulated provider over
HTTP, which takes as long and charges as much as the trace's tokens say. A client takes an address that is
ready, and asks again under the same idempotency key on connection errors, 502 and 503, as in production.
Meanwhile a worker is killed every minute, and once every process is restarted, one after the other.

In the end the books are compared: every request that was accepted is one run, which succeeded; every run has
one finished call and one sent answer; what was asked or sent again is on record as lost or cancelled; the
budget is what the records and the provider's ledger say, and nothing is left set aside. Memory is measured
every second; its slope is that of the longest life of a process of each kind, after a warm-up.

    python benchmarks/load.py [--quick] [--shared FOLDER] [--seconds N]
"""

import argparse
import asyncio
import csv
import gzip
import json
import os
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa

from roadworthy.db.tables.budgets import budget_accounts, reservations
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.workflows import attempts, runs
from variants.environment import BENCHMARKS
from variants.load_stack import Program, postgres, provider, write_project

SERVICES, WORKERS = 2, 3
MOST_TEXT_TOKENS, SECONDS_PER_TOKEN, MOST_SECONDS = 500, 0.01, 8.0
PATIENCE_SECONDS = 240
"""How long a client asks for an answer before the request counts as lost."""
OVER = {"succeeded", "skipped", "rejected", "dead", "cancelled", "parked"}
INPUT_MICRO_USD, OUTPUT_MICRO_USD = 1, 4
"""For a token."""


@dataclass(frozen=True)
class Plan:
    """How large and how long."""

    clients: int
    seconds: float
    kill_every_seconds: float
    restart_at_seconds: float
    drain_seconds: float
    patience: float
    """How long to wait in the end until what the killed had set aside has expired; 0: look from later on."""


@dataclass
class Request:
    """One of the trace."""

    number: int
    at: float
    """Seconds after the start."""
    input_tokens: int
    output_tokens: int

    @property
    def text(self) -> str:
        said = f"request {self.number} of {self.output_tokens} tokens. "
        return said.ljust(4 * min(self.input_tokens, MOST_TEXT_TOKENS), ".")


@dataclass
class Seen:
    """What the clients saw."""

    accept_seconds: list[float] = field(default_factory=list)
    overhead_seconds: list[float] = field(default_factory=list)
    """From the moment a request was due to its answer, less what the model took."""
    again: Counter[str] = field(default_factory=Counter)
    runs: dict[int, set[str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    late_seconds: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer clients, less time; done within 50 s")
    parser.add_argument("--seconds", type=float, help="how long clients ask")
    parser.add_argument("--shared", type=Path, default=BENCHMARKS.parent.parent / "shared")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it has started
    plan = Plan(50, 24, 8, 3, 1, 0) if options.quick else Plan(200, 600, 60, 270, 5, 210)
    if options.seconds:
        restart = min(plan.restart_at_seconds, 0.45 * options.seconds)
        plan = replace(plan, seconds=options.seconds, restart_at_seconds=restart)
    requests = trace(options.shared / "data" / "traffic" / "azure_conv.csv.gz", plan.seconds)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["ROADWORTHY__DATABASE__URL"] = stack.enter_context(postgres())
        os.environ["LOAD_KEY"] = "made-up"
        write_project(folder, stack.enter_context(provider(folder / "ledger.jsonl")), plan.drain_seconds)
        report(asyncio.run(Scenario(folder, plan, requests).play()))


def trace(path: Path, seconds: float) -> list[Request]:
    """The requests of so many seconds from the tenth minute on; made-up ones where the file is not."""
    if not path.exists():
        print(f"{path} is not there: arrival times are made up.")
        chance, at, made = random.Random(1), 0.0, []
        while (at := at + chance.expovariate(5.5)) < seconds:
            made.append(Request(len(made), at, int(chance.uniform(50, 2000)), int(chance.uniform(10, 500))))
        return made
    with gzip.open(path, "rt") as file:
        rows = [
            (datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(), row) for row in csv.DictReader(file)
        ]
    start = rows[0][0] + 600
    chosen = [(at - start, row) for at, row in rows if 0 <= at - start < seconds]
    return [
        Request(number, at, int(row["ContextTokens"]), max(1, int(row["GeneratedTokens"])))
        for number, (at, row) in enumerate(chosen)
    ]


class Scenario:
    """The processes, the clients and the accidents."""

    def __init__(self, folder: Path, plan: Plan, requests: list[Request]) -> None:
        self.folder, self.plan, self.requests = folder, plan, requests
        self.services = [Program(f"service-{n}", ["serve", "--no-worker"], folder) for n in range(SERVICES)]
        self.workers = [Program(f"worker-{n}", ["worker"], folder) for n in range(WORKERS)]
        self.ready: set[str] = set()
        self.seen = Seen()
        self.kills = 0
        self.connections = 0
        self._accident = asyncio.Lock()
        self._began = time.monotonic()

    async def play(self) -> dict[str, Any]:
        from roadworthy import App
        from roadworthy.access import Grant, Principal, Role
        from roadworthy.db import upgrade
        from roadworthy.workflows.engine import migrate

        app = App.load(self.folder)
        upgrade(app.database)
        migrate(app.database)
        me = Principal.terminal("load")
        _, secret = await app.access.create_key(me, "load", grants=(Grant(Role.SERVICE), Grant(Role.VIEWER)))
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=self.plan.clients)
        headers = {"authorization": f"Bearer {secret}"}
        try:
            async with httpx2.AsyncClient(
                headers=headers, limits=limits, timeout=30, trust_env=False
            ) as http:
                await self._start(http)
                watching = [asyncio.create_task(self._watch(http)), asyncio.create_task(self._measure(app))]
                try:
                    await self._load(http)
                    self._say("every client is done")
                    await self._settled(app)
                    self._say("nothing is open any more")
                finally:
                    for task in watching:
                        task.cancel()
                    await asyncio.gather(*watching, return_exceptions=True)
                await asyncio.gather(*(program.stop() for program in (*self.services, *self.workers)))
        finally:
            for program in (*self.services, *self.workers):
                if program.process is not None and program.process.poll() is None:
                    program.kill()
        figures = await asyncio.to_thread(app.database.read_now, self._books)
        app.database.close()
        return {**self._told(), **figures}

    async def _start(self, http: httpx2.AsyncClient) -> None:
        for program in (*self.services, *self.workers):
            program.start()
        await asyncio.gather(*(program.ready(http) for program in (*self.services, *self.workers)))
        self.ready = {service.url for service in self.services}
        self._say("all processes are ready")

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:5.0f} s  {what}", flush=True)

    # What the clients do

    async def _load(self, http: httpx2.AsyncClient) -> None:
        began, waiting = time.monotonic(), iter(self.requests)

        async def client() -> None:
            for request in waiting:
                await asyncio.sleep(max(0.0, began + request.at - time.monotonic()))
                self.seen.late_seconds = max(self.seen.late_seconds, time.monotonic() - began - request.at)
                await self._ask(http, request, began + request.at)

        accidents = [asyncio.create_task(one) for one in (self._kill(http), self._restart(http))]
        try:
            await asyncio.gather(*(client() for _ in range(self.plan.clients)))
        finally:
            await asyncio.gather(*accidents)

    async def _ask(self, http: httpx2.AsyncClient, request: Request, due: float) -> None:
        body = {"input": {"number": request.number, "text": request.text}}
        headers = {"idempotency-key": f"load-{request.number}"}
        until, began = due + PATIENCE_SECONDS, time.monotonic()
        run = await self._send(http, until, "POST", "/v1/workflows/answer/runs", json=body, headers=headers)
        self.seen.accept_seconds.append(time.monotonic() - began)
        while run is not None:
            self.seen.runs.setdefault(request.number, set()).add(run["id"])
            if run["status"] in OVER:
                took = min(request.output_tokens * SECONDS_PER_TOKEN, MOST_SECONDS)
                self.seen.overhead_seconds.append(time.monotonic() - due - took)
                self.seen.statuses[run["status"]] += 1
                return
            run = await self._send(http, until, "GET", f"/v1/runs/{run['id']}?wait=20")
        self.seen.lost.append(f"request {request.number}")

    async def _send(
        self, http: httpx2.AsyncClient, until: float, method: str, path: str, **options: Any
    ) -> dict[str, Any] | None:
        while time.monotonic() < until:
            try:
                url = random.choice(sorted(self.ready))
                response = await http.request(method, url + path, **options)
                if response.status_code in (200, 201):
                    return response.json()
                why = str(response.status_code)
                if response.status_code not in (502, 503):
                    self.seen.lost.append(f"{method} {path}: {why} {response.text[:200]}")
                    return None
            except IndexError:
                why = "nobody ready"
            except httpx2.TransportError as error:
                why = type(error).__name__
            self.seen.again[f"{method} {why}"] += 1
            await asyncio.sleep(random.uniform(0.1, 0.3))  # spreads load
        return None

    async def _watch(self, http: httpx2.AsyncClient) -> None:
        """What a balancer does."""
        while True:
            for service in self.services:
                try:
                    is_ready = (await http.get(f"{service.url}/readyz", timeout=3)).status_code == 200
                except httpx2.TransportError:
                    is_ready = False
                (self.ready.add if is_ready else self.ready.discard)(service.url)
            await asyncio.sleep(0.5)

    # What goes wrong

    async def _kill(self, http: httpx2.AsyncClient) -> None:
        began = time.monotonic()
        for number in range(1, int(self.plan.seconds // self.plan.kill_every_seconds) + 1):
            await asyncio.sleep(max(0.0, began + number * self.plan.kill_every_seconds - time.monotonic()))
            async with self._accident:  # a restart of all keeps two workers
                worker = self.workers[number % WORKERS]
                self._say(f"{worker.name} is killed")
                worker.kill()
                self.kills += 1
                worker.start()
                await worker.ready(http)

    async def _restart(self, http: httpx2.AsyncClient) -> None:
        await asyncio.sleep(self.plan.restart_at_seconds)
        for program in (*self.services, *self.workers):
            async with self._accident:
                self._say(f"{program.name} is restarted")
                await program.stop()
                program.start()
                await program.ready(http)

    async def _measure(self, app: Any) -> None:
        count = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        while True:
            for program in (*self.services, *self.workers):
                program.sample()
            found = await app.database.read(lambda tx: tx.execute(count).scalar_one())
            self.connections = max(self.connections, found)
            await asyncio.sleep(1)

    # What is left in the end

    async def _settled(self, app: Any) -> None:
        """Wait until nothing is open; what the killed had set aside expires, or is looked at from later."""
        open_runs = sa.select(sa.func.count()).where(runs.c.status.not_in(OVER))
        held = sa.select(sa.func.count()).select_from(reservations)
        until = time.monotonic() + 60 + self.plan.patience
        if not self.plan.patience:
            await self._wait(app, open_runs, until)
            late = type("Later", (type(app.clock),), {"now_ms": lambda _: int(time.time() * 1000) + 600_000})
            admissions = app.pipeline.admissions
            admissions._clock = late()  # noqa: SLF001 - ten minutes later, without waiting for them
            await admissions.expire()
        for what in (open_runs, held):
            await self._wait(app, what, until)

    async def _wait(self, app: Any, count: sa.Select[tuple[int]], until: float) -> None:
        while await app.database.read(lambda tx: tx.execute(count).scalar_one()) and time.monotonic() < until:
            await asyncio.sleep(0.5)

    def _books(self, tx: sa.Connection) -> dict[str, Any]:
        """The database, the provider's ledger and the outside, against each other."""
        stored = {row.id: row for row in tx.execute(sa.select(runs))}
        for row in [one for one in stored.values() if one.status != "succeeded"][:10]:
            print(f"{row.id}: {row.status}, {row.error_step}: {row.error_kind}, {row.error_message}")
        numbers = {row.id: int(row.idempotency_key.removeprefix("load-")) for row in stored.values()}
        finished: Counter[int] = Counter()
        unfinished: Counter[int] = Counter()
        recorded = sa.select(calls.c.run_id, call_attempts).join_from(
            call_attempts, calls, calls.c.id == call_attempts.c.call_id
        )
        spent = paid = 0
        statuses: Counter[str] = Counter()
        for row in tx.execute(recorded):
            number = numbers[row.run_id]
            (finished if row.status == "succeeded" else unfinished)[number] += 1
            statuses[row.status] += 1
            spent += row.cost_micro_usd
            paid += row.cost_micro_usd if row.status == "succeeded" else 0
        entries = [json.loads(line) for line in (self.folder / "ledger.jsonl").read_text().splitlines()]
        billed = Counter(int(one["text"].partition("request ")[2].split()[0]) for one in entries)
        prices = {
            int(one["text"].partition("request ")[2].split()[0]): one["input_tokens"] * INPUT_MICRO_USD
            + one["output_tokens"] * OUTPUT_MICRO_USD
            for one in entries
        }
        sent = [json.loads(line) for line in (self.folder / "sent.jsonl").read_text().splitlines()]
        keys = {
            number: {one["key"] for one in sent if one["number"] == number} for number in numbers.values()
        }
        lost_steps = Counter(
            numbers[row.run_id]
            for row in tx.execute(sa.select(attempts.c.run_id).where(attempts.c.status != "succeeded"))
        )
        times = Counter(one["number"] for one in sent)
        account = tx.execute(
            sa.select(budget_accounts.c.spent_micro_usd, budget_accounts.c.reserved_micro_usd)
        ).one()
        held = tx.execute(sa.select(sa.func.count()).select_from(reservations)).scalar_one()
        accepted = self.seen.runs
        wrong = {
            "lost": len(self.seen.lost) + len(self.requests) - len(accepted),
            "not_one_run": sum(len(ids) != 1 or not ids <= stored.keys() for ids in accepted.values())
            + abs(len(stored) - len(accepted)),
            "not_succeeded": sum(row.status != "succeeded" for row in stored.values()),
            "not_one_finished_call": sum(finished[number] != 1 for number in numbers.values()),
            "billed_beyond_record": sum(
                not 1 <= billed[number] <= 1 + unfinished[number] for number in numbers.values()
            ),
            "sent_beyond_record": sum(
                not 1 <= times[number] <= 1 + lost_steps[number] or len(keys[number]) != 1
                for number in numbers.values()
            ),
            "budget_off_micro_usd": account.spent_micro_usd - spent,
            "paid_off_micro_usd": paid - sum(prices.get(number, 0) for number in numbers.values()),
            "underspent_micro_usd": max(
                0, sum(prices[number] * billed[number] for number in billed) - account.spent_micro_usd
            ),
            "reserved_micro_usd": account.reserved_micro_usd,
            "reservations_left": held,
            "bad_exits": sum(code != 0 for one in (*self.services, *self.workers) for code in one.ended),
            "tracebacks": sum(one.log().count("Traceback") for one in (*self.services, *self.workers)),
        }
        return {
            **wrong,
            "ok": not any(wrong.values()),
            "runs": len(stored),
            "provider_requests": sum(billed.values()),
            "asked_again": sum(billed.values()) - len(billed),
            "sent_again_under_one_key": len(sent) - len(times),
            "attempts_lost": sum(unfinished.values()),
        }

    def _told(self) -> dict[str, Any]:
        for one in self.seen.lost[:10]:
            print("lost:", one)
        for program in (*self.services, *self.workers):
            if "Traceback" in program.log():
                print(program.name, program.log()[-3000:])
        lives = {
            "service": [life for one in self.services for life in one.memory],
            "worker": [life for one in self.workers for life in one.memory],
        }
        for program in (*self.services, *self.workers):
            for life in program.memory:
                if len(life) > 2:
                    print(
                        f"{program.name}: {life[-1][0]:4.0f} s, {life[0][1]:4.0f} MB at first, "
                        f"{max(mb for _, mb in life):4.0f} at most, {life[-1][1]:4.0f} in the end, "
                        f"{slope(life):+.1f} MB a minute"
                    )
        return {
            "clients": self.plan.clients,
            "seconds": self.plan.seconds,
            "requests": len(self.requests),
            "workers_killed": self.kills,
            "restarts": sum(len(one.ended) - 1 for one in (*self.services, *self.workers)),
            "tried_again": dict(self.seen.again),
            "most_late_ms": round(self.seen.late_seconds * 1000),
            **{f"accept_ms_p{p}": quantile(self.seen.accept_seconds, p) for p in (50, 95, 99)},
            **{f"overhead_ms_p{p}": quantile(self.seen.overhead_seconds, p) for p in (50, 95, 99)},
            "most_connections": self.connections,
            **{
                f"{name}_most_mb": round(max(mb for life in of for _, mb in life))
                for name, of in lives.items()
            },
            **{f"{name}_mb_per_minute": round(slope(max(of, key=len)), 2) for name, of in lives.items()},
        }


def slope(life: list[tuple[float, float]]) -> float:
    """Megabytes a minute, by least squares over what follows the first third of a life."""
    late = [one for one in life if one[0] >= life[-1][0] / 3]
    if len(late) < 3:
        return 0.0
    return statistics.linear_regression([at for at, _ in late], [mb for _, mb in late]).slope * 60


def quantile(seconds: list[float], percent: int) -> int:
    """Milliseconds."""
    return round(statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000)


def report(figures: dict[str, Any]) -> None:
    print(
        "every request is one run, and nothing was done twice" if figures["ok"] else "THE BOOKS DO NOT AGREE"
    )
    print(json.dumps(figures))
    if not figures["ok"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
