"""Versions in the database: registered when a program starts, kept so that every past call can be shown.

A text, once registered, stays. A label stands for one text for good, except in the environment
"development", where it may move to new text while an author works on it. Registering is safe to repeat and
to run from several processes at once: rows are inserted where missing, in one order, and then compared.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from roadworthy.db.tables.prompts import prompt_labels, prompt_versions
from roadworthy.errors import Fault
from roadworthy.prompts.faults import prompt_error
from roadworthy.prompts.version import Version, natural_key

DEVELOPMENT: Final = "development"


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A text that was registered. `parse(stored.text, …)` makes it a version again."""

    prompt_id: str
    content_hash: str
    first_label: str
    """The label it was first registered under."""
    text: str
    registered_at: int
    """Milliseconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """What a label stands for."""

    prompt_id: str
    label: str
    content_hash: str
    registered_at: int
    """Milliseconds since 1970, UTC."""
    moved_at: int | None
    """When it last moved to another text; only in development."""


def register(tx: sa.Connection, version: Version, environment: str, now_ms: int) -> None:
    """Store one version; see `register_all`."""
    register_all(tx, [version], environment, now_ms)


def register_all(tx: sa.Connection, versions: Iterable[Version], environment: str, now_ms: int) -> None:
    """Store the versions that are not stored yet, and have each label stand for its text.

    Raises:
        PromptError: Outside of development, a label already stands for another text.
    """
    known = _hashes(tx)
    fresh = sorted(
        {
            version
            for version in versions
            if known.get((version.prompt_id, version.label)) != version.content_hash
        },
        key=lambda version: (version.prompt_id, version.label),
    )
    if not fresh:
        return
    _insert_missing(tx, prompt_versions, [_version_row(version, now_ms) for version in fresh])
    _insert_missing(tx, prompt_labels, [_label_row(version, now_ms) for version in fresh])
    known = _hashes(tx)
    moved = [version for version in fresh if known[version.prompt_id, version.label] != version.content_hash]
    if moved and environment != DEVELOPMENT:
        raise prompt_error(_changed(version, known) for version in moved)
    for version in moved:
        tx.execute(
            prompt_labels.update()
            .where(prompt_labels.c.prompt_id == version.prompt_id, prompt_labels.c.label == version.label)
            .values(content_hash=version.content_hash, moved_at=now_ms)
        )


def keep_texts(tx: sa.Connection, versions: Iterable[Version], now_ms: int) -> None:
    """Store texts that calls will name, without having any label stand for them."""
    rows = [_version_row(version, now_ms) for version in versions]
    if rows:
        _insert_missing(tx, prompt_versions, rows)


def by_hash(tx: sa.Connection, content_hash: str) -> StoredVersion | None:
    """The text with this hash, whatever its label is now; None when it was never registered."""
    query = prompt_versions.select().where(prompt_versions.c.content_hash == content_hash)
    row = tx.execute(query.order_by(prompt_versions.c.registered_at, prompt_versions.c.prompt_id)).first()
    if row is None:
        return None
    return StoredVersion(row.prompt_id, row.content_hash, row.first_label, row.text, row.registered_at)


def labels(tx: sa.Connection, prompt_id: str) -> tuple[StoredLabel, ...]:
    """All labels of a prompt that were ever registered, in natural order."""
    rows = tx.execute(prompt_labels.select().where(prompt_labels.c.prompt_id == prompt_id))
    found = [
        StoredLabel(row.prompt_id, row.label, row.content_hash, row.registered_at, row.moved_at)
        for row in rows
    ]
    return tuple(sorted(found, key=lambda label: natural_key(label.label)))


def _hashes(tx: sa.Connection) -> dict[tuple[str, str], str]:
    rows = tx.execute(
        sa.select(prompt_labels.c.prompt_id, prompt_labels.c.label, prompt_labels.c.content_hash)
    )
    return {(row.prompt_id, row.label): row.content_hash for row in rows}


def _version_row(version: Version, now_ms: int) -> dict[str, Any]:
    return {
        "prompt_id": version.prompt_id,
        "content_hash": version.content_hash,
        "first_label": version.label,
        "text": version.text,
        "registered_at": now_ms,
    }


def _label_row(version: Version, now_ms: int) -> dict[str, Any]:
    return {
        "prompt_id": version.prompt_id,
        "label": version.label,
        "content_hash": version.content_hash,
        "registered_at": now_ms,
    }


def _insert_missing(tx: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:  # an insert without rows would be one of defaults
        return
    if tx.dialect.name == "postgresql":
        tx.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)
    else:
        tx.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)


def _changed(version: Version, known: dict[tuple[str, str], str]) -> Fault:
    taken = {label for prompt_id, label in known if prompt_id == version.prompt_id}
    free = _next_label(max(taken, key=natural_key))
    message = (
        f"version {version.name!r} is registered with another text, and versions do not change outside of "
        f"development. Restore the file, and save the new text as a new file, for example {free}.md."
    )
    return Fault(message, file=version.file or version.name)


def _next_label(label: str) -> str:
    counted = re.fullmatch(r"(.*?)([0-9]+)", label)
    return f"{counted[1]}{int(counted[2]) + 1}" if counted else f"{label}-2"
