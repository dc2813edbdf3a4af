"""Batches: one run for each line of a file. Loading and running both survive a kill.

A batch is known by its workflow, its file's content and what is taken of it, so the same command again goes
on with it. Each item is a run under the key of its place in the file; lines that cannot be used are kept with
the reason.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import sqlalchemy as sa

from roadworthy.audit import Action
from roadworthy.calls.lane.store import requests
from roadworthy.db.tables.workflows import batch_rejects, batches
from roadworthy.errors import InvalidInput, NotFound, did_you_mean
from roadworthy.workflows.context import Parts
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.run import FINISHED, RunStatus
from roadworthy.workflows.runs import Runs
from roadworthy.workflows.store import runs as store
from roadworthy.workflows.store.find import Filter, count_by_status

_AT_ONCE = 200
_MOST_LINE_CHARS = 64_000_000


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that became no run."""

    item: int
    """Which item of the file, from 1."""
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A file's worth of runs, and how far it is."""

    id: str
    workflow: str
    source: str
    total: int | None
    """Items in the file; None while it is being loaded."""
    counts: dict[RunStatus, int]
    rejects: int
    collected: int = 0
    """Calls of its items that wait to be sent to the provider's batch."""
    at_provider: int = 0
    """Calls of its items that are with the provider, in a batch."""

    @property
    def done(self) -> int:
        """Items that have come to an end, rejected ones included."""
        ended = {*FINISHED, RunStatus.PARKED}
        return sum(count for status, count in self.counts.items() if status in ended) + self.rejects

    @property
    def finished(self) -> bool:
        """Whether every item has come to an end."""
        return self.total is not None and self.done >= self.total


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    line: int
    value: Any = None
    reason: str = ""


