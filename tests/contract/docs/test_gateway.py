"""`docs/gateway.md` works as it is written: its prototype runs unchanged, and prints what the page shows."""

import os
import re
import subprocess
import sys
from asyncio import to_thread
from pathlib import Path

import pytest

from roadworthy.access import Principal
from roadworthy.app import App
from roadworthy.service import Server, Service
from roadworthy.service.gateway import caller, chat_form, responses_form
from roadworthy.testing.simulated import SimulatedProvider, Unavailable

PAGE = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
SHOWN = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.mark.slow
async def test_the_prototype_prints_what_the_page_shows(tmp_path, monkeypatch):
    """Against a real service, in a process of its own."""
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text)
    async with SimulatedProvider() as first, SimulatedProvider() as second:
        monkeypatch.setenv("FIRST_URL", first.base_url)
        monkeypatch.setenv("SECOND_URL", second.base_url)
        first.add("It is on its way.", Unavailable(), Unavailable())
        second.add("Yes, within 30 days.", "Yes, tomorrow is fine.")
        app = App.load(tmp_path, overrides={"service.port": 0})
        async with app.running(work=False):
            _, secret = await app.access.create_key(Principal.terminal("test"), "prototype")
            async with Server(Service(app, works=False), app.settings.service) as server:
                its = {**os.environ, "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": secret}
                done = await to_thread(
                    subprocess.run,
                    [sys.executable, str(tmp_path / "prototype.py")],
                    env=its,
                    capture_output=True,
                    text=True,
                    check=False,
                )
    assert done.stdout == SHOWN, done.stderr


def test_the_page_names_every_header_and_everything_that_is_refused():
    """What the code knows, the page says."""
    named = set(re.findall(r"`([\w-]+)`", PAGE))
    headers = set(re.findall(r"^ *([A-Z]\w+-\w+)  ", caller.__doc__, re.MULTILINE))
    assert len(headers) == 7
    assert headers <= named
    assert {*chat_form.REFUSED, *responses_form.REFUSED} <= named
