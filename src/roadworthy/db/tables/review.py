"""Tables of the review feature: one row for each question that waits, or waited, for a person.

The two payloads are the last columns, so that a list, which leaves them out, does not read past them.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

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
    sa.Index("review_items_by_run", "run_id"),
    sa.Index("review_items_by_created", "created_at"),
    sa.Index(
        "review_items_open",
        "created_at",
        "id",
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    ),
)

__all__ = ["review_items"]
