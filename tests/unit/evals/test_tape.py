"""The tape gives again what was answered, from the database and from a file, and says so."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from roadworthy.db import Database
from roadworthy.evals import Outcome, tape
from roadworthy.evals.tape import Tape
from roadworthy.records import Usage
from roadworthy.testing import FakeClock

ANSWERED = Outcome(
    output={"queue": "billing"},
    cost_usd=Decimal("0.0012"),
    latency_seconds=0.25,
    usage=Usage(input_tokens=12, output_tokens=3),
    rung="main",
    model="main-1",
    confidence=0.75,
    record_id="call_1",
)


@pytest.fixture
def database(fresh_database_url) -> Iterator[Database]:
    """An open database."""
    database = Database(fresh_database_url)
    yield database
    database.close()


async def test_an_answer_comes_back_as_it_was_and_is_told_as_taped(database) -> None:
    """Cost, usage and time are those of the recording."""
    await Tape(database, FakeClock(), "reply", None).record("k:0", ANSWERED)
    known = Tape(database, FakeClock(), "reply", None, "strict")
    found = await known.find(["k:0", "other:0"])
    assert found.keys() == {"k:0"}
    assert found["k:0"].taped
    assert known.saved_usd == ANSWERED.cost_usd
    assert found["k:0"].as_json() == {**ANSWERED.as_json(), "taped": True}


async def test_a_file_of_what_was_used_gives_the_same_again(database, tmp_path: Path) -> None:
    """What came from a tape is written as what was asked is: a file says nothing of where it came from."""
    first, file = Tape(database, FakeClock(), "reply", None), tmp_path / "tape.jsonl"
    await first.record("asked:0", ANSWERED)
    tape.write(file, first.used)
    written = file.read_bytes()
    again = Tape(database, FakeClock(), "reply", file, "strict")
    assert (await again.find(["asked:0"]))["asked:0"].taped
    tape.write(file, again.used)
    assert file.read_bytes() == written


@pytest.mark.parametrize(
    "said", ["one\u2028two\x85three\x1cfour\x0cfive", "half a character: \ud83d", "Grüße"]
)
async def test_a_file_gives_back_every_text(database, tmp_path: Path, said) -> None:
    """Also what looks like the end of a line, and what no file holds as it is."""
    file = tmp_path / "tape.jsonl"
    tape.write(file, {"k:0": replace(ANSWERED, output=said)})
    assert file.read_bytes().count(b"\n") == 1
    known, faults = tape.read(file)
    assert (known["k:0"].output, faults) == (said, ())
