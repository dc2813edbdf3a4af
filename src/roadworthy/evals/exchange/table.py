"""A table in CSV, one case a line: `read`. All values are texts."""

import csv
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from roadworthy.errors import ConfigurationError, Fault, did_you_mean
from roadworthy.evals.case import Case
from roadworthy.evals.exchange.foreign import Foreign

_OWN = ("id", "expected", "tags", "source", "note")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is what: its name by `id`, `expected`, `tags`, `source`, `note`, or an input's name.

    Columns that are not named are inputs of their own name, but for those called as a part of a case.
    """

    by_name: Mapping[str, str] = field(default_factory=dict[str, str])


def read(source: str, columns: Columns) -> Foreign:
    """What the table holds. Raises `ConfigurationError` for a column that is not there."""
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(io.StringIO(source, newline=""))
    header: list[str] = next(rows, list[str]())
    for column in columns.by_name.values():
        if column not in header:
            raise ConfigurationError(f"There is no column {column!r}.", hint=did_you_mean(column, header))
    named = {column: name for name, column in columns.by_name.items()}
    names = [named.get(column, column) for column in header]
    found = Foreign()
    for row in rows:
        if not row:
            continue
        if len(row) != len(names):
            message = f"{len(row)} values, and there are {len(names)} columns."
            found.faults.append(Fault(message, line=rows.line_num))
            continue
        values = dict(zip(names, row, strict=True))
        tags = tuple(
            tag.strip() for tag in values.get("tags", "").replace(";", ",").split(",") if tag.strip()
        )
        case = Case(
            values.get("id", ""),
            {name: value for name, value in values.items() if name not in _OWN},
            values.get("expected") or None,
            tags,
            values.get("source", ""),
            values.get("note", ""),
            rows.line_num,
        )
        found.cases.append(case)
    return found
