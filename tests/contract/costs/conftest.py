"""A ledger: calls, attempts and runs put into a real database by hand, and what they come to."""

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy.cli import terminal
from roadworthy.cli.main import execute
from roadworthy.db import Database
from roadworthy.db.tables import budgets, metadata, rollups  # noqa: F401 - their tables are made below
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.workflows import runs
from roadworthy.monitoring import Dimension, Filter, Query, Report, costs

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp() * 1000)
"""A Monday."""
END_MS = START_MS + 30 * DAY_MS

CALL = {
    "environment": "production",
    "workflow": "answer_ticket",
    "step": "draft",
    "task": "reply",
    "tenant": "acme",
    "user_id": "ann",
    "prompt_id": "draft-reply",
    "prompt_version": "draft-reply@v1",
    "prompt_hash": "0" * 64,
    "route": "default",
    "status": "succeeded",
    "lane": "live",
}
ATTEMPT = {
    "reason": "first",
    "model": "small",
    "provider": "openai",
    "status": "succeeded",
    "cost_micro_usd": 1_000,
    "cost_source": "settings",
    "input_tokens": 100,
    "output_tokens": 10,
}
RUN = {
    "workflow": "answer_ticket",
    "status": "succeeded",
    "environment": "production",
    "tenant": "acme",
    "user_id": "ann",
    "input_hash": "-",
}
Values = dict[str, Any]


class Ledger:
    """What calls left behind, kept as the pipeline keeps it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._ids = itertools.count()
        self._rows: dict[sa.Table, list[Values]] = {calls: [], call_attempts: [], runs: []}

    def call(self, *attempts: Values, at_ms: int = START_MS, **values: Any) -> str:
        """A call with its attempts; what it comes to is their sum, as the pipeline records it."""
        call_id = f"call_{next(self._ids):06}"
        made = [
            {**ATTEMPT, "call_id": call_id, "number": number, "started_at": at_ms, **attempt}
            for number, attempt in enumerate(attempts, 1)
        ]
        sums = {
            name: sum(one.get(name, 0) for one in made)
            for name in ("cost_micro_usd", "input_tokens", "output_tokens", "cache_read_tokens")
        }
        known = all(one["cost_source"] in ("settings", "genai-prices", "free") for one in made)
        answered = [one["model"] for one in made if one["status"] == "succeeded"]
        self._rows[calls].append(
            {**CALL, "id": call_id, "started_at": at_ms, "attempts": len(made), "cost_known": known, **sums}
            | {"rung": answered[-1] if answered else None}
            | {"provider": "openai" if answered and "rung" not in values else None}
            | values
        )
        self._rows[call_attempts] += made
        return call_id

    def run(self, *attempts: Values, at_ms: int = START_MS, **values: Any) -> str:
        """A run, with one call where it has attempts."""
        run_id = f"run_{next(self._ids):06}"
        row = {**RUN, "id": run_id, "created_at": at_ms, "cost_micro_usd": 0, **values}
        if attempts:
            self.call(*attempts, at_ms=at_ms, run_id=run_id, workflow=row["workflow"], tenant=row["tenant"])
            row["cost_micro_usd"] = self._rows[calls][-1]["cost_micro_usd"]
        self._rows[runs].append(row)
        return run_id

    def store(self) -> None:
        """Put everything into the database."""

        def write(tx: sa.Connection) -> None:
            for table, rows in self._rows.items():
                for row in rows:
                    tx.execute(sa.insert(table).values(row))

        self.database.write_now(write)
        for rows in self._rows.values():
            rows.clear()

    def costs(self, *by: str, **options: Any) -> Report:
        """The costs of these 30 days, grouped."""
        self.store()
        where = Filter(**{name: options.pop(name) for name in list(options) if name in Filter.__slots__})
        query = Query(
            options.pop("since_ms", START_MS),
            options.pop("until_ms", END_MS),
            tuple(map(Dimension, by)),
            where,
            **options,
        )
        return self.database.read_now(lambda tx: costs(tx, query))

    def figures(self, by: str | Sequence[str], *names: str, **options: Any) -> dict[str, Any]:
        """Some figures of each group, by its key."""
        report = self.costs(*([by] if isinstance(by, str) else by), **options)
        return {
            " ".join(row.key): tuple(getattr(row.figures, name) for name in names)
            if len(names) > 1
            else getattr(row.figures, names[0])
            for row in report.rows
        }


@pytest.fixture
def ledger(fresh_database_url: str) -> Iterator[Ledger]:
    """An empty ledger on a database of each kind."""
    database = Database(fresh_database_url)
    yield Ledger(database)
    database.close()


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Desk:
    """A project in the current folder, its ledger, and the command line."""

    ledger: Ledger
    command: Callable[..., Outcome]

    def costs(self, *words: object, since: str = "2026-11-02", until: str = "2026-12-02") -> Outcome:
        """`roadworthy costs` over the days of the ledger."""
        self.ledger.store()
        return self.command("costs", "--since", since, "--until", until, *words)


SETTINGS = """
[project]
name = "desk"

[budgets.month]
scope = "environment"
per_month_usd = 0.01
"""


def open_desk(
    url: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """A desk on this database; commands are called in this process."""
    (folder / "roadworthy.toml").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ROADWORTHY__DATABASE__URL", url)
    monkeypatch.setenv("ROADWORTHY_ENV", "production")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "argv", ["roadworthy"])
    terminal.console.cache_clear()
    database = Database(url)

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        code = execute([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Outcome(code, out, err)

    yield Desk(Ledger(database), call)
    database.close()
    terminal.console.cache_clear()


@pytest.fixture
def desk(
    fresh_database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    """A desk on a database of each kind."""
    yield from open_desk(fresh_database_url, tmp_path, capsys, monkeypatch)


@pytest.fixture
def sqlite_desk(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """A desk on SQLite, where the database makes no difference."""
    yield from open_desk(sqlite_url, tmp_path, capsys, monkeypatch)
