"""Tables of the provider-batch lane: the calls that wait there, and the batches that were made of them."""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

batch_requests = sa.Table(
    "batch_requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("step_id", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("batch_id", sa.Text),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("error_kind", sa.Text),
    sa.Column("hold", sa.Text),
    sa.Column("request", sa.LargeBinary),
    sa.Column("result", sa.LargeBinary),
    sa.Index("batch_requests_by_status", "environment", "status", "model", "made_at"),
    sa.Index("batch_requests_by_batch", "batch_id", "status"),
    sa.Index("batch_requests_by_run", "run_id"),
)

provider_batches = sa.Table(
    "provider_batches",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("handle", sa.LargeBinary),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("tried_at", sa.BigInteger),
    sa.Column("submitted_at", sa.BigInteger),
    sa.Column("next_at", sa.BigInteger, nullable=False),
    sa.Column("cancelled_at", sa.BigInteger),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claim_until", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("error_kind", sa.Text),
    sa.Index("provider_batches_by_state", "environment", "state", "next_at"),
    sa.Index("provider_batches_by_made", "made_at"),
)

__all__ = ["batch_requests", "provider_batches"]
