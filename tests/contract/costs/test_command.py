"""`roadworthy costs`: what it prints for people and for programs, and what it refuses."""

import csv
import io
import subprocess
import sys
import time
from decimal import Decimal

import pytest

from roadworthy.cli import terminal
from roadworthy.cli.costs_table import micro

pytestmark = pytest.mark.slow  # each command loads a project and its database

HOSTILE = "\x1b[2J[red]hi[/red]\u202e\r\n"
DAY_MS = 86_400_000


def fill(desk) -> None:
    """A little of everything."""
    desk.ledger.call(
        {"model": "small", "status": "failed", "cost_micro_usd": 30_000},
        {"model": "big", "cost_micro_usd": 900_000, "saved_micro_usd": 50_000, "cache_read_tokens": 60},
    )
    desk.ledger.call({"cost_micro_usd": 12_345}, workflow="sort", environment="production")
    desk.ledger.call({"cost_micro_usd": 0, "cost_source": "unknown"}, workflow="sort")
    desk.ledger.call({"cost_micro_usd": 50, "cost_source": "estimate of settings"}, workflow="sort")
    desk.ledger.call(rung="cache", saved_micro_usd=9_000, workflow="sort")
    desk.ledger.run(status="skipped", skip_reason="spam")
    desk.ledger.run({"cost_micro_usd": 1_000_000})


def test_a_document_says_every_figure(desk):
    """Money as decimal strings, times in UTC, the same rows on every database."""
    fill(desk)
    found = desk.costs("--json").json
    assert {name: found[name] for name in ("environment", "by", "since", "others")} == {
        "environment": "production",
        "by": ["workflow"],
        "since": "2026-11-02T00:00:00.000Z",
        "others": None,
    }
    assert [row["workflow"] for row in found["rows"]] == ["answer_ticket", "sort"]
    assert found["rows"][1] == {
        "workflow": "sort",
        "calls": 4,
        "answered": 4,
        "answered_by_cache": 1,
        "answered_by_rule": 0,
        "attempts": 3,
        "input_tokens": 300,
        "output_tokens": 30,
        "cached_tokens": 0,
        "cost_usd": "0.012395",
        "share": 0.006381,
        "cost_per_answer_usd": "0.003098750",
        "unknown_prices": 1,
        "assumed": 1,
        "assumed_usd": "0.00005",
        "saved_by_cache_usd": "0.009",
        "saved_by_prefix_usd": "0",
        "saved_by_batch_usd": "0",
        "saved_by_rules_usd": "0",
        "saved_by_exits_usd": "0",
        "early_exits": 0,
        "unpriced_exits": 0,
    }
    assert found["total"]["cost_usd"] == "1.942395"
    assert found["early_exits"] == [
        {"workflow": "answer_ticket", "reason": "spam", "runs": 1, "saved_usd": "1"}
    ]


def test_dimensions_go_together_and_filters_restrict(desk):
    """By workflow and model, of one workflow; by day, of one model."""
    fill(desk)
    rows = desk.costs("--by", "workflow", "--by", "model", "--workflow", "answer_ticket", "--json").json[
        "rows"
    ]
    assert [(row["workflow"], row["model"], row["cost_usd"]) for row in rows] == [
        ("answer_ticket", "small", "1.03"),
        ("answer_ticket", "big", "0.9"),
        ("answer_ticket", "", "0"),
    ]
    (row,) = desk.costs("--by", "day", "--model", "big", "--json").json["rows"]
    assert (row["day"], row["cost_usd"], row["calls"]) == ("2026-11-02", "0.9", 1)


def test_only_the_environment_at_hand_is_counted(desk):
    """Costs of production are those of production."""
    desk.ledger.call({"cost_micro_usd": 5}, environment="staging")
    assert desk.costs("--json").json["rows"] == []
    assert desk.costs("--json", "--environment", "staging").json["total"]["cost_usd"] == "0.000005"
    said = desk.costs().out
    assert "No calls: environment 'production', 2026-11-02 00:00 to 2026-12-02 00:00 (UTC)." in said


