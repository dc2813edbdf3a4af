"""Tables of the models feature: rates and open requests that processes share, and how each model is doing."""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

rate_buckets = sa.Table(
    "rate_buckets",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("full_at_us", sa.BigInteger, nullable=False),
    sa.Column("blocked_until_ms", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

model_slots = sa.Table(
    "model_slots",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("open", sa.Integer, nullable=False),
)

model_health = sa.Table(
    "model_health",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("open_until_ms", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("blocked_until_ms", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
)

model_probes = sa.Table(
    "model_probes",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
)

__all__ = ["model_health", "model_probes", "model_slots", "rate_buckets"]
