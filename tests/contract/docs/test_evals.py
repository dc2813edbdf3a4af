"""`docs/evals.md` works as it is written: its commands print what the page shows, its evaluator judges."""

import asyncio
import importlib
import sys
from pathlib import Path

import pytest

from roadworthy.evals import Case, Outcome
from roadworthy.evals.evaluator import Workshop
from roadworthy.evals.evaluators.function import PythonSettings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty project; the page's files come into it."""
    (tmp_path / "roadworthy.toml").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("checks", None)


def test_the_page_s_commands_print_what_it_shows(project, shown_and_real, fits):
    """Import, export and card; and the function of the page says why not."""
    ran = shown_and_real("evals.md")
    assert len(ran) == 5
    for command, shown, real in ran:
        assert fits(shown, real), f"{command}\n{real}"
    checks = importlib.import_module("checks")

    async def ask(*_):
        raise AssertionError

    workshop = Workshop(functions=checks.app.evaluators, ask=ask, digest_of=str)
    polite = PythonSettings(kind="python", function="polite").build(workshop)
    said = asyncio.run(polite.score(Case("c", {}), Outcome(output={"message": "You!"})))
    assert (said.passed, said.reason) == (False, "no greeting")
