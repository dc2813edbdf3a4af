"""Our gateway against LiteLLM's proxy and MLflow's gateway, on the same simulated provider, in one run.

All three run with one worker, and are asked for the same chat completions, each with another text. In every
round each takes its turn, so that a noisy machine hits all alike. Per request: the CPU time of the server's
process, the time until the answer (one at a time, as the median), and how many come through in a second
when twenty clients ask at once. `direct` asks the provider itself: what is above it is the gateway's.

    roadworthy   the service on SQLite: key, budget, throttle, rate limit, cache that misses, prices, breaker,
                 and the record of every call
    litellm      `litellm[proxy]` with its key and a budget counted in memory: its records need PostgreSQL and
                 an engine that is fetched from the Internet, so it runs without them, to its advantage
    mlflow       `mlflow server` on SQLite: one endpoint, usage tracking on (each call is a trace)

Each peer is in an environment of its own, kept in the user's cache and made at the first run, or beforehand
by `--setup` (minutes, 1.2 GB); what cannot be installed or does not start is left out. A ratio is the median
of the rounds' ratios, ours over theirs: requests in a second (above 1, ours is ahead), and CPU time (below 1,
ours is ahead). How long environments, starts and measuring took is said at the end. `--quick` asks with ten
clients at once.

    python benchmarks/gateway.py [--quick | --setup]
"""

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

import httpx2

from call import provider
from variants.asked import MESSAGES
from variants.environment import BENCHMARKS, peers_python

VARIANTS = BENCHMARKS / "variants"
LEAST_ROUNDS = 3
START_SECONDS, IDLE_SECONDS = 120, 2
KEY = "sk-benchmark"
LITELLM = """
model_list:
  - model_name: default
    litellm_params: {{model: openai/gpt-4o-mini, api_base: "{address}", api_key: any}}
general_settings: {{master_key: {key}}}
litellm_settings: {{max_budget: 1000000, budget_duration: 1d, num_retries: 0, telemetry: false}}
"""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Gateway:
    """A server that is asked, and the figures of its turns."""

    url: str
    key: str = KEY
    pid: int | None = None
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; done within 50 s, set-up apart")
    parser.add_argument("--setup", action="store_true", help="make what is kept, and measure nothing")
    options = parser.parse_args()
    seconds, clients, calls = (8, 10, 10) if options.quick else (150, 20, 100)
    took = Took()
    peers = {name: environment(name) for name in ("litellm_proxy", "mlflow_gateway")}
    endpoint = mlflow_database(peers["mlflow_gateway"])
    took.note("setup")
    if options.setup:
        print(json.dumps(took.seconds))
        return
    with ExitStack() as stack:
        address = stack.enter_context(provider())
        starts: list[tuple[str, Gateway]] = []
        if endpoint is not None:  # the slow ones begin first
            starts.append(stack.enter_context(mlflow(peers["mlflow_gateway"], endpoint, address)))
        if peers["litellm_proxy"] is not None:
            starts.append(stack.enter_context(litellm(peers["litellm_proxy"], address)))
        starts.append(stack.enter_context(ours(address)))
        gateways = {"direct": Gateway(f"{address}/chat/completions")}
        gateways |= {name: gateway for name, gateway in asyncio.run(ready(starts)) if gateway is not None}
        took.note("start")
        asyncio.run(measure(gateways, seconds, clients, calls))
        took.note("measuring")
    report(gateways, clients, took.seconds)


