"""Alembic's entry: runs the migrations on the connection that `roadworthy.db.schema.upgrade` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="roadworthy_schema",
    transactional_ddl=False,
)
context.run_migrations()