def test_dates_are_those_of_the_time_zone(sqlite_desk):
    """The second of November begins an hour earlier in Berlin."""
    assert (
        sqlite_desk.costs("--json", "--timezone", "Europe/Berlin").json["since"] == "2026-11-01T23:00:00.000Z"
    )
    found = sqlite_desk.costs("--json", since="2026-11-02T09:00+09:00").json
    assert found["since"] == "2026-11-02T00:00:00.000Z"


def test_month_and_ages_are_counted_from_now(sqlite_desk):
    """`month` is this month's first moment; `2h` is two hours ago."""
    month = sqlite_desk.command("costs", "--since", "month", "--json").json
    assert month["since"].endswith("-01T00:00:00.000Z")
    ago = sqlite_desk.command("costs", "--since", "2h", "--json").json
    assert ago["since"] < ago["until"]
    always = sqlite_desk.command("costs", "--since", "99999w", "--by", "day", "--json").json
    assert always["since"] == "1970-01-01T00:00:00.000Z"


def test_the_table_shows_no_unknown_price_as_nothing(sqlite_desk):
    """`?` alone, or behind what is known; the notes say how many requests it is about."""
    sqlite_desk.ledger.call({"cost_micro_usd": 0, "cost_source": "unknown"}, workflow="dark")
    fill(sqlite_desk)
    out = sqlite_desk.costs().out
    cells = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "0.0124 + ?" in cells["sort"]
    assert " ? " in cells["dark"]
    assert "1.94 + ?" in cells["total"]
    assert "+ ?: the price of 2 requests is not known; the cost is more than it shows." in out
    assert "Assumed: 1 request, 0.000050 in all, where the provider counted nothing." in out
    assert "answer_ticket: 1 run ended early (spam); saved about 1.00" in out


def test_columns_in_which_nothing_happened_are_left_out(sqlite_desk):
    """A project without cache and batch does not read about them."""
    sqlite_desk.ledger.call({"cost_micro_usd": 5})
    (header,) = [line for line in sqlite_desk.costs().out.splitlines() if "calls" in line]
    assert " ".join(header.split()) == "workflow calls attempts tokens in tokens out USD share per answer"


def test_a_narrow_terminal_loses_columns_and_never_digits(sqlite_desk, monkeypatch):
    """What does not fit is left out as a whole."""
    fill(sqlite_desk)
    monkeypatch.setenv("COLUMNS", "70")
    terminal.console.cache_clear()
    out = sqlite_desk.costs().out
    assert "…" not in out
    assert "1.94 + ?" in out
    (header,) = [line for line in out.splitlines() if "calls" in line]
    assert "USD" in header
    assert "tokens" not in header


def test_rows_beyond_the_limit_are_one_row(sqlite_desk):
    """The dearest are shown; with the others they still come to the total."""
    for number in range(5):
        sqlite_desk.ledger.call({"cost_micro_usd": 10**number}, tenant=f"t{number}")
    found = sqlite_desk.costs("--by", "tenant", "--limit", "2", "--json").json
    assert [row["tenant"] for row in found["rows"]] == ["t4", "t3"]
    assert (found["others"]["rows"], found["others"]["cost_usd"]) == (3, "0.000111")
    assert "(3 others)" in sqlite_desk.costs("--by", "tenant", "--limit", "2").out
    assert "(3 others)" in sqlite_desk.costs("--by", "tenant", "--limit", "2", "--csv").out


def test_comma_separated_values_can_be_added_up(sqlite_desk):
    """A header, a line for each row, no total; exact dollars."""
    fill(sqlite_desk)
    rows = list(csv.DictReader(io.StringIO(sqlite_desk.costs("--by", "model", "--by", "day", "--csv").out)))
    assert {(row["model"], row["day"]) for row in rows} == {
        (model, "2026-11-02") for model in ("small", "big", "(none)")
    }
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("1.942395")
    assert sum(int(row["calls"]) for row in rows) == 6


