"""`docs/reviews.md` works as it is written: its project runs, and prints what the page shows."""

import importlib
import re
from pathlib import Path

import pytest

from roadworthy.review import Bands, rule_on

PAGE = (Path(__file__).parents[3] / "docs" / "reviews.md").read_text(encoding="utf-8")
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


async def test_the_day_goes_as_the_page_shows(project, capsys):
    """The rule says yes and no, a person approves, edits and rejects."""
    await importlib.import_module("day").main()
    assert capsys.readouterr().out == SHOWN


def test_the_table_of_the_page_is_the_rule_of_the_code():
    """As many rows as there are ways to rule, and each leads where the page says."""
    rows = re.findall(r"^\| (.+?) \| (a person|the rule `band`: \w+) \|$", PAGE, re.MULTILINE)
    bands = Bands(0.85, 0.2)
    rulings = [
        rule_on(0.9, None),
        rule_on(0.9, bands, conflict=True),
        rule_on(0.9, bands, degraded=True),
        rule_on(None, bands),
        rule_on(0.85, bands),
        rule_on(0.1, bands),
        rule_on(0.5, bands),
    ]
    said = ["a person" if one.outcome == "ask" else f"the rule `band`: {one.outcome}" for one in rulings]
    assert [who for _, who in rows] == said
