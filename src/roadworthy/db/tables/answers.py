"""Table of the answer cache: answers that may be given again, one row for each key.

The value is zlib-compressed JSON (`db.payloads`). Times are milliseconds since 1970, money is micro-dollars.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

cached_answers = sa.Table(
    "cached_answers",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("prompt_id", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False, server_default=""),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("rung", sa.Text, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("usage", sa.Text, nullable=False),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False),
    sa.Column("confidence", sa.Float),
    sa.Column("degraded", sa.Boolean, nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("fresh_until", sa.BigInteger, nullable=False),
    sa.Column("stale_until", sa.BigInteger, nullable=False),
    sa.Column("hits", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("saved_micro_usd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("cached_answers_by_end", "stale_until"),
    sa.Index("cached_answers_by_prompt", "prompt_id"),
)

__all__ = ["cached_answers"]
