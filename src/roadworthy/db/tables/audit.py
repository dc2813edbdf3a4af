"""Tables of the audit feature: the chain of entries, its end, and which calls are sealed by which entry.

Triggers, made by the migration, refuse every change of an entry. `audit_heads` is one row: the newest entry's
number and hash, locked by whoever appends. `sealed_calls` names each call (`number` 0) and each attempt of a
call that an entry of the chain covers; such a row goes when retention deletes what it names.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("actor_name", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("algorithm", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.UniqueConstraint("id", name="audit_entries_once"),
    sa.Index("audit_entries_by_action", "action", "seq"),
    sa.Index("audit_entries_by_actor", "actor", "seq"),
    sa.Index("audit_entries_by_subject", "subject", "seq"),
)

audit_heads = sa.Table(
    "audit_heads",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
)

sealed_calls = sa.Table(
    "sealed_calls",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seal", sa.Text, nullable=False),
    sa.Index("sealed_calls_by_seal", "seal"),
)

__all__ = ["audit_entries", "audit_heads", "sealed_calls"]
