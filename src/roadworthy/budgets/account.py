"""What is counted: amounts of money and tokens, the accounts they count for, and why one has no room."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from roadworthy.errors import Bug

WhenSpent = Literal["close", "degrade", "open"]
Reason = Literal["money", "tokens", "price unknown"]


@dataclass(frozen=True, slots=True)
class Amount:
    """Money and tokens. Raises `Bug` for less than nothing, which would let a limit be passed."""

    micro_usd: int | None
    """None when the price is not known, which is never the same as free."""
    tokens: int
    """Read and written."""

    def __post_init__(self) -> None:
        if self.tokens < 0 or (self.micro_usd is not None and self.micro_usd < 0):
            raise Bug(f"An amount of {self.micro_usd} micro-dollars and {self.tokens} tokens is impossible.")


NOTHING = Amount(0, 0)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose request it is, and what for. What is empty has no account, but for the environment."""

    environment: str
    workflow: str = ""
    tenant: str = ""
    user_id: str = ""
    prompt_id: str = ""
    task: str = ""
    run_id: str = ""


class Key(NamedTuple):
    """What tells accounts apart. Their rows are locked in the order of their keys."""

    budget: str
    subject: str
    window: str
    environment: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an account has no room for a request."""

    budget: str
    window: str
    """`2026-11-21`, `2026-11`, `run` or `call`."""
    reason: Reason
    when_spent: WhenSpent
    resets_at_ms: int | None
    """When the window ends; None for a run or a call."""
    subject: str = ""
    """Whose account it is."""
    may_give_back: bool = False
    """Whether there was room if the requests under way cost nothing: some of it may be free when they end."""


@dataclass(frozen=True, slots=True)
class Account:
    """One limit for one subject in one window."""

    budget: str
    subject: str
    """For example the tenant's name; a user's with the tenant's before it."""
    window: str
    """`2026-11-21`, `2026-11`, `run` or `call`."""
    limit_micro_usd: int | None
    """None: money is not limited."""
    limit_tokens: int | None
    """None: tokens are not limited."""
    when_spent: WhenSpent
    warn_at: float
    """The share of a limit at which it is nearly spent."""
    resets_at_ms: int | None
    """When the window ends; None for a run or a call."""
    environment: str = ""

    @property
    def key(self) -> Key:
        """What tells it from other accounts."""
        return Key(self.budget, self.subject, self.window, self.environment)

    def lacks(self, taken: Amount, wanted: Amount) -> Reason | None:
        """Which limit has no room for `wanted` beside what is `taken`; None when there is room.

        What costs nothing needs no room, even where the limit is 0 or was lowered below what is spent.
        """
        if self.limit_micro_usd is not None and wanted.micro_usd != 0:
            if wanted.micro_usd is None or taken.micro_usd is None:
                return "price unknown"
            if taken.micro_usd + wanted.micro_usd > self.limit_micro_usd:
                return "money"
        if (
            self.limit_tokens is not None
            and wanted.tokens
            and taken.tokens + wanted.tokens > self.limit_tokens
        ):
            return "tokens"
        return None

    def nears(self, before: Amount, after: Amount) -> bool:
        """Whether a limit becomes nearly spent between the two."""
        return _crosses(self.limit_micro_usd, self.warn_at, before.micro_usd or 0, after.micro_usd or 0) or (
            _crosses(self.limit_tokens, self.warn_at, before.tokens, after.tokens)
        )

    def refusal(self, reason: Reason, *, may_give_back: bool = False) -> Refusal:
        """That this account has no room."""
        return Refusal(
            self.budget,
            self.window,
            reason,
            self.when_spent,
            self.resets_at_ms,
            self.subject,
            may_give_back,
        )


def graver(one: Refusal | None, other: Refusal) -> Refusal:
    """The refusal to go by, of two: what forbids comes before what only degrades, the first one first."""
    if one is None or _GRAVITY.index(other.when_spent) < _GRAVITY.index(one.when_spent):
        return other
    return one


_GRAVITY: tuple[WhenSpent, ...] = ("close", "degrade", "open")


def _crosses(limit: int | None, warn_at: float, before: int, after: int) -> bool:
    return limit is not None and before < warn_at * limit <= after
