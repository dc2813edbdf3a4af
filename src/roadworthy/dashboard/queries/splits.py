"""What came of a split, at once where that is quick: a page is not to wait for a hundred thousand calls."""

from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.db.tables.releases import exposures
from roadworthy.monitoring import Outcomes, outcomes

_AT_ONCE = 5_000
"""So many meetings of keys and arms are added up whenever a page is shown."""


@dataclass(frozen=True, slots=True)
class Split:
    """The newest split of a subject."""

    outcomes: Outcomes | None
    """None where it is large, and was not asked for."""


def split_of(tx: sa.Connection, environment: str, subject: str, *, asked: bool) -> Split | None:
    """The newest split of a subject; None where there never was one."""
    its = exposures.c
    some = (
        sa.select(sa.literal(1))
        .where(its.environment == environment, its.subject == subject)
        .limit(_AT_ONCE + 1)
        .subquery()
    )
    met = tx.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    if met > _AT_ONCE and not asked:
        return Split(None)
    found = outcomes(tx, environment, subject)
    return None if found is None else Split(found)
