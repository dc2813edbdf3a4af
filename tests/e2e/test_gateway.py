"""`roadworthy serve` told to end while the gateway's requests are under way: what they cost is on record."""

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from roadworthy.testing.simulated import Reply, SimulatedProvider, Slow

DESK = """
from roadworthy import App

app = App.load(__file__)
"""
CONFIG = """
[service]
shutdown_seconds = {seconds}

[models.main]
provider = "openai-compatible"
base_url = "{url}"
model = "m"
prices = {{ input_usd_per_million = 1, output_usd_per_million = 4 }}

[routes.default]
models = ["main"]

[budgets.daily]
scope = "environment"
per_day_usd = 1
"""
PATIENCE_SECONDS = 60
ASKED = {"model": "default", "messages": [{"role": "user", "content": "Where is it?"}]}
CASES = list(product((False, True), repeat=3))
"""Whether it is streamed, has a key, and its client is gone."""
KEYED = {"idempotency-key": "order-17"}


@pytest.fixture
def provider() -> Iterator[SimulatedProvider]:
    """The provider, which outlives the service."""
    with SimulatedProvider() as server:
        yield server


def configure(folder: Path, provider: SimulatedProvider, seconds: float) -> None:
    """Write the project."""
    (folder / "desk.py").write_text(DESK)
    (folder / "roadworthy.toml").write_text(CONFIG.format(url=provider.base_url, seconds=seconds))


def connect(url: str, headers: dict[str, str], *, stream: bool = False) -> socket.socket:
    """A connection over which a request was sent, and nothing read."""
    address = urlsplit(url)
    made = socket.create_connection((address.hostname, address.port), timeout=30)
    body = json.dumps({**ASKED, "stream": stream}).encode()
    given = {**headers, "host": address.netloc, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    made.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + body)
    return made


def recorded(folder: Path) -> tuple[list[str], list[str], int]:
    """How calls and attempts ended, and how many keys are kept; all that they cost is on the account."""
    with closing(sqlite3.connect(folder / ".roadworthy" / "roadworthy.db")) as database:
        ended = [one for (one,) in database.execute("SELECT status FROM calls")]
        costs = [one for (one,) in database.execute("SELECT cost_micro_usd FROM calls")]
        tried = [one for (one,) in database.execute("SELECT status FROM call_attempts")]
        (account,) = database.execute("SELECT spent_micro_usd, reserved_micro_usd FROM budget_accounts")
        (held,) = database.execute("SELECT count(*) FROM reservations").fetchone()
        (keys,) = database.execute("SELECT count(*) FROM gateway_answers").fetchone()
    assert account == (sum(costs), 0)
    assert min(costs) > 0
    assert held == 0
    return ended, tried, keys


def test_what_is_cut_off_is_settled_before_the_process_is_gone(start, key, tmp_path, provider):
    """Whole or streamed, with a key or none, the client there or gone: on record, paid, and no key taken."""
    configure(tmp_path, provider, seconds=1)
    provider.answers.rules.append(
        lambda asked: (
            Reply("word " * 5_000, chunk_seconds=0.05) if asked.stream else Slow(60, then=Reply("Late."))
        )
    )
    served = start("serve", "--no-worker", "--port", "0")
    url, headers = served.url(), key()
    with ExitStack() as stack:
        connections: list[socket.socket] = []
        for number, (stream, keyed, _) in enumerate(CASES):
            given = {**headers, **({"idempotency-key": f"order-{number}"} if keyed else {})}
            connections.append(stack.enter_context(connect(url, given, stream=stream)))
        provider.wait_for(len(CASES), PATIENCE_SECONDS)
        for connection, (stream, _, gone) in zip(connections, CASES, strict=True):
            if stream:
                while b"data: " not in connection.recv(4096):
                    pass
            if gone:
                connection.close()
        assert served.end() == 0
    assert "Traceback" not in "".join(served.log)
    assert recorded(tmp_path) == (["cancelled"] * len(CASES), ["cancelled"] * len(CASES), 0)


def test_an_answer_that_a_key_promises_is_made_while_there_is_time(start, key, tmp_path, provider):
    """The client left, the service ends: it waits for the answer, and gives it after the next start."""
    configure(tmp_path, provider, seconds=30)
    provider.add(Slow(2, then=Reply("On its way.")))
    served = start("serve", "--no-worker", "--port", "0")
    url, headers = served.url(), {**key(), **KEYED}
    with connect(url, headers):
        provider.wait_for(1, PATIENCE_SECONDS)
    assert served.end() == 0
    assert recorded(tmp_path) == (["succeeded"], ["succeeded"], 1)
    again = start("serve", "--no-worker", "--port", "0")
    body = json.dumps({**ASKED, "stream": False}).encode()
    said = httpx2.post(f"{again.url()}/v1/chat/completions", content=body, headers=headers, timeout=30)
    assert said.json()["choices"][0]["message"]["content"] == "On its way."
    assert said.headers["idempotency-replayed"] == "true"
    assert provider.count == 1
