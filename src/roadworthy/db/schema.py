"""Which schema the database has, and bringing it up to this program's.

The revision is read with one query; Alembic is loaded only when there is something to apply.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from roadworthy.db.database import Database
from roadworthy.errors import SchemaError

HEAD = "0012"
"""The newest revision in `migrations/versions`; a test holds the two together."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_POSTGRES_LOCK = 0x726F_6164  # one migration at a time; any constant of our own will do


def current_revision(database: Database) -> str | None:
    """The revision the database has; None for a database that was never set up."""

    def look(tx: sa.Connection) -> str | None:
        if not sa.inspect(tx).has_table("roadworthy_schema"):
            return None
        try:
            return tx.exec_driver_sql("SELECT version_num FROM roadworthy_schema").scalar()
        except exc.NoSuchTableError:
            return None

    return database.read_now(look)


def require_current(database: Database) -> None:
    """Raise `SchemaError` unless the schema is exactly this program's."""
    revision = current_revision(database)
    if revision == HEAD:
        return
    if revision is None or revision < HEAD:
        raise SchemaError(
            f"The schema of {database.display_url} is {'missing' if revision is None else 'too old'}.",
            hint="Run: roadworthy db upgrade",
        )
    raise SchemaError(
        f"The schema of {database.display_url} is {revision}, newer than this program knows ({HEAD}).",
        hint="Upgrade the package; an older program must not write to a newer schema.",
    )


def upgrade(database: Database) -> bool:
    """Apply the missing migrations; returns whether there were any. Safe to call from several processes."""
    revision = current_revision(database)
    if revision == HEAD:
        return False
    if revision is not None and revision > HEAD:
        require_current(database)

    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))

    def apply(tx: sa.Connection) -> None:
        if not database.is_sqlite:
            # Alembic may think for longer than a transaction of ours is otherwise let idle.
            tx.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")
        config.attributes["connection"] = tx
        command.upgrade(config, "head")

    database.write_now(apply)
    return True
