"""The spine: runs, steps, prompts, calls."""

from alembic import op

from roadworthy.db.tables import calls, metadata, prompts, workflows

revision = "0001"
down_revision = None

_ = (calls, prompts, workflows)


def upgrade() -> None:
    """Create every table of the first release."""
    metadata.create_all(op.get_bind())
