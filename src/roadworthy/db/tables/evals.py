"""Tables of the evals feature: experiments, their results, and the tape of answers that are given again."""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("suite", sa.Text, nullable=False),
    sa.Column("variant", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("parts", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("cases", sa.Integer, nullable=False),
    sa.Column("repeats", sa.Integer, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("prompt_hash", sa.Text, nullable=False, server_default=""),
    sa.Column("commit", sa.Text, nullable=False, server_default=""),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("verdict", sa.Text),
    sa.Column("summary", sa.LargeBinary),
    sa.Index("experiments_by_suite", "suite", "started_at"),
    sa.Index("experiments_by_fingerprint", "fingerprint"),
)

experiment_results = sa.Table(
    "experiment_results",
    metadata,
    sa.Column("experiment_id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("repeat", sa.Integer, primary_key=True),
    sa.Column("case_hash", sa.Text, nullable=False),
    sa.Column("passed", sa.Boolean),
    sa.Column("category", sa.Text, nullable=False, server_default=""),
    sa.Column("result", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"]),
)

tape = sa.Table(
    "tape",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("suite", sa.Text, nullable=False),
    sa.Column("form", sa.Integer, nullable=False),
    sa.Column("outcome", sa.LargeBinary, nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Index("tape_by_age", "made_at"),
)

__all__ = ["experiment_results", "experiments", "tape"]
