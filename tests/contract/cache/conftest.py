"""A database with the schema, a clock that stands still, and answers to keep."""

from collections.abc import Callable, Iterator

import pytest

from roadworthy.db import Database
from roadworthy.models.cache import AnswerCache, Cached
from roadworthy.records import Usage
from roadworthy.settings import AnswerCacheSettings
from roadworthy.testing import FakeClock


@pytest.fixture
def database(fresh_database_url: str) -> Iterator[Database]:
    """An open database with the schema."""
    opened = Database(fresh_database_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def cache(database: Database, clock: FakeClock) -> AnswerCache:
    """The cache of one process."""
    return AnswerCache(database, clock)


@pytest.fixture
def other(database: Database, clock: FakeClock) -> AnswerCache:
    """The cache of another process on the same database."""
    return AnswerCache(database, clock)


@pytest.fixture
def answer(clock: FakeClock) -> Callable[..., Cached]:
    """Make an answer that is fresh for a minute and helps out for an hour more."""

    def make(key: str = "k", value: object = "yes", **fields: object) -> Cached:
        settings = AnswerCacheSettings(ttl_seconds=fields.pop("ttl_seconds", 60), stale_seconds=3600)
        given = {
            "prompt_id": "sort",
            "tenant": "acme",
            "model": "m-1",
            "rung": "m",
            "usage": Usage(10, 5, 2, 1),
            "cost_micro_usd": 700,
            "degraded": False,
            "complete": True,
            "now_ms": clock.now_ms(),
            "settings": settings,
            **fields,
        }
        return Cached.make(key, value, **given)

    return make
