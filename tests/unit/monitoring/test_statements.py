"""How reports are read on SQLite: by the index on time, however they are grouped."""

import pytest
import sqlalchemy as sa

from roadworthy.db import Database
from roadworthy.monitoring import Dimension, Filter, Query, costs


@pytest.mark.parametrize("by", [(), ("workflow",), ("model", "day"), ("user", "prompt"), ("run",)])
def test_a_report_of_a_day_does_not_read_a_year(sqlite_url, by):
    """Every statement finds its rows by the time, or by the id of a call or run, and scans no table."""
    database = Database(sqlite_url)
    said: list[str] = []

    def look(tx: sa.Connection) -> list[str]:
        sa.event.listen(tx, "before_cursor_execute", lambda *given: said.append((given[2], given[3])))
        query = Query(1_000, 2_000, tuple(map(Dimension, by)), Filter(environment="production"), "Asia/Tokyo")
        costs(tx, query)
        statements = list(said)
        return [
            row[3]
            for sql, values in statements
            if sql != "BEGIN"
            for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        ]

    try:
        plans = database.read_now(look)
    finally:
        database.close()
    assert sum("INDEX calls_by_started (started_at>? AND started_at<?)" in line for line in plans) == 2
    assert sum("INDEX runs_by_" in line for line in plans) == 1
    assert [line for line in plans if line.startswith("SCAN")] == []
