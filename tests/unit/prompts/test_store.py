"""Versions in the database: immutable outside of development, and never lost."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from roadworthy.db import Database
from roadworthy.db.tables.prompts import prompt_labels, prompt_versions
from roadworthy.errors import PromptError
from roadworthy.prompts import Version, parse, store


@pytest.fixture
def database(fresh_database_url) -> Iterator[Database]:
    """An open database."""
    database = Database(fresh_database_url)
    yield database
    database.close()


def version(text: str = "Hello", label: str = "v1", prompt_id: str = "reply") -> Version:
    """A version with this text."""
    file = f"prompts/{prompt_id}/{label}.md"
    return parse(f"# user\n{text}\n", prompt_id=prompt_id, label=label, file=file)


def counts(database: Database) -> tuple[int, int]:
    """How many texts and how many labels are stored."""

    def count(tx: sa.Connection) -> tuple[int, int]:
        texts = tx.execute(sa.select(sa.func.count()).select_from(prompt_versions)).scalar_one()
        labels = tx.execute(sa.select(sa.func.count()).select_from(prompt_labels)).scalar_one()
        return texts, labels

    return database.read_now(count)


def test_a_registered_version_can_be_shown_again(database) -> None:
    """Its text comes back by hash and parses to the same version."""
    database.write_now(lambda tx: store.register(tx, version(), "production", 5))
    stored = database.read_now(lambda tx: store.by_hash(tx, version().content_hash))
    assert (stored.prompt_id, stored.first_label, stored.registered_at) == ("reply", "v1", 5)
    assert parse(stored.text, prompt_id=stored.prompt_id, label=stored.first_label) == version()


def test_an_unknown_hash_has_no_text(database) -> None:
    """Asking for what was never registered is no error."""
    assert database.read_now(lambda tx: store.by_hash(tx, "0" * 64)) is None


def test_no_texts_are_kept_without_a_fault(database) -> None:
    """A suite that evaluates a function has no text to keep."""
    database.write_now(lambda tx: store.keep_texts(tx, (), 5))
    assert counts(database) == (0, 0)


@pytest.mark.parametrize("environment", ["development", "production"])
def test_registering_again_changes_nothing(database, environment) -> None:
    """A program that starts twice registers once."""
    for now_ms in (1, 2):
        database.write_now(lambda tx, now=now_ms: store.register_all(tx, [version()], environment, now))
    assert counts(database) == (1, 1)
    (label,) = database.read_now(lambda tx: store.labels(tx, "reply"))
    assert (label.registered_at, label.moved_at) == (1, None)


def test_in_development_a_label_moves_and_both_texts_stay(database) -> None:
    """An author edits in place; past calls still show what they used."""
    for now_ms, text in enumerate(("Hello", "Hi", "Hello")):
        database.write_now(lambda tx, t=text, n=now_ms: store.register(tx, version(t), "development", n))
    assert counts(database) == (2, 1)
    (label,) = database.read_now(lambda tx: store.labels(tx, "reply"))
    assert (label.content_hash, label.registered_at, label.moved_at) == (version("Hello").content_hash, 0, 2)
    assert database.read_now(lambda tx: store.by_hash(tx, version("Hi").content_hash)).text == "# user\nHi\n"


@pytest.mark.parametrize("environment", ["staging", "production", "Development"])
def test_outside_of_development_a_label_does_not_move(database, environment) -> None:
    """The error names the file to add, and nothing was changed."""
    database.write_now(lambda tx: store.register_all(tx, [version(), version("B", "v9")], environment, 1))
    changed = [version("Hi"), version("Neu", "v10")]
    with pytest.raises(PromptError) as caught:
        database.write_now(lambda tx: store.register_all(tx, changed, environment, 2))
    assert str(caught.value) == (
        "prompts/reply/v1.md: version 'reply@v1' is registered with another text, and versions do not change "
        "outside of development. Restore the file, and save the new text as a new file, for example v11.md."
    )
    assert counts(database) == (2, 2)


def test_the_same_text_under_two_labels_and_prompts_is_kept_apart(database) -> None:
    """A copy of a prompt is a prompt of its own."""
    versions = [version(), version(label="v2"), version(prompt_id="other")]
    database.write_now(lambda tx: store.register_all(tx, versions, "production", 1))
    assert counts(database) == (2, 3)
    labels = database.read_now(lambda tx: store.labels(tx, "reply"))
    assert [(label.label, label.content_hash) for label in labels] == [
        ("v1", version().content_hash),
        ("v2", version().content_hash),
    ]


def test_labels_are_in_natural_order(database) -> None:
    """v2 stands before v10."""
    versions = [version(label, label) for label in ("v10", "v2", "v1")]
    database.write_now(lambda tx: store.register_all(tx, versions, "production", 1))
    labels = database.read_now(lambda tx: store.labels(tx, "reply"))
    assert [label.label for label in labels] == ["v1", "v2", "v10"]


def test_no_versions_register_as_nothing(database) -> None:
    """A project without prompts starts too."""
    database.write_now(lambda tx: store.register_all(tx, [], "production", 1))
    assert counts(database) == (0, 0)


def at_once(url: str, texts: list[list[Version]]) -> list[Exception]:
    """Register from several programs at the same time; returns what they raised."""
    barrier = threading.Barrier(len(texts))
    errors: list[Exception] = []

    def start(versions: list[Version]) -> None:
        database = Database(url)
        try:
            barrier.wait()
            database.write_now(lambda tx: store.register_all(tx, versions, "production", 1))
        except PromptError as error:
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start, args=(versions,)) for versions in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_several_programs_may_register_at_once(database, fresh_database_url) -> None:
    """The same versions in any order end up stored once, and nobody fails."""
    versions = [version(f"Text {number}", f"v{number}") for number in range(20)]
    assert at_once(fresh_database_url, [versions, versions[::-1], versions, versions[::-1]]) == []
    assert counts(database) == (20, 20)


def test_of_two_texts_for_one_label_at_once_one_stands(database, fresh_database_url) -> None:
    """The later program is told, whichever it is."""
    (error,) = at_once(fresh_database_url, [[version("One")], [version("Two")]])
    assert "'reply@v1' is registered with another text" in str(error)
    (label,) = database.read_now(lambda tx: store.labels(tx, "reply"))
    assert label.content_hash in {version("One").content_hash, version("Two").content_hash}
