"""Projects with a prompt of several versions, on each kind of database; several apps are several programs."""

import asyncio
import time

import pytest

from roadworthy import App
from roadworthy.audit import Actor, ActorKind, acting

PROMPT = """---
inputs:
  text: str
---
# user
{label}: {{{{ text }}}}
"""
QUICK = {
    "workers.poll_seconds": 0.05,
    "workers.heartbeat_seconds": 0.2,
    "workers.dead_after_seconds": 1.0,
    "workers.park_after_seconds": 0.3,
    "workers.shutdown_seconds": 0.1,
}
TOML = """
[models.echo]
provider = "python"
function = "rules:echo"
[models.shout]
provider = "python"
function = "rules:shout"
[routes.default]
models = ["echo"]
[routes.mini]
models = ["shout"]
"""


def write_prompt(root, label, text=None, prompt_id="reply"):
    """Write a version as a file."""
    folder = root / "prompts" / prompt_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{label}.md").write_text(text or PROMPT.format(label=label))


@pytest.fixture(name="write_prompt")
def write_prompt_fixture():
    """Write a version as a file."""
    return write_prompt


@pytest.fixture
def project(tmp_path):
    """A project whose model says the prompt as it was asked, in two versions; the newest serves."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "roadworthy.toml").write_text(TOML)
    write_prompt(root, "v1")
    write_prompt(root, "v2")
    return root


@pytest.fixture
def make_app(project, fresh_database_url):
    """Make an app of the project on the test's database."""

    def make(environment="development", **overrides):
        given = {name.replace("__", "."): value for name, value in overrides.items()}
        url = {"database.url": fresh_database_url}
        app = App.load(project, environment=environment, overrides={**url, **QUICK, **given})
        app._functions["rules:echo"] = lambda request: request.messages[-1].text
        app._functions["rules:shout"] = lambda request: request.messages[-1].text.upper()
        return app

    return make


@pytest.fixture
async def app(make_app):
    """An app that is open, without a worker."""
    made = make_app()
    async with made.running(work=False):
        yield made


@pytest.fixture
async def other(make_app, app):
    """Another program on the same database."""
    made = make_app()
    async with made.running(work=False):
        yield made


@pytest.fixture
def person():
    """Act as somebody who can be found on record."""
    with acting(Actor(ActorKind.PERSON, "person_1", "Ada")):
        yield "person_1"


@pytest.fixture
def until():
    """Wait for a condition, which may be asynchronous."""

    async def wait(condition, *, seconds=20):
        give_up_at = time.monotonic() + seconds
        while True:
            met = condition()
            if await met if asyncio.iscoroutine(met) else met:
                return
            if time.monotonic() > give_up_at:
                pytest.fail(f"This did not happen within {seconds} s.")
            await asyncio.sleep(0.02)

    return wait
