"""The SQL of budgets: setting aside, settling, and the reservations between the two.

    hold        the request's row; false where a transaction that was committed has run again
    reserve     one conditional update for each account; a refusal takes all of them back, `release` the row
    release     deletes the row at the request's end: true for one caller only, who then settles
    settle      what was set aside goes, what was spent stays, in the window in which it was set aside
    expired     rows whose process died: release, and settle all of it as spent

An update tests the limit on the row that it has locked, so no two processes can take the same room.
Accounts come in the order of their keys, so that transactions wait for each other and never in a circle.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from roadworthy.budgets.account import NOTHING, Account, Amount, Key, Refusal, graver
from roadworthy.budgets.budget import Budgets
from roadworthy.budgets.reservation import Reservation
from roadworthy.budgets.standing import Standing
from roadworthy.db import Prepared, insert_once
from roadworthy.db.tables.budgets import budget_accounts as table
from roadworthy.db.tables.budgets import reservations
from roadworthy.db.tables.workflows import runs

_NO_LIMIT = 2**63 - 1
_AT_ONCE = 500

_KEY = sa.and_(*(table.c[name] == sa.bindparam(f"the_{name}") for name in Key._fields))
_TAKEN = (
    table.c.spent_micro_usd + table.c.reserved_micro_usd,
    table.c.spent_tokens + table.c.reserved_tokens,
)
_RESERVE = Prepared(
    sa.update(table)
    .where(_KEY, _TAKEN[0] <= sa.bindparam("most_micro_usd"), _TAKEN[1] <= sa.bindparam("most_tokens"))
    .values(
        reserved_micro_usd=table.c.reserved_micro_usd + sa.bindparam("micro_usd"),
        reserved_tokens=table.c.reserved_tokens + sa.bindparam("tokens"),
        updated_at=sa.bindparam("now_ms"),
    )
    .returning(*_TAKEN)
)
_SETTLE = Prepared(
    sa.update(table)
    .where(_KEY)
    .values(
        reserved_micro_usd=table.c.reserved_micro_usd - sa.bindparam("micro_usd"),
        reserved_tokens=table.c.reserved_tokens - sa.bindparam("tokens"),
        spent_micro_usd=table.c.spent_micro_usd + sa.bindparam("more_micro_usd"),
        spent_tokens=table.c.spent_tokens + sa.bindparam("more_tokens"),
        unpriced=table.c.unpriced + sa.bindparam("more_unpriced"),
        updated_at=sa.bindparam("now_ms"),
    )
)
_LOOK = Prepared(sa.select(*_TAKEN, table.c.spent_micro_usd, table.c.spent_tokens).where(_KEY))
_OPEN = insert_once(table, *Key._fields, "ends_at", "updated_at")
_HOLD = insert_once(reservations, *Reservation.__dataclass_fields__)
_RELEASE = Prepared(sa.delete(reservations).where(reservations.c.id == sa.bindparam("the_id")))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an amount that was to be set aside."""

    held: tuple[Account, ...] = ()
    """Where it is set aside: everywhere, or nowhere when it was refused."""
    refusal: Refusal | None = None
    exceeded: tuple[Account, ...] = ()
    """Accounts that stay open although they have no room for it."""
    near: tuple[Account, ...] = ()
    """Accounts that became nearly spent by it."""


def reserve(tx: sa.Connection, accounts: Sequence[Account], amount: Amount, now_ms: int) -> Outcome:
    """Set an amount aside in every account, or in none of them."""
    held: list[Account] = []
    exceeded: list[Account] = []
    near: list[Account] = []
    refusal: Refusal | None = None
    for account in accounts:
        taken = _take(tx, account, amount, now_ms)
        if isinstance(taken, Refusal):
            refusal = graver(refusal, taken)
            if refusal.when_spent == "close":
                break
            continue
        held.append(account)
        before = Amount((taken.micro_usd or 0) - (amount.micro_usd or 0), taken.tokens - amount.tokens)
        if account.when_spent == "open" and account.lacks(before, amount):
            exceeded.append(account)
        elif account.nears(before, taken):
            near.append(account)
    if refusal is not None:
        settle(tx, (account.key for account in held), amount, NOTHING, now_ms)
        return Outcome(refusal=refusal)
    return Outcome(tuple(held), None, tuple(exceeded), tuple(near))


def settle(tx: sa.Connection, keys: Iterable[Key], reserved: Amount, spent: Amount, now_ms: int) -> None:
    """Put what was spent in the place of what was set aside in these accounts.

    Where the price is not known, what was set aside counts as spent; where that was not known either, the
    request is counted as unpriced.
    """
    micro_usd = reserved.micro_usd or 0
    unpriced = spent.micro_usd is None and reserved.micro_usd is None
    for key in keys:
        _SETTLE.run(
            tx,
            **_named(key),
            micro_usd=micro_usd,
            tokens=reserved.tokens,
            more_micro_usd=micro_usd if spent.micro_usd is None else spent.micro_usd,
            more_tokens=spent.tokens,
            more_unpriced=int(unpriced),
            now_ms=now_ms,
        )


def nears(tx: sa.Connection, account: Account, reserved: Amount, spent: Amount) -> bool:
    """Whether an account became nearly spent by what was just settled in it and cost more than planned."""
    row = _LOOK.run(tx, **_named(account.key)).fetchone()
    if row is None:
        return False
    micro_usd, tokens, *_ = row
    more_micro_usd = 0 if spent.micro_usd is None else spent.micro_usd - (reserved.micro_usd or 0)
    before = Amount(micro_usd - more_micro_usd, tokens - (spent.tokens - reserved.tokens))
    return account.nears(before, Amount(micro_usd, tokens))


