"""`docs/evals.md` works as it is written: its commands print what the page shows, its evaluator judges."""

import asyncio
import importlib
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from roadworthy.evals import Case, Outcome
from roadworthy.evals.evaluator import Workshop
from roadworthy.evals.evaluators.function import PythonSettings
from roadworthy.evals.statistics import cases_needed, wilson
from roadworthy.evals.suite import SuiteSettings

PAGE = (Path(__file__).parents[3] / "docs" / "evals.md").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty project; the page's files come into it."""
    (tmp_path / "roadworthy.toml").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_page_s_commands_print_what_it_shows(project, shown_and_real, fits):
    """From the first suite to the card; and the function of the page says why not."""
    ran = shown_and_real("evals.md")
    assert len(ran) == PAGE.count("\n$ ")
    for command, shown, real in ran:
        assert fits(shown, real), f"{command}\n{real}"
    checks = importlib.import_module("checks")

    async def ask(*_):
        raise AssertionError

    workshop = Workshop(functions=checks.app.evaluators, ask=ask, digest_of=str)
    polite = PythonSettings(kind="python", function="polite").build(workshop)
    said = asyncio.run(polite.score(Case("c", {}), Outcome(output={"message": "You!"})))
    assert (said.passed, said.reason) == (False, "no greeting")
    part = re.search(r"# part of evals/sort-message/suite.toml\n(.*?)```", PAGE, re.DOTALL)
    workshop = replace(workshop, folder=project / "evals" / "sort-message")
    short, text = (one.build(workshop) for one in SuiteSettings(**tomllib.loads(part[1])).evaluators)
    said = asyncio.run(short.score(Case("c", {}), Outcome(output="complaints")))
    assert (said.passed, said.reason) == (False, "10 characters")
    assert asyncio.run(text.score(Case("c", {}), Outcome(output="complaints"))).passed


def test_what_the_page_says_of_numbers_of_cases_is_so():
    """The table of cases that all pass, and the cases that a difference needs."""
    (cases,), (shares,) = (
        re.findall(rf"^\| {row} \|(.*)\|$", PAGE, re.MULTILINE) for row in ("all of", "show")
    )
    lower = [wilson(int(one), int(one), confidence=0.9).low for one in cases.split("|")]
    assert [f"{one:.0%}" for one in lower] == [one.strip() for one in shares.split("|")]
    assert f"cases: {cases_needed(0.1, 0.05)} for 5 points where 10% differ" in PAGE
