"""A database with the whole schema, and access to it whose time stands still and whose audit is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from roadworthy.access import Access, Grant, Principal, PrincipalKind, Role
from roadworthy.db import Database
from roadworthy.records import RandomIds
from roadworthy.settings import AccessSettings
from roadworthy.testing import FakeClock


@dataclass
class Desk:
    """Access, and what it noted for the audit in transactions that were committed or not."""

    url: str
    clock: FakeClock = field(default_factory=FakeClock)
    noted: list[tuple[str, str, str | None]] = field(default_factory=list)
    broken: bool = False
    """Let the audit refuse what it is asked to note."""
    root: Principal = field(default_factory=lambda: Principal.terminal("root"))

    def __post_init__(self) -> None:
        self.database = Database(self.url)
        self.access = self.another()

    def another(self, database: Database | None = None, **settings: object) -> Access:
        """Access as another process sees it."""
        chosen = AccessSettings(**{"sign_in_attempts_per_minute": 100, **settings})
        return Access(database or self.database, self.clock, RandomIds(self.clock), chosen, self.record)

    def record(self, action, subject="", *, by, refused=False, detail=None):
        """A note that is kept here."""

        def note(_tx) -> None:
            if self.broken:
                message = "the audit cannot be written"
                raise RuntimeError(message)
            self.noted.append((action, subject, by.id if by else None))

        return note

    async def owner(self, name: str = "Maria") -> Principal:
        """Somebody who is an owner of everything."""
        person = await self.access.add_person(self.root, name, grants=(Grant(Role.OWNER),))
        return Principal(PrincipalKind.PERSON, person.id, name, frozenset({Grant(Role.OWNER)}))

    def close(self) -> None:
        """Close the database."""
        self.database.close()


@pytest.fixture
def desk(fresh_database_url: str) -> Iterator[Desk]:
    """An empty one."""
    made = Desk(fresh_database_url)
    yield made
    made.close()
