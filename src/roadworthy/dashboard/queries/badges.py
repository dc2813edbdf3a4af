"""Small counts for the menu."""

from collections.abc import Callable

import sqlalchemy as sa

from roadworthy.db.tables.review import review_items

Within = Callable[[sa.ColumnElement[str], sa.ColumnElement[str]], sa.ColumnElement[bool]]
"""A condition on workflow and tenant: what whoever looks may see."""


def waiting_reviews(tx: sa.Connection, *, environment: str, within: Within, most: int) -> int:
    """How many reviews are open, counted up to one more than `most`."""
    found = (
        sa.select(sa.literal(1))
        .where(
            review_items.c.status == sa.literal_column("'open'"),
            review_items.c.environment == environment,
            within(review_items.c.workflow, review_items.c.tenant),
        )
        .limit(most + 1)
    )
    return tx.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one()
