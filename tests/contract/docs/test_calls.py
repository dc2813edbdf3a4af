"""`docs/calls.md` works as it is written: its project runs, and prints what the page shows."""

import importlib
import re
from pathlib import Path

import pytest

from roadworthy.settings import Settings
from roadworthy.testing.simulated import SimulatedProvider, Unavailable

PAGE = (Path(__file__).parents[3] / "docs" / "calls.md").read_text(encoding="utf-8")
SHOWN = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every named file of the page, in a folder."""
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


async def test_each_rung_answers_as_the_page_shows(project, monkeypatch, capsys):
    """A rule, a model, the cache, the second model, a fallback and a person, one outage after the other."""
    async with SimulatedProvider() as strong, SimulatedProvider() as small:
        servers = {"strong": strong, "small": small}
        for name, server in servers.items():
            monkeypatch.setenv(f"{name.upper()}_URL", server.base_url)
        program = importlib.import_module("outage")

        async def outage(*names: str) -> None:
            for name in names:
                servers[name].add(*[Unavailable()] * 100)

        await program.app.models.target("strong").prepare()
        await program.app.models.target("small").prepare()
        await program.main(outage)
    assert capsys.readouterr().out == SHOWN


def test_a_prompt_asked_for_twice_is_one_with_its_rules(project, monkeypatch):
    """Rules, checks and fallbacks hold wherever the prompt is taken from; another type is another prompt."""
    monkeypatch.setenv("STRONG_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SMALL_URL", "http://127.0.0.1:9/v1")
    desk = importlib.import_module("desk")
    assert desk.app.prompt("draft-reply", output=desk.Reply) is desk.draft_reply
    assert desk.app.prompt("draft-reply") is not desk.draft_reply


@pytest.mark.parametrize("name", ["rules.toml", "budgets.toml"])
def test_the_further_settings_are_valid_beside_the_first(project, monkeypatch, name):
    """What the page adds fits what it began with."""
    monkeypatch.setenv("STRONG_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SMALL_URL", "http://127.0.0.1:9/v1")
    file = project / "roadworthy.toml"
    file.write_text(file.read_text() + "\n" + (project / name).read_text())
    assert Settings.load(project).routes["answer"].models == ["strong", "small"]
