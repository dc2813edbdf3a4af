"""How an account stands, for a report."""

from dataclasses import dataclass

from roadworthy.budgets.account import Account


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account has spent and set aside, beside its limits."""

    account: Account
    spent_micro_usd: int = 0
    spent_tokens: int = 0
    reserved_micro_usd: int = 0
    """For requests under way: the most that they may cost."""
    reserved_tokens: int = 0
    unpriced: int = 0
    """Requests whose price is not known: of them, only tokens are counted."""

    @property
    def left_micro_usd(self) -> int | None:
        """What may still be set aside; None where money is not limited."""
        return _left(self.account.limit_micro_usd, self.spent_micro_usd + self.reserved_micro_usd)

    @property
    def left_tokens(self) -> int | None:
        """What may still be set aside; None where tokens are not limited."""
        return _left(self.account.limit_tokens, self.spent_tokens + self.reserved_tokens)

    @property
    def share(self) -> float:
        """How much of its tightest limit is taken; 1 for a limit of 0, more than 1 when it was passed."""
        return max(
            _share(self.account.limit_micro_usd, self.spent_micro_usd + self.reserved_micro_usd),
            _share(self.account.limit_tokens, self.spent_tokens + self.reserved_tokens),
        )


def _left(limit: int | None, taken: int) -> int | None:
    return None if limit is None else max(0, limit - taken)


def _share(limit: int | None, taken: int) -> float:
    if limit is None:
        return 0.0
    return taken / limit if limit else 1.0