class Took:
    """How long each part took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def note(self, part: str) -> None:
        """A part has ended, and the next one begins."""
        now = time.monotonic()
        self.seconds[f"{part}_seconds"] = round(now - self._began, 1)
        self._began = now


def environment(name: str) -> Path | None:
    """The interpreter that has a peer; None, and a word about it, where it cannot be had."""
    try:
        return peers_python(BENCHMARKS / f"{name}.txt")
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{name} could not be installed, so its figures are left out ({type(error).__name__}).")
        return None


@contextmanager
def ours(address: str) -> Iterator[tuple[str, Gateway]]:
    command = [sys.executable, str(VARIANTS / "gateway_server.py"), address]
    with server(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        url, key = process.stdout.readline().split()
        yield "roadworthy", Gateway(f"{url}/v1/chat/completions", key, process.pid)
        process.stdin.close()
        process.wait(20)


@contextmanager
def litellm(python: Path, address: str) -> Iterator[tuple[str, Gateway]]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(LITELLM.format(address=address, key=KEY))
        port = free_port()
        code = "from litellm.proxy.proxy_cli import run_server; run_server()"
        options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        with server([str(python), "-c", code, *options], cwd=folder) as process:
            yield "litellm", Gateway(f"http://127.0.0.1:{port}/v1/chat/completions", KEY, process.pid)


def mlflow_database(python: Path | None) -> Path | None:
    """A database with the endpoint, kept beside the environment: its migrations alone take seconds."""
    if python is None:
        return None
    script = VARIANTS / "mlflow_endpoint.py"
    kept = python.parent.parent / f"endpoint-{hashlib.sha256(script.read_bytes()).hexdigest()[:12]}.db"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            made = Path(folder) / "mlflow.db"
            command = [str(python), str(script), f"sqlite:///{made}", "http://127.0.0.1:9/v1"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=START_SECONDS)
            made.rename(kept)
    return kept


@contextmanager
def mlflow(python: Path, endpoint: Path, address: str) -> Iterator[tuple[str, Gateway]]:
    with tempfile.TemporaryDirectory() as folder:
        file, port = shutil.copy(endpoint, Path(folder) / "mlflow.db"), free_port()
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("UPDATE secrets SET auth_config = ?", (json.dumps({"api_base": address}),))
        options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command = [
            str(python),
            "-m",
            "mlflow",
            "server",
            "--backend-store-uri",
            f"sqlite:///{file}",
            *options,
        ]
        with server(command, cwd=folder) as process:
            url = f"http://127.0.0.1:{port}/gateway/mlflow/v1/chat/completions"
            yield "mlflow", Gateway(url, KEY, process.pid)


@contextmanager
def server(
    command: list[str], *, cwd: str | None = None, stdin: int | None = None, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    """A server in a process group of its own, ended with all that it started."""
    quiet = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
        "DO_NOT_TRACK": "true",
        "NO_PROXY": "127.0.0.1",
    }
    process = subprocess.Popen(
        command,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **quiet},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def free_port() -> int:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def ready(starts: list[tuple[str, Gateway]]) -> list[tuple[str, Gateway | None]]:
    """Each once it answers; None for one that does not."""
    found = await asyncio.gather(*(_ready(*one) for one in starts))
    return [(name, one) for (name, _), one in zip(starts, found, strict=True)]


async def _ready(name: str, gateway: Gateway) -> Gateway | None:
    until = time.monotonic() + START_SECONDS
    said: object = "nothing"
    async with client(gateway) as http:
        while time.monotonic() < until:
            try:
                response = await http.post(gateway.url, json=body(), timeout=10)
                if response.status_code == 200:
                    return gateway
                said = f"{response.status_code} {response.text[:200]}"
            except httpx2.HTTPError as error:
                said = error
            await asyncio.sleep(0.5)
    print(f"{name} did not answer, so its figures are left out ({said}).")
    return None


async def measure(gateways: dict[str, Gateway], seconds: float, clients: int, calls: int) -> None:
    """As many rounds as fit into the time, but at least a few; in each, every gateway takes its turn."""
    until, done = time.monotonic() + seconds, 0
    async with AsyncExitStack() as stack:
        asking = {name: await stack.enter_async_context(client(one)) for name, one in gateways.items()}
        for name, gateway in gateways.items():
            await asyncio.gather(*(ask(asking[name], gateway) for _ in range(clients)))
        while done < LEAST_ROUNDS or time.monotonic() < until:
            for name, gateway in gateways.items():
                await turn(asking[name], gateway, clients, calls)
            done += 1


async def turn(http: httpx2.AsyncClient, gateway: Gateway, clients: int, calls: int) -> None:
    before = cpu_seconds(gateway.pid)
    alone = max(5, calls // 4)
    gateway.wall.append(statistics.median([await ask(http, gateway) for _ in range(alone)]))
    began = time.perf_counter()

    async def one_client() -> None:
        for _ in range(calls // clients):
            await ask(http, gateway)

    await asyncio.gather(*(one_client() for _ in range(clients)))
    made = calls // clients * clients
    gateway.per_second.append(made / (time.perf_counter() - began))
    gateway.cpu.append((cpu_seconds(gateway.pid) - before) / (made + alone))


async def ask(http: httpx2.AsyncClient, gateway: Gateway) -> float:
    began = time.perf_counter()
    response = await http.post(gateway.url, json=body())
    if response.status_code != 200:
        raise SystemExit(f"{gateway.url} said {response.status_code}: {response.text[:300]}")
    return time.perf_counter() - began


def client(gateway: Gateway) -> httpx2.AsyncClient:
    # others take their turns meanwhile: none may be used just as its server gives it up, after 5 s
    limits = httpx2.Limits(keepalive_expiry=IDLE_SECONDS)
    headers = {"authorization": f"Bearer {gateway.key}"}
    return httpx2.AsyncClient(headers=headers, timeout=60, limits=limits, trust_env=False)


def body() -> dict[str, object]:
    """A request that nobody has made before."""
    system, user = MESSAGES
    unique = {**user, "content": f"{time.perf_counter_ns()} {user['content']}"}
    return {"model": "default", "messages": [system, unique], "max_tokens": 200}


def cpu_seconds(pid: int | None) -> float:
    """CPU time of a process and all below it; 0 where the system does not say."""
    if pid is None or not Path("/proc/self/stat").exists():
        return 0.0
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == pid:  # its session: `start_new_session` made it the process's own
                total += int(fields[11]) + int(fields[12])
    return total / TICKS


def report(gateways: dict[str, Gateway], clients: int, took: dict[str, float]) -> None:
    print(f"{'':12}{'cpu ms':>10}{'wall ms, 1':>12}{f'per second, {clients}':>16}")
    for name, one in sorted(gateways.items()):
        cpu, wall, rate = (statistics.median(values) for values in (one.cpu, one.wall, one.per_second))
        print(f"{name:12}{cpu * 1e3:10.2f}{wall * 1e3:12.2f}{rate:16.0f}")
    ours, direct = gateways["roadworthy"], gateways["direct"]

    def ratio(peer: str, kind: str) -> float | None:
        if peer not in gateways:
            return None
        pairs = zip(getattr(ours, kind), getattr(gateways[peer], kind), strict=True)
        return round(statistics.median(one / other for one, other in pairs if other), 2)

    def overhead(name: str) -> float | None:
        if name not in gateways:
            return None
        pairs = zip(gateways[name].wall, direct.wall, strict=True)
        return round(statistics.median(one - other for one, other in pairs) * 1e3, 2)

    print(
        json.dumps(
            {
                "ratio_to_litellm_proxy": ratio("litellm", "per_second"),
                "ratio_to_mlflow_gateway": ratio("mlflow", "per_second"),
                "cpu_ratio_to_litellm_proxy": ratio("litellm", "cpu"),
                "cpu_ratio_to_mlflow_gateway": ratio("mlflow", "cpu"),
                "requests_per_second": round(statistics.median(ours.per_second)),
                "cpu_ms_per_request": round(statistics.median(ours.cpu) * 1e3, 2),
                "overhead_ms": overhead("roadworthy"),
                "overhead_ms_litellm_proxy": overhead("litellm"),
                "overhead_ms_mlflow_gateway": overhead("mlflow"),
                **took,
            }
        )
    )


if __name__ == "__main__":
    main()
