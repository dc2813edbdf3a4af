"""`roadworthy cache` and what `roadworthy models` says of models that go."""

import asyncio
import time

import pytest

from roadworthy.db import Database
from roadworthy.models.cache import AnswerCache, Cached
from roadworthy.records import SystemClock, Usage
from roadworthy.settings import AnswerCacheSettings

pytestmark = pytest.mark.slow  # each command loads a project and its database


@pytest.fixture
def kept(project):
    """Three answers of two prompts and two tenants, one of them given again twice."""
    database = Database(f"sqlite:///{project / '.roadworthy' / 'roadworthy.db'}")
    cache = AnswerCache(database, SystemClock())

    def store(tx) -> None:
        for key, prompt_id, tenant in (
            ("a", "sort", "acme"),
            ("b", "sort", ""),
            ("c", "[red]judge[/red]", "acme"),
        ):
            entry = Cached.make(
                key,
                {"kind": "parcel"},
                prompt_id=prompt_id,
                tenant=tenant,
                model="m",
                rung="m",
                usage=Usage(10, 5),
                cost_micro_usd=700,
                degraded=False,
                complete=True,
                now_ms=time.time_ns() // 1_000_000,
                settings=AnswerCacheSettings(ttl_seconds=60),
            )
            cache.store(tx, entry)
        cache.hits(tx, {"a": 2})

    asyncio.run(database.write(store))
    database.close()


def test_an_empty_cache_says_how_to_fill_it(roadworthy, project):
    """Nothing to show is no error."""
    assert "No answers are kept" in roadworthy("cache", "show").out
    assert roadworthy("cache", "show", "--json").json == {"prompts": []}


def test_the_cache_is_summed_up_by_prompt(roadworthy, kept):
    """How many, how large, how often given again, and what that saved."""
    judge, sort = roadworthy("cache", "show", "--json").json["prompts"]

    size = sort.pop("bytes")
    assert sort == {"prompt": "sort", "answers": 2, "hits": 2, "saved_usd": "0.0014"}
    assert judge["bytes"] * 2 == size
    table = roadworthy("cache", "show").out
    assert "0.0014" in table
    assert "[red]judge[/red]" in table


def test_nothing_is_cleared_without_yes(roadworthy, kept):
    """It is said what would be, and the exit code says that it was not."""
    outcome = roadworthy("cache", "clear", "--prompt", "sort")

    assert outcome.code == 2
    assert "2 answers would be deleted; add --yes" in outcome.out
    assert roadworthy("cache", "clear", "--json").json == {"answers": 3, "deleted": False}


@pytest.mark.parametrize(
    ("which", "deleted"),
    [
        (["--prompt", "sort"], 2),
        (["--tenant", "acme"], 2),
        (["--tenant", ""], 1),
        (["--prompt", "sort", "--tenant", "acme"], 1),
        (["--prompt", "none"], 0),
        ([], 3),
    ],
)
def test_a_part_or_all_of_the_cache_is_cleared(*, roadworthy, kept, which, deleted):
    """By prompt, by tenant, by both."""
    outcome = roadworthy("cache", "clear", *which, "--yes", "--json")

    assert (outcome.code, outcome.json) == (0, {"answers": deleted, "deleted": True})
    left = roadworthy("cache", "show", "--json").json["prompts"]
    assert sum(one["answers"] for one in left) == 3 - deleted


def test_a_retired_model_fails_the_check_and_stands_in_the_list(roadworthy, project):
    """With the day, and what to do; one whose day is far off is in order."""
    with (project / "roadworthy.toml").open("a", encoding="utf-8") as file:
        for name, day in (("gone", "2026-01-01"), ("stays", "2090-01-01")):
            file.write(
                f'[models.{name}]\nprovider = "python"\nfunction = "rule:answer"\nretires_on = {day}\n'
            )

    outcome = roadworthy("models", "check", "--json")

    assert outcome.code == 1
    rows = {row["name"]: row for row in outcome.json["models"]}
    assert (rows["gone"]["ok"], rows["gone"]["life"], rows["gone"]["what"]) == (
        False,
        "retired",
        "retired; ready",
    )
    assert (rows["stays"]["ok"], rows["stays"]["life"]) == (True, "ok")
    assert any("models.gone" in warning for warning in outcome.json["warnings"])
    listed = {row["name"]: row for row in roadworthy("models", "list", "--json").json["models"]}
    assert (listed["gone"]["life"], listed["gone"]["retires_on"]) == ("retired", "2026-01-01")
    assert "retired 2026-01-01" in roadworthy("models", "list").out


def test_models_are_checked_without_a_database_that_can_be_read(roadworthy, project, monkeypatch):
    """Only what providers answered of late is then not known."""
    (project / ".roadworthy" / "roadworthy.db").write_bytes(b"no database" * 1000)

    outcome = roadworthy("models", "check", "--json")

    assert outcome.code == 0
    assert any("not known" in warning for warning in outcome.json["warnings"])
