"""Answers of the gateway that are given again to the same `Idempotency-Key`."""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

gateway_answers = sa.Table(
    "gateway_answers",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body_hash", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("answer", sa.LargeBinary),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("gateway_answers_by_expiry", "expires_at"),
)

__all__ = ["gateway_answers"]
