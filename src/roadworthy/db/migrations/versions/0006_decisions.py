"""Decisions: what rules and people decided, verdicts, drafts, and how good automatic decisions are."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables of decisions; say of reviews who decides by when, of actions what let them."""
    op.create_table(
        "decisions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt_version", sa.Text(), nullable=False),
        sa.Column("prompt_hash", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("band_proceed", sa.Float(), nullable=True),
        sa.Column("band_reject", sa.Float(), nullable=True),
        sa.Column("asked_because", sa.Text(), nullable=True),
        sa.Column("review_id", sa.Text(), nullable=True),
        sa.Column("sampled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sample_share", sa.Float(), nullable=True),
        sa.Column("value_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("decisions_by_run", "decisions", ["run_id"], unique=False)
    op.create_index("decisions_by_created", "decisions", ["created_at"], unique=False)
    op.create_index(
        "decisions_by_workflow",
        "decisions",
        ["environment", "workflow", "prompt_version", "created_at"],
        unique=False,
    )
    op.create_table(
        "review_drafts",
        sa.Column("review_id", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("draft", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("review_id", "by_id"),
    )
    op.create_table(
        "review_quality",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("prompt_version", sa.Text(), nullable=False),
        sa.Column("reviewed", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("upper", sa.Float(), nullable=False),
        sa.Column("scores", sa.Text(), nullable=False),
        sa.Column("reviewed_in_all", sa.Integer(), nullable=False),
        sa.Column("errors_in_all", sa.Integer(), nullable=False),
        sa.Column("alarms", sa.Integer(), nullable=False),
        sa.Column("alarm_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "workflow", "prompt_version"),
    )
    op.create_table(
        "review_verdicts",
        sa.Column("review_id", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("review_id", "by_id"),
    )
    op.add_column("review_items", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("review_items", sa.Column("people", sa.Integer(), server_default="1", nullable=False))
    op.add_column("review_items", sa.Column("roles", sa.Text(), server_default="reviewer", nullable=False))
    op.add_column("review_items", sa.Column("escalate_to", sa.Text(), server_default="", nullable=False))
    op.add_column("review_items", sa.Column("escalate_after_ms", sa.BigInteger(), nullable=True))
    op.add_column("review_items", sa.Column("escalated_at", sa.BigInteger(), nullable=True))
    op.add_column("review_items", sa.Column("reminded_at", sa.BigInteger(), nullable=True))
    op.add_column("review_items", sa.Column("assigned_to", sa.Text(), nullable=True))
    op.add_column("review_items", sa.Column("claimed_by", sa.Text(), nullable=True))
    op.add_column("review_items", sa.Column("claimed_name", sa.Text(), nullable=True))
    op.add_column("review_items", sa.Column("claimed_until", sa.BigInteger(), nullable=True))
    op.add_column("review_items", sa.Column("decision_id", sa.Text(), nullable=True))
    op.create_index(
        "review_items_due",
        "review_items",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.add_column("actions", sa.Column("decision_id", sa.Text(), nullable=True))
