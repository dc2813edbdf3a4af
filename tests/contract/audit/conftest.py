"""A database with the whole schema, and an audit log in it whose time stands still."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from roadworthy.audit import Audit, Keyring
from roadworthy.db import Database
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.records import RandomIds
from roadworthy.telemetry import Scrubber
from roadworthy.testing import FakeClock

KEY = b"k" * 32
MINUTE_MS = 60_000


class Log:
    """An audit log, the clock it goes by, and ways to do to its database what the log is there to find."""

    def __init__(self, url: str, key: bytes | None = None, old: tuple[bytes, ...] = ()) -> None:
        self.database = Database(url)
        self.clock = FakeClock()
        self.scrubber = Scrubber()
        self.audit = self.with_keys(key, old)

    def with_keys(self, key: bytes | None = None, old: tuple[bytes, ...] = ()) -> Audit:
        """The same log, as a process with these keys sees it."""
        return Audit(
            self.database,
            self.clock,
            RandomIds(self.clock),
            "test",
            keyring=lambda: Keyring(key, old),
            scrub=self.scrubber.scrub,
            seal_after_seconds=300,
        )

    def tamper(self, *statements: str, table: str = "audit_entries") -> None:
        """Change what must not be changed, as somebody could who owns the database."""

        def work(tx: sa.Connection) -> None:
            if self.database.is_sqlite:
                named = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                for (name,) in tx.execute(named).all():
                    tx.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                tx.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            for statement in statements:
                assert tx.exec_driver_sql(statement).rowcount

        self.database.write_now(work)

    def call(self, number: int, *, attempts: int = 1, status: str = "succeeded", **about: object) -> str:
        """Store a call that has just ended, with its attempts; returns its id."""
        now_ms, call_id = self.clock.now_ms(), f"call_{number:04d}"
        times = {"started_at": now_ms - 2_000, "finished_at": now_ms - 1_000}
        of_call = {"environment": "test", "prompt_id": "p", "prompt_version": "p@v1", "prompt_hash": "h"}
        of_call |= {"route": "r", "status": status, **times, **about}

        def work(tx: sa.Connection) -> None:
            tx.execute(sa.insert(calls).values(id=call_id, **of_call))
            for one in range(1, attempts + 1):
                self.attempt(tx, call_id, one, **times)

        self.database.write_now(work)
        return call_id

    def attempt(self, tx: sa.Connection, call_id: str, number: int, **about: object) -> None:
        """Store an attempt of a call."""
        plain = {"reason": "first", "model": "small", "provider": "simulated", "status": "succeeded"}
        tx.execute(sa.insert(call_attempts).values(call_id=call_id, number=number, **plain | about))


@pytest.fixture
def log(fresh_database_url: str) -> Iterator[Log]:
    """A log without a key."""
    made = Log(fresh_database_url)
    yield made
    made.database.close()


@pytest.fixture
def signed(fresh_database_url: str) -> Iterator[Log]:
    """A log that is signed with `KEY`."""
    made = Log(fresh_database_url, KEY)
    yield made
    made.database.close()
