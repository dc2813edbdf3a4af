"""One database for state, prompts, calls and telemetry: SQLite by default, PostgreSQL with many workers."""

from roadworthy.db.database import Database, one_state
from roadworthy.db.payloads import pack, unpack
from roadworthy.db.prepared import Prepared, insert_once
from roadworthy.db.schema import current_revision, require_current, upgrade

__all__ = [
    "Database",
    "Prepared",
    "current_revision",
    "insert_once",
    "one_state",
    "pack",
    "require_current",
    "unpack",
    "upgrade",
]
