"""The audit log: entries that nothing changes, where the chain ends, and which calls it covers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_SQLITE_TRIGGERS = (
    """
    CREATE TRIGGER audit_entries_stay_as_they_are BEFORE UPDATE ON audit_entries
    BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END
    """,
    """
    CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
    BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END
    """,
    # INSERT OR REPLACE deletes without asking the trigger above
    """
    CREATE TRIGGER audit_entries_are_not_replaced BEFORE INSERT ON audit_entries
    WHEN EXISTS (SELECT 1 FROM audit_entries WHERE seq = NEW.seq OR id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END
    """,
)
_POSTGRES_TRIGGERS = (
    """
    CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'audit entries are never changed or deleted'; END $$
    """,
    """
    CREATE TRIGGER audit_entries_stay_as_they_are BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()
    """,
    """
    CREATE TRIGGER audit_entries_stay BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
    """,
)


def upgrade() -> None:
    """Create the tables, the triggers, and the end of an empty chain."""
    op.create_table(
        "audit_entries",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.BigInteger() if name == "at" else sa.Text(), nullable=False)
            for name in (
                "id", "at", "environment", "actor_kind", "actor", "actor_name", "action", "subject",
                "workflow", "tenant", "outcome", "request_id", "detail", "algorithm", "key_id", "prev_hash",
                "hash",
            )
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id", name="audit_entries_once"),
    )  # fmt: skip
    for name in ("action", "actor", "subject"):
        op.create_index(f"audit_entries_by_{name}", "audit_entries", [name, "seq"], unique=False)
    op.create_table(
        "audit_heads",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO audit_heads (id, seq, hash, key_id) VALUES (1, 0, '', '')")
    op.create_table(
        "sealed_calls",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "number"),
    )
    op.create_index("sealed_calls_by_seal", "sealed_calls", ["seal"], unique=False)
    for trigger in _SQLITE_TRIGGERS if op.get_bind().dialect.name == "sqlite" else _POSTGRES_TRIGGERS:
        op.execute(trigger)
