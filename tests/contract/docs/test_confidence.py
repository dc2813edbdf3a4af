"""`docs/confidence.md` works as it is written: a day of decisions, and what is learnt from it."""

import asyncio
import importlib
import re
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "confidence.md").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page's files, its prompt in the folder of prompts."""
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        file = tmp_path / ("prompts/sort-ticket/v1.md" if name == "sort-ticket.md" else name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_a_day_teaches_is_shown_and_used(project, shown_and_real, fits):
    """The commands print what the page shows, and an answer has the probability afterwards."""
    asyncio.run(importlib.import_module("day").main())
    for command, shown, real in shown_and_real("confidence.md"):
        assert fits(shown, real), f"{command}\n{real}"
    assert "<circle" in (project / "confidence.html").read_text(encoding="utf-8")
    settings = project / "roadworthy.toml"
    settings.write_text(
        settings.read_text() + '[prompts.sort-ticket]\nconfidence = "confidence/sort-ticket.json"\n'
    )
    for name in ("desk", "clerk"):
        del sys.modules[name]
    desk = importlib.import_module("desk")
    answer = asyncio.run(_asked(desk))
    assert 0.3 < answer.confidence < 0.85


async def _asked(desk):
    async with desk.app.running(work=False):
        return await desk.sort(ticket="2")
