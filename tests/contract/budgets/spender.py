"""A process that spends: many requests at once against the same accounts, as fast as the database goes.

spender.py URL spend NAME REQUESTS      wait for a line, send the requests, print what became of them
spender.py URL die NAME                 set one amount aside, say so, and wait to be killed
"""

import asyncio
import json
import random
import sys

import sqlalchemy as sa

from roadworthy.budgets import Account, Amount, Reservation, store
from roadworthy.db import Database
from roadworthy.db.tables.budgets import budget_accounts

LIMIT_MICRO_USD = 20_011
LIMIT_TOKENS = 9_001
TENANTS = ("acme", "globex")
FOR_EVER_MS = 2**60
EXPIRES_AT = 1_000

EVERYTHING = Account("all", "test", "2026-11", LIMIT_MICRO_USD, None, "close", 0.8, None, "test")
TENANT = {
    name: Account("tenants", name, "2026-11-21", None, LIMIT_TOKENS, "degrade", 0.8, None, "test")
    for name in TENANTS
}


def reservation(name: str, tenant: str, amount: Amount, expires_at: int) -> Reservation:
    """What one request sets aside, in the account of everything and in its tenant's."""
    return Reservation(
        id=f"hold_{name}",
        call_id=f"call_{name}",
        number=1,
        model="small",
        accounts=(EVERYTHING.key, TENANT[tenant].key),
        micro_usd=amount.micro_usd,
        tokens=amount.tokens,
        extra=None,
        made_at=0,
        expires_at=expires_at,
    )


def admit(tx: sa.Connection, made: Reservation, accounts: tuple[Account, ...]) -> bool:
    """Set aside, as the pipeline does, and look at the books in the same transaction."""
    if not store.hold(tx, made):
        return True
    if store.reserve(tx, accounts, made.amount, 1).refusal is None:
        assert overshoot(tx) <= 0
        return True
    store.release(tx, made.id)
    return False


def overshoot(tx: sa.Connection) -> int:
    """By how much any account is over its limit now, with what is set aside; negative where none is."""
    rows = {row.subject: row for row in tx.execute(sa.select(budget_accounts))}
    found = [
        rows[name].spent_tokens + rows[name].reserved_tokens - LIMIT_TOKENS
        for name in TENANTS
        if name in rows
    ]
    everything = rows.get(EVERYTHING.subject)
    if everything is not None:
        found.append(everything.spent_micro_usd + everything.reserved_micro_usd - LIMIT_MICRO_USD)
    return max(found, default=0)


def settle(tx: sa.Connection, made: Reservation, spent: Amount) -> bool:
    """Settle, if nobody else has."""
    if not store.release(tx, made.id):
        return False
    store.settle(tx, made.accounts, made.amount, spent, 2)
    return True


async def request(database: Database, name: str, chance: random.Random) -> tuple[str, int, int]:
    """One request from reservation to settlement: its tenant, and what it cost; -1 where it was refused."""
    tenant = chance.choice(TENANTS)
    amount = Amount(chance.randint(1, 400), chance.randint(1, 200))
    spent = Amount(chance.randint(0, amount.micro_usd or 0), chance.randint(0, amount.tokens))
    made = reservation(name, tenant, amount, FOR_EVER_MS)
    if not await database.write(lambda tx: admit(tx, made, (EVERYTHING, TENANT[tenant]))):
        return tenant, -1, -1
    await asyncio.sleep(0)  # where a provider would be asked
    assert await database.write(lambda tx: settle(tx, made, spent))
    assert not await database.write(lambda tx: settle(tx, made, spent))
    return tenant, spent.micro_usd or 0, spent.tokens


async def spend(database: Database, name: str, count: int) -> None:
    """Send them all at once."""
    chance = random.Random(name)
    done = await asyncio.gather(*(request(database, f"{name}_{n}", chance) for n in range(count)))
    sys.stdout.write(json.dumps(done) + "\n")


def die(database: Database, name: str) -> None:
    """Leave something behind."""
    made = reservation(name, "acme", Amount(700, 300), EXPIRES_AT)
    assert database.write_now(lambda tx: admit(tx, made, (EVERYTHING, TENANT["acme"])))
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main() -> None:
    """Do what the command line says."""
    url, what, name, *count = sys.argv[1:]
    database = Database(url)
    try:
        if what == "die":
            die(database, name)
            return
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        asyncio.run(spend(database, name, int(count[0])))
    finally:
        database.close()


if __name__ == "__main__":
    main()
