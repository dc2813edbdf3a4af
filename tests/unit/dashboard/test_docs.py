"""`docs/dashboard.md` names what there is: pages, their keys, filters."""

import re
from pathlib import Path

from roadworthy.dashboard.navigation import MENU
from roadworthy.dashboard.search import FIELDS, parse

PAGE = (Path(__file__).parents[3] / "docs" / "dashboard.md").read_text(encoding="utf-8")


def test_every_page_is_named_with_its_key():
    """As the menu has them, in its order."""
    told = re.findall(r"^\| `(/\w*)` \| `g (\w)` \|", PAGE, re.MULTILINE)
    assert told == [(entry.address, entry.key) for group in MENU for entry in group.entries]


def test_every_filter_is_named_and_its_example_is_understood():
    """None is left out."""
    told = re.findall(r"^\| `(\w+):([^`]+)` \|", PAGE, re.MULTILINE)
    assert {name for name, _ in told} == set(FIELDS)
    for name, value in told:
        parse(f"{name}:{value}", 1_772_357_400_000)
