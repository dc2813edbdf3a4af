"""Verification: reads the chain from its first entry, in pages, and stops at the first thing that is wrong.

    the chain    each entry's hash, its number, what it follows; then the end, and a head kept elsewhere
    the seals    the digest of the calls that an entry covers, from the rows as they are now

Calls that retention deletes are told by an entry of their own (`records.deleted`), so what is missing of a
seal that began before that time is counted, and is no fault.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from roadworthy.audit import seal, store
from roadworthy.audit.action import Action
from roadworthy.audit.chain import Chain, Head, Keyring
from roadworthy.audit.entry import COLUMNS
from roadworthy.errors import InvalidInput
from roadworthy.records import Json

T = TypeVar("T")
Read = Callable[[Callable[[sa.Connection], T]], T]

CALLS_BEFORE = "calls_before_ms"
"""In the detail of `records.deleted`: calls that began before this are gone."""


@dataclass(slots=True)
class Verified:
    """What was found. `ok` unless there is a fault."""

    entries: int = 0
    """Entries that are as they were written."""
    head: Head = field(default_factory=Head)
    """The last of them."""
    fault: str = ""
    """The first thing that is wrong, in words; empty when nothing is."""
    signed_from: int | None = None
    """The first entry that is signed with a key; None when none is."""
    seals: int = 0
    """Entries that seal calls and whose digest fits."""
    calls: int = 0
    """Calls and attempts that these cover."""
    by_retention: int = 0
    """Seals of which retention has deleted something."""
    unsealed: int = 0
    """Finished calls and attempts that no seal covers yet; 1,000 where there are more."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.fault

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        plain = ("entries", "fault", "signed_from", "seals", "calls", "by_retention", "unsealed")
        made: dict[str, Json] = {name: getattr(self, name) for name in plain}
        return {"ok": self.ok, **made, "head": str(self.head)}


def verify(
    read: "Read[Any]", keyring: Keyring, *, kept: Head | None = None, calls: bool = True, settled_ms: int
) -> Verified:
    """Read the whole log. `kept` is a head from elsewhere; what ended before `settled_ms` has a seal."""
    found, chain = Verified(), Chain(keyring)
    end: Head = read(store.head)
    seals = _Seals(found)
    while not found.fault:
        page: list[dict[str, Any]] = read(lambda tx: store.page(tx, chain.head.seq, end.seq))
        if not page:
            break
        for values in page:
            found.fault = chain.add(values) or _kept_fault(values, kept)
            if not found.fault and calls and values["action"] == Action.CALLS_SEALED.value:
                found.fault = read(lambda tx, entry=values: seals.fault(tx, entry))
            if found.fault:
                break
    found.entries, found.head, found.signed_from = chain.head.seq, chain.head, chain.signed_from
    found.fault = found.fault or read(lambda tx: _end_fault(tx, chain.head, end, keyring, kept))
    if calls:
        found.unsealed = read(lambda tx: len(seal.unsealed(tx, since_ms=0, before_ms=settled_ms, limit=500)))
    return found


def verify_file(path: Path, keyring: Keyring, *, kept: Head | None = None) -> Verified:
    """Read an exported log: the chain only, for the calls are in the database. Raises `InvalidInput`."""
    found, chain = Verified(), Chain(keyring)
    for values in _lines(path):
        found.fault = chain.add(values) or _kept_fault(values, kept)
        if found.fault:
            break
    found.entries, found.head, found.signed_from = chain.head.seq, chain.head, chain.signed_from
    if not found.fault and kept is not None and kept.seq > chain.head.seq:
        found.fault = f"The file ends at entry {chain.head.seq}, before the head that was kept ({kept.seq})."
    return found


def export(read: "Read[Any]", until: Head) -> Iterator[str]:
    """Each entry as a line of JSON, with its hashes, up to this head."""
    page: list[dict[str, Any]] = read(lambda tx: store.page(tx, 0, until.seq))
    while page:
        for values in page:
            yield json.dumps(values, separators=(",", ":")) + "\n"
        page = read(lambda tx, after=page[-1]["seq"]: store.page(tx, after, until.seq))


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                values = json.loads(line)
                yield {name: values[name] for name in COLUMNS}
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InvalidInput(f"Line {number} of {str(path)!r} is no entry of an audit log.") from error


def _kept_fault(values: dict[str, Any], kept: Head | None) -> str:
    if kept is None or values["seq"] != kept.seq or values["hash"] == kept.hash:
        return ""
    return f"Entry {kept.seq} is another one than the head that was kept says: the log was written anew."


def _end_fault(tx: sa.Connection, last: Head, end: Head, keyring: Keyring, kept: Head | None) -> str:
    now, highest = store.head(tx), store.last_seq(tx)
    if last.seq < end.seq or highest < now.seq:
        return (
            f"The chain was cut at the end: its head is entry {now.seq}, "
            f"and the last one on record is entry {highest}."
        )
    if last.hash != end.hash:
        return f"The head does not match entry {last.seq}."
    if highest > now.seq:
        return f"Entry {highest} stands behind the head, which is entry {now.seq}."
    if kept is not None and kept.seq > now.seq:
        return f"The chain ends at entry {now.seq}, before the head that was kept ({kept.seq})."
    if keyring.key_id and last.seq and not last.key_id:
        return f"Entry {last.seq}, the newest, is not signed, and a key is configured."
    return ""


class _Seals:
    """Checks seals, and counts them."""

    def __init__(self, found: Verified) -> None:
        self._found = found
        self._gone_before = 0

    def fault(self, tx: sa.Connection, entry: dict[str, Any]) -> str:
        """What is wrong with the calls that an entry seals; empty when nothing is."""
        said, now = _load(entry["detail"]), seal.digest(tx, entry["id"])
        wanted, there = (_number(said, "calls"), _number(said, "attempts")), (now.calls, now.attempts)
        if said.get("digest") == now.digest and wanted == there:
            self._found.seals += 1
            self._found.calls += sum(there)
            return ""
        lost = sum(wanted) - sum(there)
        if lost > 0 and self._is_gone(tx, _number(said, "from_ms")):
            self._found.by_retention += 1
            return ""
        what = f"the calls sealed by entry {entry['seq']} ({said.get('first')} to {said.get('last')})"
        if lost:
            return f"Of {what}, {abs(lost)} with their attempts are {'missing' if lost > 0 else 'too many'}."
        return f"A call or attempt was changed: one of {what}."

    def _is_gone(self, tx: sa.Connection, time_ms: int) -> bool:
        """Whether retention deletes calls that began then; its entry comes before it deletes any."""
        if time_ms >= self._gone_before:
            texts = store.details(tx, Action.RECORDS_DELETED)
            self._gone_before = max((_number(_load(text), CALLS_BEFORE) for text in texts), default=0)
        return time_ms < self._gone_before


def _number(detail: dict[str, Any], name: str) -> int:
    value = detail.get(name)
    return value if isinstance(value, int) else 0


def _load(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