def hold(tx: sa.Connection, reservation: Reservation) -> bool:
    """Store a reservation; False when it is there already.

    Make it the first statement of its transaction. False then says that an earlier run of the same
    transaction was committed before its connection broke: all is set aside, and nothing may be a second time.
    """
    return bool(
        _HOLD.run(
            tx,
            id=reservation.id,
            call_id=reservation.call_id,
            number=reservation.number,
            model=reservation.model,
            accounts=json.dumps(reservation.accounts),
            micro_usd=reservation.micro_usd,
            tokens=reservation.tokens,
            extra=json.dumps(reservation.extra),
            made_at=reservation.made_at,
            expires_at=reservation.expires_at,
        ).rowcount
    )


def release(tx: sa.Connection, reservation_id: str) -> bool:
    """Delete a reservation; False when it is gone, and so is settled already: do not settle it again."""
    return bool(_RELEASE.run(tx, the_id=reservation_id).rowcount)


def expired(tx: sa.Connection, now_ms: int, limit: int) -> list[Reservation]:
    """Reservations whose time is over, the oldest first; none that another transaction is just settling."""
    query = (
        sa.select(reservations)
        .where(reservations.c.expires_at <= now_ms)
        .order_by(reservations.c.expires_at, reservations.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [
        Reservation(
            id=row.id,
            call_id=row.call_id,
            number=row.number,
            model=row.model,
            accounts=tuple(Key(*key) for key in json.loads(row.accounts)),
            micro_usd=row.micro_usd,
            tokens=row.tokens,
            extra=json.loads(row.extra),
            made_at=row.made_at,
            expires_at=row.expires_at,
        )
        for row in tx.execute(query)
    ]


def standing(
    tx: sa.Connection, budgets: Budgets, environment: str, now_ms: int, *, most: int = 100
) -> list[Standing]:
    """How every limit of an environment stands in its present window: its `most` largest accounts.

    A limit that nothing was counted for yet, and one of each call, stands there once, with an empty subject.
    """
    found: list[Standing] = []
    for limit in budgets.every(environment, now_ms):
        query = (
            sa.select(table)
            .where(
                table.c.environment == environment,
                table.c.budget == limit.budget,
                table.c.window == limit.window,
            )
            .order_by(_TAKEN[0].desc(), _TAKEN[1].desc(), table.c.subject)
            .limit(most)
        )
        rows = [
            Standing(
                replace(limit, subject=row.subject),
                spent_micro_usd=row.spent_micro_usd,
                spent_tokens=row.spent_tokens,
                reserved_micro_usd=row.reserved_micro_usd,
                reserved_tokens=row.reserved_tokens,
                unpriced=row.unpriced,
            )
            for row in tx.execute(query)
        ]
        found += rows or [Standing(limit)]
    return found


def forget(tx: sa.Connection, before_ms: int) -> int:
    """Delete some accounts of windows that ended before a time; returns how many, 0 when none is left.

    The account of a run stays as long as the run: whoever resumes it goes on with what is left of its budget.
    """
    of_no_run = table.c.ends_at.is_(None) & ~sa.exists().where(runs.c.id == table.c.subject)
    old = sa.and_(
        table.c.updated_at < before_ms,
        table.c.reserved_micro_usd == 0,
        table.c.reserved_tokens == 0,
        (table.c.ends_at < before_ms) | of_no_run,
    )
    some = sa.select(*table.primary_key).where(old).limit(_AT_ONCE)
    # said twice, so that an account that is used again in the meantime is looked at again
    return tx.execute(sa.delete(table).where(sa.tuple_(*table.primary_key).in_(some), old)).rowcount


def _take(tx: sa.Connection, account: Account, amount: Amount, now_ms: int) -> Amount | Refusal:
    """Set an amount aside in one account; returns what is taken of it then, or why it has no room."""
    most_micro_usd = most_tokens = _NO_LIMIT
    if account.when_spent != "open":
        reason = account.lacks(NOTHING, amount)
        if reason is not None:
            return account.refusal(reason)
        if account.limit_micro_usd is not None and amount.micro_usd:
            most_micro_usd = account.limit_micro_usd - amount.micro_usd
        if account.limit_tokens is not None and amount.tokens:
            most_tokens = account.limit_tokens - amount.tokens
    key = _named(account.key)
    while True:
        rows = _RESERVE.run(
            tx,
            **key,
            most_micro_usd=most_micro_usd,
            most_tokens=most_tokens,
            micro_usd=amount.micro_usd or 0,
            tokens=amount.tokens,
            now_ms=now_ms,
        ).fetchall()
        if rows:
            return Amount(*rows[0])
        row = _LOOK.run(tx, **key).fetchone()
        if row is None:
            _OPEN.run(tx, **account.key._asdict(), ends_at=account.resets_at_ms, updated_at=now_ms)
            continue
        taken, spent = Amount(*row[:2]), Amount(*row[2:])
        reason = account.lacks(taken, amount)
        if reason is not None:  # else room was made between the two statements
            return account.refusal(reason, may_give_back=account.lacks(spent, amount) is None)


def _named(key: Key) -> dict[str, str]:
    return {
        "the_budget": key.budget,
        "the_subject": key.subject,
        "the_window": key.window,
        "the_environment": key.environment,
    }
