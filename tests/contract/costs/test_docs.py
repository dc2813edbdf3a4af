"""`docs/costs.md` shows what the commands print, and names everything that there is."""

import re
import runpy
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadworthy.cli import costs_table, forecast_table
from roadworthy.db.tables.budgets import budget_accounts
from roadworthy.monitoring import Dimension, Figures, Filter, Query, Report, forecast
from roadworthy.settings import Settings
from roadworthy.testing import FakeClock

PAGE = (Path(__file__).parents[3] / "docs" / "costs.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR_MS = 3_600_000

pytestmark = pytest.mark.slow  # each command loads a project and its database


def blocks(language: str) -> list[str]:
    """The page's code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def fill(desk) -> None:
    """The calls of three weeks of November: a support desk that answers tickets and sorts mail."""
    first_ms = int(datetime(2026, 11, 1, 8, tzinfo=UTC).timestamp() * 1000)
    for day in range(21):
        at_ms = first_ms + day * 24 * HOUR_MS
        at_work = datetime.fromtimestamp(at_ms / 1000, UTC).weekday() < 5
        if day == 20:
            at_ms -= HOUR_MS
        for number in range(10 + day * 5 % 9 if at_work else 4):
            _ticket(desk.ledger, at_ms + number, number)
        for number in range(24 + day * 7 % 13 if at_work else 6):
            desk.ledger.run(
                {"model": "small", "cost_micro_usd": 1_150, "input_tokens": 900, "output_tokens": 12},
                at_ms=at_ms + number,
                workflow="sort_mail",
                tenant="acme" if number % 3 else "globex",
            )
    desk.ledger.store()


def _ticket(ledger, at_ms: int, number: int) -> None:
    big = {"model": "big", "cost_micro_usd": 41_800, "input_tokens": 6_100, "output_tokens": 420}
    big |= {"cache_read_tokens": 4_096, "saved_micro_usd": 11_059}
    small = {"model": "small", "status": "invalid", "cost_micro_usd": 2_400, "input_tokens": 5_900}
    tenant = "globex" if number % 4 == 0 else "acme"
    if number == 5:
        ledger.run(at_ms=at_ms, status="skipped", skip_reason="spam", tenant=tenant)
    elif number == 3:
        ledger.call(at_ms=at_ms, rung="cache", saved_micro_usd=44_200, tenant=tenant)
    elif number == 7:
        local = {"model": "trial", "cost_micro_usd": 0, "cost_source": "unknown", "input_tokens": 6_000}
        ledger.run(local, at_ms=at_ms, tenant=tenant)
    elif number == 9:
        lost = {"model": "big", "status": "failed", "cost_source": "estimate of genai-prices"}
        ledger.run(
            {**big, **lost, "saved_micro_usd": 0, "cache_read_tokens": 0}, big, at_ms=at_ms, tenant=tenant
        )
    else:
        ledger.run(small, big, at_ms=at_ms, tenant=tenant)


def settle(desk) -> None:
    """What the budgets of the page have spent by then."""
    rows = [
        ("month", "production", "2026-11", 9_640_000),
        ("tenants", "acme", "2026-11-21", 110_000),
        ("tenants", "globex", "2026-11-21", 45_000),
    ]
    values = [
        {"environment": "production", "budget": name, "subject": subject, "window": window, "updated_at": 0}
        | {"spent_micro_usd": spent}
        for name, subject, window, spent in rows
    ]
    desk.ledger.database.write_now(lambda tx: tx.execute(sa.insert(budget_accounts), values) and None)


def printed(text: str) -> list[str]:
    """Lines without the spaces at their ends, which no page keeps."""
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.fixture
def november(sqlite_desk, monkeypatch):
    """The desk of the page, with its settings and its calls."""
    monkeypatch.setenv("COLUMNS", "120")
    (settings,) = blocks("toml")
    Path("roadworthy.toml").write_text(f'[project]\nname = "desk"\n{settings}', encoding="utf-8")
    fill(sqlite_desk)
    settle(sqlite_desk)
    return sqlite_desk


def test_every_command_of_the_page_prints_what_stands_there(november, capsys):
    """Commands with their output; the forecast as it is on the 21st at noon."""
    shown = blocks("console")
    assert len(shown) >= 3
    for block in shown:
        command, _, output = block.removeprefix("$ roadworthy ").partition("\n")
        if "--forecast" in command:
            budgets = Settings.load(Path.cwd()).budgets
            found = november.ledger.database.read_now(
                lambda tx, budgets=budgets: forecast(
                    tx, Filter(environment="production"), FakeClock(NOW), budgets
                )
            )
            capsys.readouterr()
            forecast_table.print_forecast(found)
            said = capsys.readouterr().out
        else:
            said = november.command(*command.split()).out
        assert printed(said) == printed(output), command


def test_the_program_of_the_page_prints_what_stands_there(november, capsys):
    """The same figures from Python."""
    (program,), (output,) = blocks("python"), blocks("text")
    Path("month.py").write_text(program, encoding="utf-8")
    capsys.readouterr()
    runpy.run_path("month.py")
    assert printed(capsys.readouterr().out) == printed(output)


def test_the_page_names_every_dimension_and_every_figure():
    """A column or grouping that is not on the page cannot be understood."""
    named = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    report = Report(Query(0, 1), (), Figures(), (), 0)
    assert named == {one.value for one in Dimension} | set(costs_table.figures(report, Figures()))
