"""Results in the database: stored many at a time, and once."""

from collections.abc import Iterator

import pytest

from roadworthy.db import Database
from roadworthy.evals import Experiment, ExperimentStatus, Outcome, Result, Score, store


@pytest.fixture
def database(fresh_database_url) -> Iterator[Database]:
    """An open database with one experiment."""
    database = Database(fresh_database_url)
    experiment = Experiment(
        id="exp_1",
        suite="reply",
        variant="reply@v1",
        status=ExperimentStatus.RUNNING,
        parts={},
        fingerprint="f",
        cases=3,
        repeats=1,
        environment="development",
        started_at=1,
    )
    database.write_now(lambda tx: store.add(tx, experiment))
    yield database
    database.close()


def result(case_id: str, said: str = "yes") -> Result:
    """A result that failed for a reason."""
    score = Score("exact", passed=False, category="wrong", reason=f"not {said}")
    return Result(case_id, 0, ("edge",), "hash", Outcome(output=said), (score,))


def test_results_come_back_as_they_were_stored(database) -> None:
    """By case, with tags, outcome and scores."""
    stored = [result("b"), result("a")]
    database.write_now(lambda tx: store.add_results(tx, "exp_1", stored))
    assert database.read_now(lambda tx: store.results(tx, "exp_1")) == [result("a"), result("b")]


def test_a_result_that_is_stored_stays_as_it_is(database) -> None:
    """An experiment that goes on does not judge twice; nothing to store is no fault."""
    for some in ([result("a")], [], [result("a", "no"), result("b")]):
        database.write_now(lambda tx, some=some: store.add_results(tx, "exp_1", some))
    found = database.read_now(lambda tx: store.results(tx, "exp_1"))
    assert found == [result("a"), result("b")]
