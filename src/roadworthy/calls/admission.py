"""What is set aside for one request: the records that `admit.py` makes and settles."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.budgets import Amount, Key


@dataclass(frozen=True, slots=True)
class Admission:
    """What is set aside for one request."""

    id: str
    keys: tuple[Key, ...]
    """The accounts in which it is set aside."""
    amount: Amount
    buckets: tuple[tuple[str, float, int], ...]
    """Rates: the bucket, its requests or tokens a minute, and how much was taken."""
    slot: str | None


@dataclass(frozen=True, slots=True)
class Collected:
    """What is to be set aside for a request of the provider's batch."""

    admission: Admission
    take: Callable[[sa.Connection], bool]
    """Sets it aside; false when a budget has no room."""
