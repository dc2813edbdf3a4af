"""The command line in real processes: a made project, interruptions, kills, and going on afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roadworthy.cli.main import execute

WAITS = '''\
"""A workflow that waits in its second step until a file appears, and counts how often its first was done."""

import time
from pathlib import Path

from roadworthy import App

HERE = Path(__file__).parent
app = App.load(__file__)


@app.step
def count(name: str) -> int:
    """Leave a mark for each time that this is done."""
    with (HERE / f"{name}.count").open("a") as file:
        file.write("x")
    return 1


@app.step
def wait(name: str) -> str:
    """Wait for the file `go`."""
    (HERE / f"{name}.waiting").touch()
    while not (HERE / "go").exists():
        time.sleep(0.02)
    return name


@app.workflow
async def patient(name: str) -> str:
    """Count, then wait."""
    await count(name)
    return await wait(name)
'''


class Desk:
    """A project in a folder, and the command line called in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Begin a command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROADWORTHY")}
        process = subprocess.Popen(
            [sys.executable, "-m", "roadworthy.cli.main", *words],
            cwd=cwd or self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**kept, **environment},
        )
        self.started.append(process)
        return process

    def call(self, *words: str, code: int = 0, cwd: Path | None = None, **environment: str) -> str:
        """A command to its end; returns what it printed, or else what it complained of."""
        process = self.start(*words, cwd=cwd, **environment)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, f"{words}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return out or err

    def json(self, *words: str, code: int = 0) -> Any:
        """A command's JSON document."""
        return json.loads(self.call(*words, "--json", code=code))

    def until(self, name: str) -> None:
        """Wait for a file of the project."""
        give_up_at = time.monotonic() + 40
        while not (self.folder / name).exists():
            assert time.monotonic() < give_up_at, f"{name} did not appear"
            assert any(process.poll() is None for process in self.started), "every process has ended"
            time.sleep(0.02)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A project as `roadworthy init` makes it, with one more workflow."""
    desk = Desk(tmp_path / "desk")
    assert execute(["init", str(desk.folder)]) == 0
    settings = desk.folder / "roadworthy.toml"
    (desk.folder / "patient.py").write_text(WAITS, encoding="utf-8")
    settings.write_text(
        settings.read_text(encoding="utf-8")
        .replace('["workflows.py"]', '["patient.py"]')
        .partition("[workflows.")[0],
        encoding="utf-8",
    )
    yield desk
    for process in desk.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_the_commands_that_init_prints_work_as_they_stand(tmp_path):
    """A new user pastes them one after another."""
    desk = Desk(tmp_path)
    printed = desk.call("init", "shop", cwd=tmp_path)
    folder = tmp_path / "shop"
    assert "cd shop" in printed
    ran = desk.call("run", "sort_message", "--input", '{"text": "Where is my parcel?"}', cwd=folder)
    assert 'output: {"queue": "delivery"' in ran
    batch = desk.call("batch", "run", "sort_message", "messages.jsonl", "--table", cwd=folder)
    assert "1 skipped, 3 succeeded" in batch
    assert "Verdict: pass" in desk.call("eval", "sort-message", cwd=folder)
    listed = json.loads(desk.call("runs", "list", "--json", cwd=folder))["runs"]
    assert sorted(run["status"] for run in listed) == ["skipped", *["succeeded"] * 4]
    assert (folder / "queues.txt").read_text(encoding="utf-8").count("\n") == 4


def test_ctrl_c_leaves_a_run_that_can_go_on(desk):
    """It says how, and nothing that was done is done again."""
    process = desk.start("run", "patient", "--input", '{"name": "one"}')
    desk.until("one.waiting")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert "roadworthy runs resume run_" in err
    run_id = err.rpartition(" ")[2].strip()
    assert desk.json("runs", "show", run_id)["status"] == "queued"
    (desk.folder / "go").touch()
    assert "succeeded" in desk.call("runs", "resume", run_id)
    assert (desk.folder / "one.count").read_text() == "x"


def test_a_killed_run_is_taken_over_by_resume(desk):
    """SIGKILL leaves a run that says running; resume sees that nobody works on it."""
    process = desk.start("run", "patient", "--input", '{"name": "two"}')
    desk.until("two.waiting")
    process.kill()
    run_id = process.communicate()[0].split()[0]
    (desk.folder / "go").touch()
    resumed = desk.json("runs", "resume", run_id[:20])
    assert (resumed["status"], resumed["output"]) == ("succeeded", "two")
    assert (desk.folder / "two.count").read_text() == "x"


def test_a_killed_batch_is_finished_by_a_worker_and_told_by_the_same_command(desk):
    """The worker takes over what the dead process held; SIGTERM ends it in order."""
    lines = [json.dumps({"name": f"n{number}"}) for number in range(3)]
    (desk.folder / "in.jsonl").write_text("\n".join([*lines, "not json"]), encoding="utf-8")
    words = ("batch", "run", "patient", "in.jsonl")
    process = desk.start(*words)
    desk.until("n2.waiting")
    process.kill()
    process.wait()
    (desk.folder / "go").touch()
    worker = desk.start("worker", "--concurrency", "2")
    while not any(one["state"] == "alive" for one in desk.json("workers", "list")["workers"]):
        assert worker.poll() is None
    told = desk.json(*words, code=1)
    assert told["counts"] == {"succeeded": 3}
    assert [one["line"] for one in told["rejected"]] == [4]
    [alive] = desk.json("workers", "list")["workers"]
    assert (alive["state"], alive["process"]) == ("alive", str(worker.pid))
    worker.send_signal(signal.SIGTERM)
    _, log = worker.communicate(timeout=30)
    assert worker.returncode == 0, log
    events = [json.loads(line)["message"] for line in log.splitlines()]
    assert {"worker.started", "worker.lost"} <= set(events)
    assert events[-1] == "worker.stopped"
    assert all((desk.folder / f"n{number}.count").read_text() == "x" for number in range(3))


def test_a_missing_model_file_ends_in_a_dead_run_that_says_so(desk):
    """The run keeps its place: it can be resumed when the file is there."""
    (desk.folder / "workflows.py").unlink()
    settings = (desk.folder / "roadworthy.toml").read_text(encoding="utf-8")
    for old, new in (
        ('provider = "python"', 'provider = "local"'),
        ('function = "rule:answer"', 'path = "gone.gguf"'),
        ('["patient.py"]', '["asks.py"]'),
    ):
        settings = settings.replace(old, new)
    (desk.folder / "roadworthy.toml").write_text(settings, encoding="utf-8")
    (desk.folder / "asks.py").write_text(
        "from roadworthy import App\napp = App.load(__file__)\nsort = app.prompt('sort-message')\n\n\n"
        "@app.workflow\nasync def ask() -> str:\n    return (await sort(text='a')).value\n",
        encoding="utf-8",
    )
    run = desk.json("run", "ask", code=1)
    assert run["status"] == "dead"
    assert "not_configured" in run["error_message"]
    assert "gone.gguf" in desk.call("runs", "show", run["id"], "--calls")


def test_output_survives_a_terminal_that_knows_only_ascii(desk):
    """What it cannot show is escaped, and nothing breaks."""
    text = {"name": "caf\u00e9 \U0001f6b2"}
    queued = desk.call("run", "patient", "--input", json.dumps(text), "--detach", PYTHONIOENCODING="ascii")
    shown = desk.call("runs", "show", queued.split()[0], PYTHONIOENCODING="ascii")
    assert "caf\\xe9 \\U0001f6b2" in shown


def test_a_pipe_that_closes_early_is_no_error(desk):
    """As with `| head`."""
    process = desk.start("runs", "--help")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=30) in {0, 1}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(desk):
    """The message names the folder of the database."""
    desk.folder.chmod(0o555)
    try:
        said = desk.call("runs", "list", code=1)
    finally:
        desk.folder.chmod(0o755)
    assert ".roadworthy" in said


def test_help_is_answered_at_once(tmp_path):
    """Nothing heavy is imported for it: neither the database, nor the engine, nor any model's library."""
    heavy = ("sqlalchemy", "pydantic", "dbos", "rich", "alembic", "jinja2", "openai")
    program = (
        "import sys; from roadworthy.cli.main import execute; code = execute(['--help']); "
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "Commands:" in done.stdout
    assert done.stderr.strip() == "[]"
