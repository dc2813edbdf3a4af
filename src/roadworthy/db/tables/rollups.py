"""Tables of the roll-ups: what the calls of each hour come to, and how far that has been added up.

call_hours        the figures of one hour's calls that have the same key
call_latencies    how long its answered calls took, as counts in the buckets of `monitoring/latency.py`
call_keys         the keys: each once, so that an hour's row is numbers only
rolled_up         one row: hours before `rolled_until` are added up, calls before `swept_until` are deleted
changed_hours     a row for each write to a call of an hour that may have been added up before

The rows of a key lie together, in the order of hours: sums by key then need no sorting. Times are
milliseconds since 1970, money is micro-dollars; an hour is named by its first millisecond. No table knows
users or runs.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""Of a column that counts by itself: SQLite does so for its own integers only."""

OF_KEY = (
    "environment",
    "workflow",
    "step",
    "prompt_id",
    "prompt_version",
    "model",
    "tenant",
    "task",
    "rung",
    "lane",
)
OF_CALLS = (
    "calls",
    "answered",
    "cache_answers",
    "rule_answers",
    "saved_by_cache_micro_usd",
    "saved_by_rules_micro_usd",
    "call_attempts",
    "call_input_tokens",
    "call_output_tokens",
    "call_cached_tokens",
    "call_cost_micro_usd",
)
"""Where models are told apart, a call counts for the one that answered it, with all that it took."""
OF_ATTEMPTS = (
    "attempts",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_micro_usd",
    "unknown_prices",
    "assumed",
    "assumed_micro_usd",
    "saved_by_prefix_micro_usd",
    "saved_by_batch_micro_usd",
)
"""These count for the model that was asked."""

call_keys = sa.Table(
    "call_keys",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in OF_KEY),
    sa.UniqueConstraint(*OF_KEY, name="call_keys_once"),
)

call_hours = sa.Table(
    "call_hours",
    metadata,
    sa.Column("key_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
    *(
        sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
        for name in (*OF_CALLS, *OF_ATTEMPTS)
    ),
    sqlite_with_rowid=False,
)

call_latencies = sa.Table(
    "call_latencies",
    metadata,
    sa.Column("key_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

rolled_up = sa.Table(
    "rolled_up",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rolled_until", sa.BigInteger, nullable=False),
    sa.Column("swept_until", sa.BigInteger, nullable=False),
)

changed_hours = sa.Table(
    "changed_hours",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("hour", sa.BigInteger, nullable=False),
    sa.Index("changed_hours_by_hour", "hour"),
)

__all__ = [
    "NUMBER",
    "OF_ATTEMPTS",
    "OF_CALLS",
    "OF_KEY",
    "call_hours",
    "call_keys",
    "call_latencies",
    "changed_hours",
    "rolled_up",
]
