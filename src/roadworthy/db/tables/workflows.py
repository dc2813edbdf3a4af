"""Tables of the workflows feature: runs, steps, attempts, actions, signals, workers, schedules, batches.

A row that lists read stays small; inputs and outputs lie beside it in `run_payloads` and `step_payloads`,
zlib-compressed JSON, with their own retention. Times are milliseconds since 1970, money is micro-dollars.
"""

import sqlalchemy as sa

from roadworthy.db.tables import metadata

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False, server_default=""),
    sa.Column("user_id", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.Text, nullable=False, server_default="[]"),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("input_hash", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False, server_default=""),
    sa.Column("traceparent", sa.Text, nullable=False, server_default=""),
    sa.Column("parent_run_id", sa.Text),
    sa.Column("depth", sa.Integer, nullable=False, server_default="0"),
    sa.Column("replay_of", sa.Text),
    sa.Column("batch_id", sa.Text),
    sa.Column("batch_item", sa.Integer),
    sa.Column("schedule", sa.Text),
    sa.Column("lane", sa.Text, nullable=False, server_default="live"),
    sa.Column("lane_until", sa.BigInteger),
    sa.Column("worker_id", sa.Text),
    sa.Column("claim", sa.Integer, nullable=False, server_default="0"),
    sa.Column("rewind_to", sa.Integer),
    sa.Column("rewound_from", sa.Integer),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("waiting_for", sa.Text),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("deadline_at", sa.BigInteger),
    sa.Column("over_budget", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("skip_reason", sa.Text),
    sa.Column("error_kind", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("error_step", sa.Text),
    sa.Column("error_position", sa.Integer),
    sa.Column("cost_micro_usd", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("workflow", "tenant", "idempotency_key", name="runs_once_per_key"),
    sa.Index("runs_by_due", "status", "due_at"),
    sa.Index("runs_by_workflow", "workflow", "created_at"),
    sa.Index("runs_by_created", "created_at"),
    sa.Index("runs_by_changed", "changed_at"),
    sa.Index("runs_by_parent", "parent_run_id"),
    sa.Index("runs_by_batch", "batch_id", "batch_item"),
    sa.Index("runs_by_worker", "worker_id", "status"),
)

run_payloads = sa.Table(
    "run_payloads",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("input", sa.LargeBinary, nullable=False),
    sa.Column("output", sa.LargeBinary),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("rewound", sa.Integer, nullable=False, server_default="0"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
    sa.Column("attempt_at", sa.BigInteger, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False, server_default=""),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("over_budget", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("error_kind", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.UniqueConstraint("run_id", "position", "rewound", name="steps_once_per_position"),
)

step_payloads = sa.Table(
    "step_payloads",
    metadata,
    sa.Column("step_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("input", sa.LargeBinary, nullable=False),
    sa.Column("output", sa.LargeBinary),
    sa.Index("step_payloads_by_run", "run_id"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("step_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger, nullable=False),
    sa.Column("error_kind", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Index("attempts_by_run", "run_id"),
)

actions = sa.Table(
    "actions",
    metadata,
    sa.Column("action", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("input_hash", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("step_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("done_at", sa.BigInteger),
    sa.Column("output", sa.LargeBinary),
    sa.Column("decision_id", sa.Text),
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("taken_by", sa.Text),
    sa.Index("signals_by_run", "run_id", "name"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("beat_at", sa.BigInteger, nullable=False),
    sa.Column("stopped_at", sa.BigInteger),
)

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("next_at", sa.BigInteger, nullable=False),
    sa.Column("fired_at", sa.BigInteger),
    sa.Column("run_id", sa.Text),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_hash", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("loaded_at", sa.BigInteger),
    sa.Column("total", sa.Integer),
    sa.UniqueConstraint("workflow", "source_hash", name="batches_once_per_source"),
)

batch_rejects = sa.Table(
    "batch_rejects",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True),
    sa.Column("line", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

__all__ = [
    "actions",
    "attempts",
    "batch_rejects",
    "batches",
    "run_payloads",
    "runs",
    "schedules",
    "signals",
    "step_payloads",
    "steps",
    "workers",
]
