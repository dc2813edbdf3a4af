"""Within means: budgets, limits, cached answers, reviews, and what calls say of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of the second release, and add to runs, calls and their attempts."""
    op.create_table(
        "batch_requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error_kind", sa.Text(), nullable=True),
        sa.Column("hold", sa.Text(), nullable=True),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "batch_requests_by_status",
        "batch_requests",
        ["environment", "status", "model", "made_at"],
        unique=False,
    )
    op.create_index("batch_requests_by_batch", "batch_requests", ["batch_id", "status"], unique=False)
    op.create_index("batch_requests_by_run", "batch_requests", ["run_id"], unique=False)
    op.create_table(
        "budget_accounts",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("budget", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("spent_micro_usd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_micro_usd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unpriced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "budget", "window", "subject"),
    )
    op.create_index("budget_accounts_by_end", "budget_accounts", ["ends_at"], unique=False)
    op.create_table(
        "cached_answers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("prompt_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rung", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("usage", sa.Text(), nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("degraded", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("fresh_until", sa.BigInteger(), nullable=False),
        sa.Column("stale_until", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("saved_micro_usd", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("cached_answers_by_end", "cached_answers", ["stale_until"], unique=False)
    op.create_index("cached_answers_by_prompt", "cached_answers", ["prompt_id"], unique=False)
    op.create_table(
        "model_health",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("open_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("blocked_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "model"),
    )
    op.create_table(
        "model_probes",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "model", "slot"),
    )
    op.create_table(
        "model_slots",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "provider_batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("handle", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=True),
        sa.Column("submitted_at", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claim_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error_kind", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "provider_batches_by_state", "provider_batches", ["environment", "state", "next_at"], unique=False
    )
    op.create_index("provider_batches_by_made", "provider_batches", ["made_at"], unique=False)
    op.create_table(
        "rate_buckets",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("full_at_us", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("accounts", sa.Text(), nullable=False),
        sa.Column("micro_usd", sa.BigInteger(), nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("reservations_by_expiry", "reservations", ["expires_at"], unique=False)
    op.create_table(
        "review_items",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), server_default="", nullable=False),
        sa.Column("tenant", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt_id", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt_version", sa.Text(), server_default="", nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("step_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("review_items_by_created", "review_items", ["created_at"], unique=False)
    op.create_index("review_items_by_run", "review_items", ["run_id"], unique=False)
    op.create_index(
        "review_items_open",
        "review_items",
        ["created_at", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.add_column(
        "call_attempts", sa.Column("saved_micro_usd", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("call_attempts", sa.Column("lane", sa.Text(), server_default="live", nullable=False))
    op.add_column("calls", sa.Column("workflow", sa.Text(), server_default="", nullable=False))
    op.add_column("calls", sa.Column("step", sa.Text(), server_default="", nullable=False))
    op.add_column("calls", sa.Column("task", sa.Text(), server_default="", nullable=False))
    op.add_column("calls", sa.Column("lane", sa.Text(), server_default="live", nullable=False))
    op.add_column("calls", sa.Column("rule", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("stale", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("calls", sa.Column("degraded", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("calls", sa.Column("confidence", sa.Float(), nullable=True))
    op.add_column("calls", sa.Column("skipped", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("saved_micro_usd", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("runs", sa.Column("lane", sa.Text(), server_default="live", nullable=False))
    op.add_column("runs", sa.Column("lane_until", sa.BigInteger(), nullable=True))
