"""Tables of the prompts feature: every text ever registered, and which text each label stands for."""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

prompt_versions = sa.Table(
    "prompt_versions",
    metadata,
    sa.Column("prompt_id", sa.Text, primary_key=True),
    sa.Column("content_hash", sa.Text, primary_key=True),
    sa.Column("first_label", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
    sa.Index("prompt_versions_by_hash", "content_hash"),
)

prompt_labels = sa.Table(
    "prompt_labels",
    metadata,
    sa.Column("prompt_id", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
    sa.Column("moved_at", sa.BigInteger),
    sa.ForeignKeyConstraint(
        ["prompt_id", "content_hash"], ["prompt_versions.prompt_id", "prompt_versions.content_hash"]
    ),
)

__all__ = ["prompt_labels", "prompt_versions"]
