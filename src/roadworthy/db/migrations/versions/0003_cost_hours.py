"""What the calls of each hour come to, so that reports of costs stay fast."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OF_KEY = (
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
_FIGURES = (
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


def upgrade() -> None:
    """Create the tables; what is on record is added up when a worker or a report first looks."""
    op.create_table(
        "call_keys",
        sa.Column("id", _NUMBER, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _OF_KEY),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(*_OF_KEY, name="call_keys_once"),
    )
    op.create_table(
        "call_hours",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in _FIGURES),
        sa.PrimaryKeyConstraint("key_id", "hour"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_latencies",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "hour", "bucket"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rolled_up",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rolled_until", sa.BigInteger(), nullable=False),
        sa.Column("swept_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "changed_hours",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("changed_hours_by_hour", "changed_hours", ["hour"], unique=False)
