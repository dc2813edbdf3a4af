"""`docs/routing.md` shows settings that load and files that are read."""

import re
from pathlib import Path

import pytest

from roadworthy.models.learned import Case, read_results
from roadworthy.settings import Settings

PAGE = (Path(__file__).parents[4] / "docs" / "routing.md").read_text(encoding="utf-8")
SETTINGS = dict(re.findall(r"```toml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))


def block(kind: str) -> str:
    """The only block of this kind."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_of_the_page_load(tmp_path, name):
    """Each example, laid over the project with which the page begins, is in order."""
    (tmp_path / "roadworthy.toml").write_text(SETTINGS["roadworthy.toml"], encoding="utf-8")
    if name != "roadworthy.toml":
        (tmp_path / "roadworthy.example.toml").write_text(SETTINGS[name], encoding="utf-8")
    route = Settings.load(tmp_path, environment="example").routes["answer"]
    assert route.models == ["small", "large"]
    assert route.choose == (
        name.removesuffix(".toml") if name in ("difficulty.toml", "learned.toml") else "order"
    )
    assert len(route.rules) == (2 if name == "rules.toml" else 0)


def test_no_example_is_left_out():
    """Every block of settings has a name, by which the test above finds it."""
    assert len(SETTINGS) == PAGE.count("```toml") == 4


def test_the_results_of_the_page_are_read(tmp_path):
    """Both kinds of files are accepted as they are shown."""
    (tmp_path / "results.jsonl").write_text(block("json"), encoding="utf-8")
    (tmp_path / "results.csv").write_text(block("csv"), encoding="utf-8")
    lines = read_results(tmp_path / "results.jsonl", cheap="small", strong="large")
    table = read_results(tmp_path / "results.csv", cheap="small", strong="large")
    assert len(lines.cases) == 3
    assert set(table.cases) < set(lines.cases)
    assert Case("Thanks!\nfriendly", 0.5, 0.75) in lines.cases
