"""All tables, one module per feature that writes them. Migrations are in `roadworthy.db.migrations`."""

from sqlalchemy import MetaData

metadata = MetaData()

__all__ = ["metadata"]
