"""What is set aside for one request: the record that `admit.py` makes and settles."""

from dataclasses import dataclass

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
