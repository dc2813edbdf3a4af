"""The schema: what migrations make is what the code expects, once, and never across versions."""

import asyncio

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from roadworthy.db import Database, current_revision, require_current, schema, upgrade
from roadworthy.db.tables import (
    access,
    answers,
    audit,
    budgets,
    calls,
    evals,
    feedback,
    gateway,
    lanes,
    metadata,
    models,
    prompts,
    releases,
    review,
    rollups,
    workflows,
)
from roadworthy.errors import SchemaError


@pytest.fixture
def database(empty_database_url: str):
    """An open, empty database."""
    opened = Database(empty_database_url)
    yield opened
    opened.close()


def test_an_empty_database_is_brought_to_the_newest_revision_once(database: Database) -> None:
    """The second upgrade finds nothing to do."""
    assert current_revision(database) is None
    assert upgrade(database)
    assert not upgrade(database)
    assert current_revision(database) == schema.HEAD
    require_current(database)


def test_the_migrations_make_the_tables_that_the_code_declares(database: Database) -> None:
    """A column or index that is declared and not migrated, or the other way round, is found here."""
    assert all(
        (
            access,
            answers,
            audit,
            budgets,
            calls,
            evals,
            feedback,
            gateway,
            lanes,
            models,
            prompts,
            releases,
            review,
            rollups,
            workflows,
        )
    )
    upgrade(database)
    ours = set(metadata.tables)

    def differences(tx: sa.Connection) -> list[object]:
        def include(_object: object, name: str | None, kind: str, _reflected: object, _to: object) -> bool:
            return kind != "table" or name in ours

        options = {"include_object": include, "compare_type": True}
        return compare_metadata(MigrationContext.configure(tx, opts=options), metadata)

    assert database.read_now(differences) == []


def test_what_is_on_record_survives_an_upgrade(database: Database) -> None:
    """A database of the first release keeps its runs and calls; what they do not say has its default."""
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))

    def first_release(tx: sa.Connection) -> None:
        config.attributes["connection"] = tx
        command.upgrade(config, "0001")
        tx.exec_driver_sql(
            "INSERT INTO runs (id, workflow, status, environment, input_hash, created_at)"
            " VALUES ('run_1', 'answer', 'succeeded', 'production', 'h', 1)"
        )
        tx.exec_driver_sql(
            "INSERT INTO calls (id, environment, prompt_id, prompt_version, prompt_hash, route, status,"
            " cost_micro_usd, started_at)"
            " VALUES ('call_1', 'production', 'p', 'p@v1', 'h', 'r', 'succeeded', 7, 1)"
        )

    database.write_now(first_release)
    assert upgrade(database)

    def kept(tx: sa.Connection) -> tuple[object, ...]:
        run = tx.execute(sa.select(workflows.runs.c.workflow, workflows.runs.c.lane)).one()
        its = calls.calls.c
        call = tx.execute(sa.select(its.cost_micro_usd, its.lane, its.stale, its.saved_micro_usd)).one()
        return (*run, *call)

    assert database.read_now(kept) == ("answer", "live", 7, "live", False, 0)


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    """`HEAD` is read without Alembic, so it must be kept equal to what Alembic says."""
    assert ScriptDirectory(str(schema._MIGRATIONS)).get_current_head() == schema.HEAD


def test_a_database_without_schema_is_refused_with_the_command_to_run(database: Database) -> None:
    """A worker on a server's database does not migrate by itself."""
    with pytest.raises(SchemaError, match="roadworthy db upgrade"):
        require_current(database)


def test_an_older_program_refuses_a_newer_schema(database: Database) -> None:
    """Neither reading on nor downgrading: the message says to upgrade the package."""
    upgrade(database)
    database.write_now(
        lambda tx: tx.exec_driver_sql("UPDATE roadworthy_schema SET version_num = '9999'") and None
    )
    with pytest.raises(SchemaError, match="newer than this program"):
        require_current(database)
    with pytest.raises(SchemaError, match="newer than this program"):
        upgrade(database)


async def test_two_processes_that_upgrade_at_once_do_it_once(empty_database_url: str) -> None:
    """Every worker of a new release may try: one migrates, the others wait and go on."""
    several = [Database(empty_database_url) for _ in range(4)]
    try:
        done = await asyncio.gather(*(asyncio.to_thread(upgrade, one) for one in several))
        assert any(done)
        assert {current_revision(one) for one in several} == {schema.HEAD}
    finally:
        for one in several:
            one.close()
