"""A data set: a file of cases, one JSON object a line; read with every fault, written one line a case.

Duplicate ids, unknown fields and lines that are no JSON are faults, each with its line. Where that is asked
for, the rest is used all the same, and the faults are told.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from roadworthy.errors import ConfigurationError, Fault, did_you_mean
from roadworthy.evals.case import Case, digest

_MOST_TOLD = 5
_FIELDS = frozenset({"id", "inputs", "expected", "tags", "source", "note"})


@dataclass(frozen=True, slots=True)
class Dataset:
    """Cases in the order of their file."""

    cases: tuple[Case, ...]
    faults: tuple[Fault, ...] = ()
    """Lines that were left out, where that was asked for."""

    @property
    def content_hash(self) -> str:
        """SHA-256 over all cases; their order does not count."""
        return digest(sorted([case.id, case.content_hash] for case in self.cases))


def read(path: Path, *, keep_going: bool = False) -> Dataset:
    """The data set in a file. With `keep_going`, lines with faults are left out.

    Raises:
        ConfigurationError: There is no such file, it has no case, or lines with faults; all of them are told.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The data set {str(path)!r} cannot be read ({error.strerror}).",
            hint="Write its first case there: one JSON object a line, with `id` and `inputs`.",
        ) from error
    faults: list[Fault] = []
    cases: dict[str, Case] = {}
    for number, line in enumerate(source.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        said = _case(line, number)
        if isinstance(said, Case) and said.id in cases:
            said = f"the id {said.id!r} stands in line {cases[said.id].line} already"
        if isinstance(said, str):
            faults.append(Fault(f"{said}.", file=path.name, line=number))
        else:
            cases[said.id] = said
    name = f"{path.parent.name}/{path.name}"
    if faults and not keep_going:
        more = f" And {len(faults) - _MOST_TOLD} more." if len(faults) > _MOST_TOLD else ""
        raise ConfigurationError(
            f"The data set {name!r} has faults: "
            + " ".join(f"line {one.line}: {one.message}" for one in faults[:_MOST_TOLD])
            + more,
            hint="Mend these lines; `roadworthy eval --keep-going` leaves them out." if cases else "",
        )
    if not cases:
        raise ConfigurationError(
            f"The data set {name!r} has no cases.",
            hint="Write one JSON object a line, with `id` and `inputs`, and what is `expected`.",
        )
    return Dataset(tuple(cases.values()), tuple(faults))


def write(path: Path, cases: Iterable[Case]) -> None:
    """Write a data set; what was there is replaced at once, or not at all."""
    _replace(path, text_of(cases).encode())


def append(path: Path, cases: Iterable[Case]) -> None:
    """Write cases behind those that are there, whose lines stay as they are; all of them, or none."""
    there = path.read_bytes() if path.is_file() else b""
    ends = b"" if not there or there.endswith(b"\n") else b"\n"
    _replace(path, there + ends + text_of(cases).encode())


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def text_of(cases: Iterable[Case]) -> str:
    """The text of a data set; half characters are replaced, which no file holds."""
    lines = (json.dumps(case.as_json(), ensure_ascii=False) for case in cases)
    return "".join(f"{line.encode('utf-8', 'replace').decode()}\n" for line in lines)


def _case(line: bytes, number: int) -> Case | str:
    """The case of a line, or what is wrong with it."""
    try:
        said: Any = json.loads(line.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return f"this is not JSON ({error})"
    if not isinstance(said, dict):
        return "a case is a JSON object"
    fields = cast("dict[str, Any]", said)
    wrong = next(_wrong(fields), None)
    if wrong is not None:
        return wrong
    return Case(
        id=fields["id"],
        inputs=fields["inputs"],
        expected=fields.get("expected"),
        tags=tuple(fields.get("tags", ())),
        source=fields.get("source", ""),
        note=fields.get("note", ""),
        line=number,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return fields


def _no_number(said: str) -> float:
    raise ValueError(f"{said} is no number")


def _wrong(fields: dict[str, Any]) -> Iterator[str]:
    for name in sorted(fields.keys() - _FIELDS):
        yield f"there is no field {name!r}. {did_you_mean(name, _FIELDS)}".rstrip(". ")
    its_id: Any = fields.get("id")
    if not isinstance(its_id, str) or not its_id:
        yield "`id` is missing, or no text"
    elif not its_id.isprintable():
        yield "`id` has characters that cannot be shown"
    if not isinstance(fields.get("inputs"), dict):
        yield "`inputs` is missing, or no object"
    tags: Any = fields.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in cast("list[Any]", tags)):
        yield "`tags` is a list of words"
    for name in ("source", "note"):
        if not isinstance(fields.get(name, ""), str):
            yield f"`{name}` is a text"
