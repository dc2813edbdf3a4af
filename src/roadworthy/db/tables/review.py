"""Tables of the review feature: what waits, or waited, for a person, what people said, and what was decided.

Payloads are the last columns, so that a list, which leaves them out, does not read past them.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

_OPEN = sa.text("status = 'open'")

review_items = sa.Table(
    "review_items",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False, server_default=""),
    sa.Column("tenant", sa.Text, nullable=False, server_default=""),
    sa.Column("user_id", sa.Text, nullable=False, server_default=""),
    sa.Column("prompt_id", sa.Text, nullable=False, server_default=""),
    sa.Column("prompt_version", sa.Text, nullable=False, server_default=""),
    sa.Column("call_id", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("step_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("answered_by", sa.Text),
    sa.Column("answered_at", sa.BigInteger),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("question", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("people", sa.Integer, nullable=False, server_default="1"),
    sa.Column("roles", sa.Text, nullable=False, server_default="reviewer"),
    sa.Column("escalate_to", sa.Text, nullable=False, server_default=""),
    sa.Column("escalate_after_ms", sa.BigInteger),
    sa.Column("escalated_at", sa.BigInteger),
    sa.Column("reminded_at", sa.BigInteger),
    sa.Column("assigned_to", sa.Text),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claimed_name", sa.Text),
    sa.Column("claimed_until", sa.BigInteger),
    sa.Column("decision_id", sa.Text),
    sa.Index("review_items_by_run", "run_id"),
    sa.Index("review_items_by_created", "created_at"),
    sa.Index("review_items_open", "created_at", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    sa.Index("review_items_due", "due_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

review_verdicts = sa.Table(
    "review_verdicts",
    metadata,
    sa.Column("review_id", sa.Text, primary_key=True),
    sa.Column("by_id", sa.Text, primary_key=True),
    sa.Column("by_name", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("value", sa.LargeBinary),
)

review_drafts = sa.Table(
    "review_drafts",
    metadata,
    sa.Column("review_id", sa.Text, primary_key=True),
    sa.Column("by_id", sa.Text, primary_key=True),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("draft", sa.LargeBinary, nullable=False),
)

review_quality = sa.Table(
    "review_quality",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("prompt_version", sa.Text, primary_key=True),
    sa.Column("reviewed", sa.Integer, nullable=False),
    sa.Column("errors", sa.Integer, nullable=False),
    sa.Column("upper", sa.Float, nullable=False),
    sa.Column("scores", sa.Text, nullable=False),
    sa.Column("reviewed_in_all", sa.Integer, nullable=False),
    sa.Column("errors_in_all", sa.Integer, nullable=False),
    sa.Column("alarms", sa.Integer, nullable=False),
    sa.Column("alarm_at", sa.BigInteger),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("step_id", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False, server_default=""),
    sa.Column("prompt_version", sa.Text, nullable=False),
    sa.Column("prompt_hash", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("confidence", sa.Float),
    sa.Column("band_proceed", sa.Float),
    sa.Column("band_reject", sa.Float),
    sa.Column("asked_because", sa.Text),
    sa.Column("review_id", sa.Text),
    sa.Column("sampled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("sample_share", sa.Float),
    sa.Column("value_hash", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("decisions_by_run", "run_id"),
    sa.Index("decisions_by_created", "created_at"),
    sa.Index("decisions_by_workflow", "environment", "workflow", "prompt_version", "created_at"),
)

__all__ = ["decisions", "review_drafts", "review_items", "review_quality", "review_verdicts"]
