"""`roadworthy budgets`, called in this process on a project of its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from roadworthy.budgets import Amount, Budgets, Subject, store
from roadworthy.cli import terminal
from roadworthy.cli.main import execute
from roadworthy.db import Database
from roadworthy.db.schema import upgrade
from roadworthy.records import SystemClock
from roadworthy.settings import Settings

pytestmark = pytest.mark.slow  # each command loads a project and its database

SECTIONS = """
[project]
name = "desk"

[budgets.everything]
scope = "environment"
per_month_usd = 50
when_spent = "degrade"

[budgets.tenants]
scope = "tenant"
per_month_usd = "2.5"
per_month_tokens = 1000
when_spent = "open"

[budgets.call]
scope = "call"
usd = "0.25"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with budgets, current while the test runs."""
    (tmp_path / "roadworthy.toml").write_text(SECTIONS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROADWORTHY_ENV", raising=False)
    terminal.console.cache_clear()
    yield tmp_path
    terminal.console.cache_clear()


@pytest.fixture
def spend(project: Path) -> Callable[..., None]:
    """Set an amount aside for a tenant, and settle it where it is said what was spent."""

    def make(tenant: str, reserved: Amount, spent: Amount | None = None) -> None:
        settings, now_ms = Settings.load(project), SystemClock().now_ms()
        budgets = Budgets(settings.budgets)
        accounts = budgets.accounts(Subject("development", tenant=tenant), now_ms)
        database = Database(settings.database.url)
        upgrade(database)
        try:
            assert not database.write_now(lambda tx: store.reserve(tx, accounts, reserved, now_ms)).refusal
            if spent is not None:
                keys = [one.key for one in accounts]
                database.write_now(lambda tx: store.settle(tx, keys, reserved, spent, now_ms))
        finally:
            database.close()

    return make


def documents(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The rows that `--json` prints, by budget and subject."""
    assert execute(["budgets", "--json", *words]) == 0
    rows = json.loads(capsys.readouterr().out)["budgets"]
    return {f"{row['budget']}/{row['subject']}": row for row in rows}


def test_every_budget_is_listed_before_anything_is_spent(project, capsys):
    """With its limit, all of which is left."""
    rows = documents(capsys)
    assert list(rows) == ["call/", "everything/development", "tenants/"]
    assert rows["everything/development"]["left_usd"] == "50"
    assert rows["call/"]["share"] is None
    assert execute(["budgets"]) == 0
    assert "(each tenant)" in capsys.readouterr().out


def test_what_is_spent_set_aside_and_left_is_told_exactly(spend, capsys):
    """Dollars as decimal strings, to the micro-dollar."""
    spend("acme", Amount(300_001, 200), Amount(250_001, 150))
    spend("acme", Amount(1_000_000, 50))
    spend("globex", Amount(1, 1))
    rows = documents(capsys)
    acme = rows["tenants/acme"]
    assert {name: acme[name] for name in acme if name.endswith("_usd")} == {
        "limit_usd": "2.5",
        "spent_usd": "0.250001",
        "reserved_usd": "1",
        "left_usd": "1.249999",
    }
    assert [acme[f"{name}_tokens"] for name in ("limit", "spent", "reserved", "left")] == [1000, 150, 50, 800]
    assert acme["share"] == 0.5
    assert rows["everything/development"]["reserved_usd"] == "1.000001"
    assert list(documents(capsys, "--limit", "1")) == ["call/", "everything/development", "tenants/acme"]


def test_requests_without_a_price_are_marked(spend, capsys, monkeypatch):
    """An unknown price does not look like nothing."""
    monkeypatch.setenv("ROADWORTHY__BUDGETS__EVERYTHING__WHEN_SPENT", "open")
    spend("acme\x1b[2J", Amount(None, 3), Amount(None, 3))
    assert execute(["budgets"]) == 0
    out = capsys.readouterr().out
    assert "$0 + ?" in out
    assert "\x1b" not in out


def test_a_project_without_budgets_is_told_how_to_make_one(project, capsys):
    """And is no error."""
    (project / "roadworthy.toml").write_text('[project]\nname = "desk"\n', encoding="utf-8")
    assert execute(["budgets"]) == 0
    assert "[budgets.<name>]" in capsys.readouterr().out
