"""What each signal said of a call's answer, so that confidence can be learnt from several."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column."""
    op.add_column("calls", sa.Column("signals", sa.Text(), nullable=True))
