"""Which models their providers said not to know, from the attempts on record, on both databases."""

import pytest
import sqlalchemy as sa

from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.models.life import Refusal, refusals


@pytest.fixture
def attempt(database):
    """Record an attempt of a call of its own, begun at so many milliseconds."""
    count = 0

    def record(
        model: str, at: int, error_kind: str | None = None, *, environment: str = "production"
    ) -> None:
        nonlocal count
        count += 1
        call = {
            "id": f"call_{count}",
            "environment": environment,
            "prompt_id": "sort",
            "prompt_version": "sort@v1",
            "prompt_hash": "h",
            "route": "r",
            "status": "failed" if error_kind else "succeeded",
            "started_at": at,
        }
        tried = {
            "call_id": call["id"],
            "number": 1,
            "reason": "first",
            "model": model,
            "provider": "openai",
            "status": call["status"],
            "error_kind": error_kind,
            "started_at": at,
        }
        database.write_now(
            lambda tx: (
                tx.execute(sa.insert(calls).values(call)),
                tx.execute(sa.insert(call_attempts).values(tried)),
            )
        )

    return record


def test_refusals_are_counted_for_each_model(database, attempt):
    """Other errors do not count, nor what lies too far back."""
    attempt("old", 99, "model_not_found")
    for at in (100, 300, 200):
        attempt("gone", at, "model_not_found")
    attempt("slow", 400, "timeout")
    attempt("fine", 400)

    found = database.read_now(lambda tx: refusals(tx, 100))

    assert found == [Refusal("gone", 3, 300)]


def test_a_model_that_answered_since_is_not_refused(database, attempt):
    """Somebody put its name or its key right; an answer before the refusal proves nothing."""
    attempt("mended", 100, "model_not_found")
    attempt("mended", 200)
    attempt("broken", 100)
    attempt("broken", 200, "model_not_found")

    found = database.read_now(lambda tx: refusals(tx, 0))

    assert found == [Refusal("broken", 1, 200)]


def test_other_environments_may_be_left_out(database, attempt):
    """The same name may stand for another model there."""
    attempt("m", 100, "model_not_found", environment="development")

    assert database.read_now(lambda tx: refusals(tx, 0, environment="production")) == []
    assert database.read_now(lambda tx: refusals(tx, 0)) == [Refusal("m", 1, 100)]
