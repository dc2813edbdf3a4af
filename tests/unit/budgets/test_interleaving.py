"""Whatever order requests begin, end and die in: no limit is passed, and nothing stays set aside."""

from typing import ClassVar

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from roadworthy.budgets import Account, Amount, Reservation, store
from roadworthy.db.tables import metadata
from roadworthy.db.tables.budgets import budget_accounts, reservations

SIZES = st.integers(0, 40)
PRICES = st.one_of(SIZES, st.none())
LIMITS = st.one_of(st.integers(0, 100), st.none())
ROWS = (
    "SELECT budget, spent_micro_usd, spent_tokens, reserved_micro_usd, reserved_tokens FROM budget_accounts"
)
WHEN = st.sampled_from(["close", "degrade"])


class Requests(RuleBasedStateMachine):
    """Requests against accounts that they share in part, on a database in memory."""

    open_requests: Bundle[Reservation] = Bundle("open_requests")
    dead: Bundle[Reservation] = Bundle("dead")
    accounts: ClassVar[tuple[Account, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.engine = sa.create_engine("sqlite://")
        self.tx = self.engine.connect()
        metadata.create_all(self.tx, tables=[budget_accounts, reservations])
        self.now_ms = 0
        self.number = 0
        self.held: dict[str, Reservation] = {}

    @initialize(limits=st.lists(st.tuples(LIMITS, LIMITS, WHEN), min_size=1, max_size=4))
    def draw_accounts(self, limits):
        """Any limits, 0 and none among them."""
        self.accounts = tuple(
            Account(f"b{number}", "", "run", usd, tokens, when_spent, 0.8, None)
            for number, (usd, tokens, when_spent) in enumerate(limits)
        )

    @rule(target=open_requests, micro_usd=PRICES, tokens=SIZES, some=st.integers(0, 15))
    def begin(self, micro_usd, tokens, some):
        """A request counts for some of the accounts."""
        chosen = tuple(one for number, one in enumerate(self.accounts) if some >> number & 1)
        self.number += 1
        made = Reservation(
            id=f"hold_{self.number}",
            call_id="call",
            number=self.number,
            model="m",
            accounts=tuple(one.key for one in chosen),
            micro_usd=micro_usd,
            tokens=tokens,
            extra=None,
            made_at=self.now_ms,
            expires_at=self.now_ms + 10,
        )
        assert store.hold(self.tx, made)
        fits = all(one.lacks(self.taken(one), made.amount) is None for one in chosen)
        outcome = store.reserve(self.tx, chosen, made.amount, self.now_ms)
        assert (outcome.refusal is None) == fits
        if outcome.refusal is not None:
            assert store.release(self.tx, made.id)
            return multiple()
        assert outcome.held == chosen
        self.held[made.id] = made
        return made

    @rule(target=dead, made=consumes(open_requests), share=st.floats(0, 1), known=st.booleans())
    def end(self, made, share, known):
        """It cost some part of what was set aside, or nobody knows."""
        micro_usd = None if made.micro_usd is None or not known else int(made.micro_usd * share)
        self.settle(made, Amount(micro_usd, int(made.tokens * share)))
        return made

    @rule(made=dead)
    def end_again(self, made):
        """A second settlement changes nothing."""
        assert not store.release(self.tx, made.id)

    @rule(target=dead, passed_ms=st.integers(1, 20))
    def expire(self, passed_ms):
        """Time passes, and what was not settled by then counts as spent."""
        self.now_ms += passed_ms
        over = store.expired(self.tx, self.now_ms, 1_000)
        assert {one.id for one in over} == {
            one.id for one in self.held.values() if one.expires_at <= self.now_ms
        }
        for one in over:
            self.settle(one, one.amount)
        return multiple(*over)

    def settle(self, made: Reservation, spent: Amount) -> None:
        """As the transaction that records a request's end does."""
        if store.release(self.tx, made.id):
            store.settle(self.tx, made.accounts, made.amount, spent, self.now_ms)
            del self.held[made.id]

    def rows(self) -> dict[str, tuple[int, ...]]:
        """Of each account: money and tokens spent, money and tokens set aside."""
        return {budget: tuple(amounts) for budget, *amounts in self.tx.exec_driver_sql(ROWS)}

    def taken(self, account: Account) -> Amount:
        """What is spent and set aside of an account."""
        micro_usd, tokens, *reserved = self.rows().get(account.budget, (0, 0, 0, 0))
        return Amount(micro_usd + reserved[0], tokens + reserved[1])

    @invariant()
    def the_books_are_right(self):
        """No limit is passed, and what is set aside is what is under way."""
        rows = self.rows()
        for one in self.accounts:
            spent_micro_usd, spent_tokens, *reserved = rows.get(one.budget, (0, 0, 0, 0))
            mine = [made for made in self.held.values() if one.key in made.accounts]
            assert reserved == [sum(made.micro_usd or 0 for made in mine), sum(made.tokens for made in mine)]
            assert one.limit_micro_usd is None or spent_micro_usd + reserved[0] <= one.limit_micro_usd
            assert one.limit_tokens is None or spent_tokens + reserved[1] <= one.limit_tokens

    def teardown(self):
        """In the end everything has expired, and nothing is set aside."""
        self.expire_all()
        assert self.tx.exec_driver_sql("SELECT count(*) FROM reservations").scalar() == 0
        self.the_books_are_right()
        self.tx.close()
        self.engine.dispose()

    def expire_all(self) -> None:
        """Let every request run out."""
        self.now_ms += 1_000
        for one in store.expired(self.tx, self.now_ms, 1_000):
            self.settle(one, one.amount)
        assert self.held == {}


TestRequests = Requests.TestCase
TestRequests.settings = settings(deadline=None, stateful_step_count=25)
