"""Drills from the command line, in real processes: the page's own steps, the support desk, a kill, a leak."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "drills.md").read_text(encoding="utf-8")
DESK = ROOT / "examples" / "support_desk"

pytestmark = pytest.mark.slow

LEAKY = '''\
"""A workflow that logs what its user wrote, and acts on whatever its model says."""

import logging
from pathlib import Path

from roadworthy import App, Decision

HERE = Path(__file__).parent
app = App.load(__file__)
ask = app.prompt("ask", output=str)


@app.action(irreversible=True)
def send(decision: Decision[str], *, key: str = "") -> None:
    """Would leave a file."""
    (HERE / "sent").touch()


@app.workflow
async def answer(text: str) -> str:
    """Answer, and tell the log too much."""
    logging.getLogger("desk").warning("asked: %s", text)
    said = await ask(text=text)
    await send(Decision[str].by_rule(said, rule="none"))
    return said.value
'''
LEAKY_SETTINGS = """
[models.main]
provider = "anthropic"
model = "claude-haiku-4-5-20251001"
[models.spare]
provider = "openai"
model = "gpt-5-mini-2025-08-07"
[routes.default]
models = ["main", "spare"]
"""


def call(*words: str, cwd: Path, code: int = 0) -> str:
    """A command to its end; what it printed, or what it complained of."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROADWORTHY")}
    done = subprocess.run(
        [sys.executable, "-m", "roadworthy.cli.main", *words],
        cwd=cwd,
        env={**kept, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout if code != 2 else done.stderr


def drill(folder: Path, *words: str, code: int = 0) -> dict[str, dict[str, object]]:
    """The scenarios of a drill by their names."""
    document = json.loads(call("drill", *words, "--json", cwd=folder, code=code))
    assert document["held"] is (code == 0)
    return {one["scenario"]: one for one in document["scenarios"]}


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """A project whose models are at two providers, without keys."""
    (tmp_path / "roadworthy.toml").write_text(LEAKY_SETTINGS)
    (tmp_path / "desk.py").write_text(LEAKY)
    (tmp_path / "prompts" / "ask").mkdir(parents=True)
    (tmp_path / "prompts" / "ask" / "v1.md").write_text("---\ninputs: {text: str}\n---\n# user\n{{ text }}\n")
    return tmp_path


def test_the_page_is_true(tmp_path: Path) -> None:
    """Its commands run as they stand; the first report gives the advice, the second needs none."""
    commands = [
        shlex.split(line)[1:]
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
    ]
    [advice] = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    [fallback] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    [route] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    call(*commands[0], cwd=tmp_path)
    assert advice in call(*commands[1], cwd=tmp_path)

    project = tmp_path / "sorting"
    with (project / "workflows.py").open("a") as file:
        file.write(f"\n\n{fallback}")
    settings = (project / "roadworthy.toml").read_text()
    changed = re.sub(r"\[routes\.default\]\nmodels = .*\n", route, settings)
    assert changed != settings
    (project / "roadworthy.toml").write_text(changed)
    seen = drill(tmp_path, *commands[2][1:])["provider-outage"]
    assert (seen["dead"], seen["refused"]) == ({}, {})
    assert sum(seen["answered"].values()) == 40
    assert seen["degraded"] > 0
    assert not (project / "queues.txt").exists()


def test_the_support_desk_drills_out_of_the_box(tmp_path: Path) -> None:
    """With the demonstration's tickets; nothing is sent, and no trace is left in the project."""
    desk = tmp_path / "desk"
    shutil.copytree(DESK, desk, ignore=shutil.ignore_patterns(".roadworthy", "outbox.jsonl", "__pycache__"))
    before = {path.name for path in desk.iterdir()}
    seen = drill(desk, "answer_ticket", "--scenario", "provider-outage", "--scenario", "wrong-answers")
    outage, nonsense = seen["provider-outage"], seen["wrong-answers"]
    assert sum(outage["answered"].values()) == sum(nonsense["answered"].values()) == 40
    assert nonsense["wrong"] > 0
    assert nonsense["irreversible_on_wrong"] == 0, "its checks let nonsense pass"
    assert outage["irreversible_actions"] > 0
    assert {path.name for path in desk.iterdir()} - before <= {"__pycache__", ".roadworthy"}


def test_a_leak_into_the_log_breaks_a_rule(leaky: Path) -> None:
    """The planted address is found, the exit code says so, and so does a finding; nothing was sent."""
    words = ("answer", "--scenario", "injection-obeyed", "--runs", "12", "--input", '{"text": "hello"}')
    seen = drill(leaky, *words, code=1)["injection-obeyed"]
    held = {rule["rule"]: rule["held"] for rule in seen["rules"]}
    assert [rule for rule, its in held.items() if not its] == ["nothing secret in logs"]
    assert "the address stands in" in seen["rules"][3]["evidence"]
    assert seen["findings"][0]["do"].startswith("Look for what the workflow's own code logs")
    assert seen["wrong"] == seen["irreversible_on_wrong"] > 0
    assert float(seen["spent_usd"]) > 0
    assert seen["cost_known"] is True
    assert not (leaky / "sent").exists()


def test_a_killed_worker_loses_nothing(leaky: Path) -> None:
    """The other one takes over; every run is answered, and no step is done twice."""
    code = (leaky / "desk.py").read_text().replace('warning("asked: %s", text)', 'info("asked")')
    (leaky / "desk.py").write_text(code)
    seen = drill(leaky, "answer", "--scenario", "crash", "--runs", "12", "--input", '{"text": "hello"}')[
        "crash"
    ]
    assert sum(seen["answered"].values()) == 12
    assert "under way in the killed worker" in seen["rules"][0]["evidence"]


def test_a_database_that_is_away_delays_and_loses_nothing(leaky: Path) -> None:
    """While it is held, runs wait; every one of them is answered, none of them twice."""
    code = (leaky / "desk.py").read_text().replace('warning("asked: %s", text)', 'info("asked")')
    (leaky / "desk.py").write_text(code)
    words = ("answer", "--scenario", "database-away", "--runs", "12", "--at-once", "2")
    seen = drill(leaky, *words, "--input", '{"text": "hello"}')["database-away"]
    assert sum(seen["answered"].values()) == 12
    assert seen["p99_seconds"] > 3, "nobody noticed that the database was away"


def test_a_spent_budget_refuses_with_a_status(leaky: Path) -> None:
    """From the middle on; what was spent is within the limit to the micro-dollar."""
    code = (leaky / "desk.py").read_text().replace('warning("asked: %s", text)', 'info("asked")')
    (leaky / "desk.py").write_text(code)
    words = ("answer", "--scenario", "budget-spent", "--runs", "12", "--at-once", "2")
    seen = drill(leaky, *words, "--input", '{"text": "hello"}')["budget-spent"]
    assert set(seen["refused"]) == {"budget_spent"}
    assert seen["dead"] == {}
    assert sum(seen["answered"].values()) + seen["refused"]["budget_spent"] == 12


def test_mistakes_are_answered_at_once(leaky: Path) -> None:
    """An unknown scenario or workflow, no workflow, two kinds of input: exit code 2, and what to do."""
    assert "Did you mean 'crash'?" in call("drill", "answer", "--scenario", "crush", cwd=leaky, code=2)
    assert "There is no workflow 'anser'" in call("drill", "anser", cwd=leaky, code=2)
    assert "of one workflow" in call("drill", cwd=leaky, code=2)
    both = ("--input", "{}", "--inputs", "x.jsonl")
    assert "not both" in call("drill", "answer", *both, cwd=leaky, code=2)


def test_the_list_names_every_scenario(tmp_path: Path) -> None:
    """It needs no project."""
    listed = json.loads(call("drill", "--list", "--json", cwd=tmp_path))
    assert [one["name"] for one in listed][:2] == ["provider-outage", "slow-provider"]
