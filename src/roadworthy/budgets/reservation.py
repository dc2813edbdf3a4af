"""What one request has set aside, from before it is sent until its end is recorded."""

from dataclasses import dataclass

from roadworthy.budgets.account import Amount, Key
from roadworthy.records import Json


@dataclass(frozen=True, slots=True)
class Reservation:
    """A row that stands while a request may cost money. Whoever deletes it settles it."""

    id: str
    call_id: str
    number: int
    """Which of the call's requests, from 1."""
    model: str
    """The model's name in the settings."""
    accounts: tuple[Key, ...]
    """Where `micro_usd` and `tokens` are set aside, in the order of the keys."""
    micro_usd: int | None
    """None when the price is not known."""
    tokens: int
    extra: Json
    """What else it holds, for whoever made it."""
    made_at: int
    """Milliseconds since 1970, UTC."""
    expires_at: int
    """From then on its process is taken for dead, and it counts as spent."""

    @property
    def amount(self) -> Amount:
        """What is set aside in each account."""
        return Amount(self.micro_usd, self.tokens)
