"""Tables of the calls feature: one row per call, one per provider attempt, and what was sent and received."""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text),
    sa.Column("step_id", sa.Text),
    sa.Column("step_attempt", sa.Integer),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False, server_default=""),
    sa.Column("user_id", sa.Text, nullable=False, server_default=""),
    sa.Column("prompt_id", sa.Text, nullable=False),
    sa.Column("prompt_version", sa.Text, nullable=False),
    sa.Column("prompt_hash", sa.Text, nullable=False),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("rung", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("provider", sa.Text),
    sa.Column("error_kind", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cache_read_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cache_write_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cost_known", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("deadline_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Index("calls_by_run", "run_id"),
    sa.Index("calls_by_prompt", "prompt_id", "started_at"),
    sa.Index("calls_by_started", "started_at"),
    sa.Index(
        "calls_running",
        "deadline_at",
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    ),
)

call_attempts = sa.Table(
    "call_attempts",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("provider_model", sa.Text),
    sa.Column("provider_request_id", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error_kind", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("http_status", sa.Integer),
    sa.Column("finish_reason", sa.Text),
    sa.Column("notes", sa.Text),
    sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cache_read_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cache_write_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cost_source", sa.Text, nullable=False, server_default=""),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger),
)

call_payloads = sa.Table(
    "call_payloads",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("sent", sa.LargeBinary, nullable=False),
    sa.Column("received", sa.LargeBinary),
)

__all__ = ["call_attempts", "call_payloads", "calls"]
