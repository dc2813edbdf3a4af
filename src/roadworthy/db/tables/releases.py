"""Tables of the releases feature: what serves whom, every change of it, and who met which arm of a split.

`release_revisions` is one row an environment: the number of its last change, which every process asks for.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

release_revisions = sa.Table(
    "release_revisions",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("arms", sa.Text, nullable=False),
    sa.Column("salt", sa.Text, nullable=False),
)

release_changes = sa.Table(
    "release_changes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("arms", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("undoes", sa.BigInteger),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("by_name", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("evidence", sa.Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("environment", "revision", name="release_changes_once"),
    sa.Index("release_changes_by_subject", "environment", "subject", "revision"),
)

exposures = sa.Table(
    "exposures",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("key_hash", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Index("exposures_by_subject", "environment", "subject", "salt", "at"),
    sa.Index("exposures_by_age", "at"),
)

__all__ = ["exposures", "release_changes", "release_revisions", "releases"]
