"""`roadworthy serve` in real processes: the first start, an orderly end, two of them on PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest

DESK = '''\
"""Doubles numbers, and waits for a file."""

import time
from pathlib import Path

from roadworthy import App

HERE = Path(__file__).parent
app = App.load(__file__)


@app.step
def slow(name: str) -> str:
    """Take a second, and leave a mark for each time that this is done."""
    (HERE / f"{name}.begun").touch()
    time.sleep(1.0)
    with (HERE / f"{name}.count").open("a") as file:
        file.write("x")
    return name


@app.workflow
async def waits(name: str) -> str:
    """Wait."""
    return await slow(name)


@app.workflow
async def asks(name: str) -> str:
    """Wait for somebody's word."""
    return await app.wait_for_signal(name)
'''


@pytest.fixture(autouse=True)
def desk(tmp_path: Path) -> None:
    """The project."""
    (tmp_path / "roadworthy.toml").write_text("[project]\nname = 'desk'\n")
    (tmp_path / "desk.py").write_text(DESK)


def test_an_orderly_end_loses_nothing_and_says_so(start, key, tmp_path):
    """Readiness, streams and waits end in order; the step under way finishes once; the next start goes on."""
    served = start("serve", "--port", "0")
    url = served.url()
    assert "/sign-in?token=rwl_" in served.said[0]
    headers = key()
    with httpx2.Client(base_url=url, headers=headers, timeout=30) as client:
        run_id = client.post("/v1/workflows/waits/runs", json={"input": {"name": "a"}}).json()["id"]
        waiting = client.post("/v1/workflows/asks/runs", json={"input": {"name": "word"}}).json()["id"]
        with client.stream("GET", "/v1/events") as stream:
            lines = stream.iter_lines()
            while not (tmp_path / "a.begun").exists():
                next(lines)
            code: list[int] = []
            ending = threading.Thread(target=lambda: code.append(served.end()))
            ending.start()
            assert json.dumps({"reason": "the service shuts down"}) in "".join(lines)
        ending.join(30)
    assert code == [0]
    assert "Traceback" not in "".join(served.log)
    assert (tmp_path / "a.count").read_text() == "x"
    again = start("serve", "--port", "0")
    with httpx2.Client(base_url=again.url(), headers=headers, timeout=30) as client:
        assert len(again.said) == 2, "nobody has signed in yet, so the link is shown again"
        assert client.get(f"/v1/runs/{run_id}?wait=20").json()["status"] == "succeeded"
        client.post(f"/v1/runs/{waiting}/signals", json={"name": "word", "payload": "go"})
        assert client.get(f"/v1/runs/{waiting}?wait=20").json()["output"] == "go"
    assert again.end() == 0
    assert (tmp_path / "a.count").read_text() == "x"


def test_a_second_signal_ends_it_at_once(start, key):
    """Nobody has to wait for a step that does not end."""
    served = start("serve", "--port", "0")
    url = served.url()
    body = {"input": {"name": "b"}}
    httpx2.post(f"{url}/v1/workflows/waits/runs", json=body, headers=key())
    served.process.send_signal(signal.SIGTERM)
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(20) in (0, 130)


def test_two_services_and_a_worker_share_postgresql(start, key, tmp_path, monkeypatch, fresh_postgres_url):
    """A run started at one is waited for at the other, which hears of it from the database."""
    monkeypatch.setitem(os.environ, "ROADWORTHY__DATABASE__URL", fresh_postgres_url)
    one, two, worker = (
        start("serve", "--no-worker", "--port", "0"),
        start("serve", "--no-worker", "--port", "0"),
        start("worker"),
    )
    headers = key(fresh_postgres_url)
    with (
        httpx2.Client(base_url=one.url(), headers=headers, timeout=40) as first,
        httpx2.Client(base_url=two.url(), headers=headers, timeout=40) as second,
    ):
        given = {**headers, "idempotency-key": "k"}
        made = first.post("/v1/workflows/waits/runs", json={"input": {"name": "c"}}, headers=given)
        same = second.post("/v1/workflows/waits/runs", json={"input": {"name": "c"}}, headers=given)
        assert (made.status_code, same.status_code) == (201, 200)
        run_id = made.json()["id"]
        assert same.json()["id"] == run_id
        shown = second.get(f"/v1/runs/{run_id}?wait=40").json()
        assert (shown["status"], shown["output"]) == ("succeeded", "c"), worker.log
        assert first.get("/readyz").json()["ready"]
    assert [one.end(), two.end(), worker.end()] == [0, 0, 0]
    assert (tmp_path / "c.count").read_text() == "x"


def test_a_worker_tells_its_health_until_its_runs_have_finished(start, key, tmp_path):
    """Ready, with counters for those who may read them; from SIGTERM on not ready, while a step ends."""
    worker = start("worker", "--health-port", "0")
    url = worker.url()
    assert url.startswith("http://127.0.0.1:")
    with httpx2.Client(base_url=url, timeout=30) as stranger:
        assert stranger.get("/healthz").json() == {"status": "alive"}
        assert stranger.get("/readyz").status_code == 200
        assert stranger.get("/metrics").status_code == 401
        assert stranger.get("/v1/runs").status_code == 404
        assert stranger.get("/metrics", headers={"host": "evil.example"}).status_code == 421
        assert ask(url) == (0, "Ready.\n")
        served = start("serve", "--no-worker", "--port", "0")
        headers = key()
        with httpx2.Client(base_url=served.url(), headers=headers, timeout=30) as client:
            for name, wait in (("d", "?wait=20"), ("e", "")):
                client.post(f"/v1/workflows/waits/runs{wait}", json={"input": {"name": name}})
        counted = stranger.get("/metrics", headers=headers).text
        assert 'roadworthy_runs_ended_total{workflow="waits",status="succeeded"} 1' in counted
        assert "roadworthy_streams_open" not in counted
        while not (tmp_path / "e.begun").exists():
            assert worker.process.poll() is None
        worker.process.send_signal(signal.SIGTERM)
        while stranger.get("/readyz").status_code != 503:
            assert worker.process.poll() is None
        assert stranger.get("/readyz").json()["parts"]["service"] == {"ready": False}
        assert stranger.get("/healthz").status_code == 200
        assert ask(url)[0] == 1
    assert worker.process.wait(30) == 0
    assert (tmp_path / "e.count").read_text() == "x"
    code, said = ask(url)
    assert code == 1
    assert said.startswith(f"Nobody answers at {url}: ")
    assert "Traceback" not in "".join(worker.log)


def test_a_port_that_is_taken_is_said_by_its_own_name(start):
    """A worker whose health cannot be asked does not start, and says which setting it was."""
    first = start("worker", "--health-port", "0")
    port = first.url().rpartition(":")[2]
    second = start("worker", "--health-port", port)
    assert second.process.wait(30) == 1
    second.close()
    assert "--health-port" in "".join(second.log)


def ask(url: str) -> tuple[int, str]:
    """What `roadworthy ready` says."""
    done = subprocess.run(
        [sys.executable, "-m", "roadworthy.cli.main", "ready", url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout
