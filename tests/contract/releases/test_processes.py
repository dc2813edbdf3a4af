"""Real processes: a change serves in each of them within a second, and an outage changes nothing."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadworthy.audit import Action, Audit, Keyring
from roadworthy.db import Database
from roadworthy.errors import DatabaseError
from roadworthy.records import RandomIds, SystemClock
from roadworthy.releases import Arm, Releases, prompt_subject

PROGRAM = Path(__file__).parent / "program.py"
SUBJECT = prompt_subject("reply")


@pytest.fixture
def programs(fresh_database_url):
    """Start a program on the test's database; all are ended."""
    running = []

    def start():
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), fresh_database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def said(process):
    """The next line of a process."""
    line = process.stdout.readline()
    return json.loads(line) if line else pytest.fail(process.stderr.read())


@pytest.fixture
def database(fresh_database_url):
    """An open database."""
    opened = Database(fresh_database_url, patience_seconds=0.1)
    yield opened
    opened.close()


@pytest.fixture
def make_releases(database):
    """Releases of the environment in which the programs look."""

    def make(on=None):
        clock = SystemClock()
        ids = RandomIds(clock)
        audit = Audit(
            database,
            clock,
            ids,
            "test",
            keyring=lambda: Keyring.of(None, ()),
            scrub=str,
            seal_after_seconds=60,
        )
        return Releases(on or database, clock, ids, "test", audit=audit)

    return make


async def test_a_change_serves_in_every_process_within_a_second(
    make_releases, programs, record_property
) -> None:
    """Three processes that were started before see each of five promotions; the slowest time is reported."""
    releases = make_releases()
    processes = [programs() for _ in range(3)]
    for process in processes:
        assert said(process)[0] == "ready"
    took = []
    for number in range(5):
        await releases.promote(SUBJECT, Arm(f"v{number}", f"hash{number}"), Action.PROMPT_PROMOTED)
        promoted = time.time_ns() // 1_000_000
        for process in processes:
            label, at = await asyncio.to_thread(said, process)
            assert label == f"v{number}"
            took.append(at - promoted)
    await releases.close()
    record_property("propagation_ms", sorted(took))
    print(f"propagation_ms={sorted(took)}")  # noqa: T201 - the figures of this machine
    assert max(took) < 1_000


class Stuck:
    """A database that answers when it is let, or fails."""

    def __init__(self, database):
        self.database = database
        self.answers = asyncio.Event()
        self.answers.set()
        self.fails = False
        self.reads = 0

    async def read(self, work):
        """Read, once it may."""
        self.reads += 1
        await self.answers.wait()
        if self.fails:
            raise DatabaseError("away")
        return await self.database.read(work)


async def test_what_served_goes_on_serving_while_the_database_is_away(
    make_releases, database, caplog
) -> None:
    """Neither one that fails nor one that hangs holds a call up; it is said once, until it is back."""
    writer, stuck = make_releases(), Stuck(database)
    releases = make_releases(stuck)
    await writer.promote(SUBJECT, Arm("v1", "h1"), Action.PROMPT_PROMOTED)
    await releases.fresh()
    await writer.promote(SUBJECT, Arm("v2", "h2"), Action.PROMPT_PROMOTED)
    stuck.fails = True
    with caplog.at_level(logging.WARNING, "roadworthy.releases"):
        for _ in range(3):
            releases.memory.forget()
            await releases.fresh()
            assert releases.assign(SUBJECT, "u").name == "v1"
        stuck.fails = False
        stuck.answers.clear()
        releases.memory.forget()
        began = time.monotonic()
        await releases.fresh()
        assert time.monotonic() - began < 5
        assert releases.assign(SUBJECT, "u").name == "v1"
    assert len([one for one in caplog.records if "goes on serving" in one.message]) == 1
    stuck.answers.set()
    await releases.close()
    releases.memory.forget()
    await releases.fresh()
    assert releases.assign(SUBJECT, "u").name == "v2"
    await writer.close()


async def test_before_anything_is_known_an_outage_is_told(make_releases, database) -> None:
    """Nobody guesses what serves."""
    stuck = Stuck(database)
    stuck.fails = True
    with pytest.raises(DatabaseError):
        await make_releases(stuck).fresh()


async def test_calls_at_once_ask_the_database_once(make_releases, database) -> None:
    """A hundred calls that find the snapshot old wait for one query; those after it ask for nothing."""
    stuck = Stuck(database)
    releases = make_releases(stuck)
    await releases.fresh()
    releases.memory.forget()
    stuck.reads = 0
    await asyncio.gather(*(releases.fresh() for _ in range(100)))
    await releases.fresh()
    assert stuck.reads == 1