class Batches:
    """The batches of a project."""

    def __init__(self, parts: Parts, runs: Runs, doorbell: Doorbell) -> None:
        self._parts = parts
        self._runs = runs
        self._doorbell = doorbell

    async def load(
        self,
        workflow: str,
        file: Path,
        *,
        tags: tuple[str, ...] = (),
        again: bool = False,
        fields: Mapping[str, str] | None = None,
        sample: int | None = None,
        lane: Literal["live", "provider-batch"] = "live",
        within_seconds: float | None = None,
    ) -> str:
        """Queue a run for each line of a JSONL or CSV file; returns the batch's id.

        `fields` says for each input of the workflow which field of a line it is; without it, a line's fields
        are the inputs. `sample` takes so many lines only, evenly spread. A file that was loaded before gives
        the same batch and adds what is missing; `again` begins a new one once that has finished.
        In the lane `provider-batch`, calls wait to be answered through the provider's batch, `within_seconds`
        from now (`provider_batch.within_seconds` when None); what has no answer by then is asked live.
        Raises `InvalidInput` when the file cannot be read, `NotFound` for an unknown workflow.
        """
        self._runs.workflow(workflow)
        read = _reader(file)
        source_hash = _source_hash(file, fields or {}, sample)
        known = await self._newest_of(workflow, source_hash)
        if known is None or (again and (await self.get(known)).finished):
            known = await self._open(workflow, file, source_hash)
        batch_id = known
        wanted = None if sample is None else _evenly(sum(1 for _ in read(file)), sample)
        options: dict[str, Any] = {
            "tags": tags,
            "lane": lane,
            "lane_until": self._until(lane, within_seconds),
        }
        chunk: list[_Item] = []
        total = 0
        for item in read(file):
            if wanted is not None and item.number not in wanted:
                continue
            total += 1
            chunk.append(_mapped(item, fields))
            if len(chunk) >= _AT_ONCE:
                await self._store(batch_id, workflow, chunk, options)
                chunk = []
        await self._store(batch_id, workflow, chunk, options)
        now_ms = self._parts.clock.now_ms()
        loaded = sa.update(batches).where(batches.c.id == batch_id).values(loaded_at=now_ms, total=total)
        entry = self._parts.audit.entry(
            Action.BATCH_LOADED, batch_id, workflow=workflow, detail={"items": total}
        )

        def finish(tx: sa.Connection) -> None:
            tx.execute(loaded)
            self._parts.audit.append(tx, entry)

        await self._parts.database.write(finish)
        return batch_id

    def _until(self, lane: str, within_seconds: float | None) -> int | None:
        if lane == "live":
            return None
        seconds = within_seconds
        if seconds is None:
            seconds = self._parts.settings.provider_batch.within_seconds
        return self._parts.clock.now_ms() + int(seconds * 1000)

    async def _newest_of(self, workflow: str, source_hash: str) -> str | None:
        query = sa.select(batches.c.id).where(*_same(workflow, source_hash)).order_by(batches.c.id.desc())
        return await self._parts.database.read(lambda tx: tx.execute(query.limit(1)).scalar())

    async def _open(self, workflow: str, file: Path, source_hash: str) -> str:
        """A new batch; two that open it at the same moment get the same one."""
        now_ms, new_id = self._parts.clock.now_ms(), self._parts.ids.new("batch")
        often = sa.select(sa.func.count()).select_from(batches).where(*_same(workflow, source_hash))

        def open_batch(tx: sa.Connection) -> str:
            numbered = f"{source_hash}:{tx.execute(often).scalar_one() + 1}"
            values = {"id": new_id, "workflow": workflow, "source": str(file), "created_at": now_ms}
            tx.execute(store.insert(tx, batches, **values, source_hash=numbered))
            same = (batches.c.workflow == workflow) & (batches.c.source_hash == numbered)
            return tx.execute(sa.select(batches.c.id).where(same)).scalar_one()

        return await self._parts.database.write(open_batch)

    async def get(self, batch_id: str) -> Batch:
        """A batch and how far it is. Raises `NotFound`."""

        def look(tx: sa.Connection) -> Batch:
            row = tx.execute(sa.select(batches).where(batches.c.id == batch_id)).first()
            if row is None:
                raise NotFound(f"There is no batch {batch_id!r}.", hint="List them: roadworthy batch list")
            rejected = sa.select(sa.func.count()).where(batch_rejects.c.batch_id == batch_id)
            counts = count_by_status(tx, Filter(batch_id=batch_id))
            collected, at_provider = requests.count_of(tx, batch_id)
            return Batch(
                row.id,
                row.workflow,
                row.source,
                row.total,
                counts,
                tx.execute(rejected).scalar_one(),
                collected=collected,
                at_provider=at_provider,
            )

        return await self._parts.database.read(look)

    async def newest(self, limit: int = 50) -> list[str]:
        """Ids of the newest batches."""
        query = sa.select(batches.c.id).order_by(batches.c.id.desc()).limit(limit)
        return await self._parts.database.read(lambda tx: list(tx.execute(query).scalars()))

    async def rejects(self, batch_id: str) -> list[Reject]:
        """The lines that became no run, and why."""
        query = (
            sa.select(batch_rejects.c.item, batch_rejects.c.line, batch_rejects.c.reason)
            .where(batch_rejects.c.batch_id == batch_id)
            .order_by(batch_rejects.c.item)
        )
        return await self._parts.database.read(lambda tx: [Reject(*row) for row in tx.execute(query)])

    async def _store(self, batch_id: str, workflow: str, chunk: list[_Item], options: dict[str, Any]) -> None:
        now_ms = self._parts.clock.now_ms()
        new: list[store.NewRun] = []
        rejected: list[Reject] = []
        for item in chunk:
            if item.reason:
                rejected.append(Reject(item.number, item.line, item.reason))
                continue
            try:
                new.append(
                    self._runs.prepare(
                        workflow,
                        item.value,
                        idempotency_key=f"{batch_id}:{item.number}",
                        batch_id=batch_id,
                        batch_item=item.number,
                        **options,
                    )
                )
            except InvalidInput as error:
                rejected.append(Reject(item.number, item.line, error.message))

        def write(tx: sa.Connection) -> None:
            for run in new:
                store.create(tx, run, now_ms)
            for one in rejected:
                tx.execute(
                    store.insert(
                        tx,
                        batch_rejects,
                        batch_id=batch_id,
                        item=one.item,
                        line=one.line,
                        reason=one.reason[:2000],
                    )
                )

        await self._parts.database.write(write)
        self._doorbell.work.set()