def test_names_from_outside_steer_neither_a_terminal_nor_a_spreadsheet(sqlite_desk):
    """A tenant may be called anything."""
    sqlite_desk.ledger.call({"cost_micro_usd": 5}, tenant=HOSTILE)
    sqlite_desk.ledger.call({"cost_micro_usd": 5}, tenant="=HYPERLINK(1)")
    for words in ((), ("--csv",)):
        out = sqlite_desk.costs("--by", "tenant", *words).out
        assert not {"\x1b", "\u202e", "\r"} & set(out)
        assert "[red]hi[/red]" in out
    assert "'=HYPERLINK(1)," in sqlite_desk.costs("--by", "tenant", "--csv").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "modle"], "Did you mean 'model'?"),
        (["--by", "day", "--by", "day"], "'day' is given twice"),
        (["--since", "yesterday"], "'yesterday' is not a time"),
        (["--since", "2026-11-03", "--until", "2026-11-02"], "ends before it begins"),
        (["--timezone", "Europe/Berln"], "Did you mean 'Europe/Berlin'?"),
        (["--since", "2026-11-01", "--timezone", "Mars"], "no time zone 'Mars'"),
        (["--csv", "--json"], "--csv or --json"),
        (["--forecast", "--by", "day"], "whole present month"),
        (["--forecast", "--timezone", "Mars"], "no time zone 'Mars'"),
        (["--until", "9999-12-31"], "'9999-12-31' is too far away"),
        (["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_what_cannot_be_asked_is_said_with_what_to_do(sqlite_desk, words, said):
    """One message, exit code 2."""
    outcome = sqlite_desk.command("costs", *words)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_forecast_for_programs_and_for_people(desk):
    """What is spent and expected, and the budget that is reached."""
    now_ms = int(time.time() * 1000)
    for days in range(11):
        desk.ledger.call({"cost_micro_usd": 10_000}, at_ms=now_ms - days * DAY_MS)
    desk.ledger.store()
    found = desk.command("costs", "--forecast", "--json").json
    assert found["basis"] == "days"
    assert found["days_seen"] >= 10
    assert Decimal(found["expected_usd"]) >= Decimal(found["spent_usd"])
    assert Decimal(found["low_usd"]) <= Decimal(found["expected_usd"]) <= Decimal(found["high_usd"])
    (month,) = found["budgets"]
    assert (month["budget"], month["unit"], month["limit"], month["spent"]) == ("month", "usd", "0.01", "0")
    said = desk.command("costs", "--forecast").out
    assert "environment 'production', in US dollars" in said
    assert "from 14 days on, of each weekday" in said
    assert "month" in said


def test_what_a_run_leaves_behind_is_what_costs_count(sqlite_desk, tmp_path):
    """A real workflow, executed by a real worker: its calls stand under their workflow, step and prompt."""
    project = tmp_path / "made"
    assert sqlite_desk.command("init", project).code == 0
    words = ["run", "sort_message", "--input", '{"text": "Where is my parcel?"}', "--project", str(project)]
    subprocess.run([sys.executable, "-m", "roadworthy.cli.main", *words], check=True, capture_output=True)
    by = [word for name in ("workflow", "step", "prompt", "model", "rung") for word in ("--by", name)]
    (row,) = sqlite_desk.command("costs", "--json", "--project", project, *by).json["rows"]
    told = ("workflow", "step", "prompt", "model", "rung", "calls", "answered", "attempts", "cost_usd")
    assert [row[name] for name in told] == [
        "sort_message",
        "sort-message",
        "sort-message@v1",
        "rule",
        "rule",
        1,
        1,
        1,
        "0",
    ]


@pytest.mark.parametrize(
    ("micro_usd", "shown"),
    [
        (0, "0"),
        (1, "0.000001"),
        (12, "0.000012"),
        (123, "0.000123"),
        (1_234, "0.00123"),
        (12_345, "0.0123"),
        (500_000, "0.500"),
        (999_999, "1.000"),
        (1_234_567, "1.23"),
        (123_456_789, "123.46"),
        (1_234_567_890_000, "1,234,567.89"),
        (-5, "-0.000005"),
    ],
)
def test_money_is_shown_with_the_digits_that_matter(micro_usd, shown):
    """Two decimals from a dollar on, three digits below."""
    assert micro(micro_usd) == shown
