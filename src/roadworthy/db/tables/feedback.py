"""Tables of end users' feedback: what they said of an output, and the secret that signs links to say it."""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("workflow", sa.Text, nullable=False, server_default=""),
    sa.Column("tenant", sa.Text, nullable=False, server_default=""),
    sa.Column("prompt_id", sa.Text, nullable=False, server_default=""),
    sa.Column("prompt_version", sa.Text, nullable=False, server_default=""),
    sa.Column("user_id", sa.Text, nullable=False, server_default=""),
    sa.Column("by", sa.Text, nullable=False, server_default=""),
    sa.Column("scale", sa.Text, nullable=False),
    sa.Column("rating", sa.Integer),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("said", sa.LargeBinary),
    sa.Index("feedback_by_call", "call_id"),
    sa.Index("feedback_by_run", "run_id"),
    sa.Index("feedback_by_created", "created_at"),
)

instance_secrets = sa.Table(
    "instance_secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

__all__ = ["feedback", "instance_secrets"]
