"""`docs/provider-batch.md` works as it is written: its project runs, and prints what the page shows."""

import importlib
import re
from pathlib import Path

import pytest

from roadworthy.testing.simulated import ServerError, SimulatedProvider, When, text_contains

PAGE = (Path(__file__).parents[3] / "docs" / "provider-batch.md").read_text(encoding="utf-8")
SHOWN = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every named file of the page, in a folder."""
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PROVIDER_KEY", "made-up")
    return tmp_path


@pytest.mark.usefixtures("project")
async def test_the_program_prints_what_the_page_shows(monkeypatch, capsys):
    """Five tickets through a batch, one of which fails there."""
    fault = When(text_contains("parcel 3?"), ServerError(), times=1)
    async with SimulatedProvider([fault]) as server:
        monkeypatch.setenv("PROVIDER_URL", server.base_url)
        await importlib.import_module("desk").main()
        assert (server.billed, server.billed_in_batches) == (5, 4)
    assert capsys.readouterr().out == SHOWN