def read_items(file: Path) -> Iterator[tuple[int, Any]]:
    """The items of a batch's file with their numbers, as far as they can be read. Raises `InvalidInput`."""
    return ((item.number, item.value) for item in _reader(file)(file) if not item.reason)


def _same(workflow: str, source_hash: str) -> tuple[sa.ColumnElement[bool], ...]:
    return batches.c.workflow == workflow, batches.c.source_hash.startswith(source_hash, autoescape=True)


def _source_hash(file: Path, fields: Mapping[str, str], sample: int | None) -> str:
    """What a batch is known by: the file's content, and what is taken of it."""
    try:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(f"The file {str(file)!r} cannot be read: {error.strerror}.") from error
    taken = json.dumps([sorted(fields.items()), sample])
    return f"{content}:{hashlib.sha256(taken.encode()).hexdigest()[:16]}"


def _evenly(total: int, sample: int) -> frozenset[int]:
    """The numbers of so many items, evenly spread from the first on."""
    count = min(total, sample)
    return frozenset(1 + position * total // count for position in range(count))


def _mapped(item: _Item, fields: Mapping[str, str] | None) -> _Item:
    """The item with the workflow's inputs taken from its fields, and nothing else."""
    if not fields or item.reason:
        return item
    value: object = item.value
    if not isinstance(value, dict):
        return replace(item, reason=f"line {item.line} is not an object with fields.")
    line = cast("dict[str, Any]", value)
    for column in fields.values():
        if column not in line:
            hint = did_you_mean(column, line)
            return replace(item, reason=f"line {item.line} has no field {column!r}. {hint}".rstrip())
    return replace(item, value={name: line[column] for name, column in fields.items()})


def _reader(file: Path) -> Callable[[Path], Iterator[_Item]]:
    readers = {".jsonl": _read_jsonl, ".ndjson": _read_jsonl, ".csv": _read_csv}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise InvalidInput(
            f"A batch is read from .jsonl or .csv, not from {file.name!r}.",
            hint="Convert it: one JSON object a line.",
        )
    return reader


def _read_jsonl(file: Path) -> Iterator[_Item]:
    number = 0
    with file.open("rb") as stream:
        for line, raw in enumerate(stream, start=1):
            body = raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw
            if not body.strip():
                continue
            number += 1
            try:
                yield _Item(number, line, json.loads(body.decode()))
            except UnicodeDecodeError as error:
                yield _Item(number, line, reason=f"line {line} is not valid UTF-8 (byte {error.start}).")
            except (ValueError, RecursionError) as error:
                yield _Item(number, line, reason=f"line {line} is not JSON: {error}.")


def _read_csv(file: Path) -> Iterator[_Item]:
    csv.field_size_limit(_MOST_LINE_CHARS)
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        rows = csv.DictReader(stream, restkey="", strict=True)
        number = 0
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield _Item(number + 1, rows.line_num, reason=f"line {rows.line_num} is not CSV: {error}.")
                return
            number += 1
            yield _csv_item(number, rows.line_num, row)


def _csv_item(number: int, line: int, row: dict[str, Any]) -> _Item:
    if "" in row:
        return _Item(number, line, reason=f"line {line} has more fields than the header.")
    missing = [name for name, value in row.items() if value is None]
    if missing:
        return _Item(number, line, reason=f"line {line} has no value for {', '.join(missing)}.")
    if any("\udc80" <= char <= "\udcff" for value in row.values() for char in value):
        return _Item(number, line, reason=f"line {line} is not valid UTF-8.")
    return _Item(number, line, row)
