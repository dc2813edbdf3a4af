"""A batch's items as a table: columns are paths into a run, its input, its output and its calls.

outcome=output.outcome|run.status      the first of the two that has a value, under the header `outcome`
run.item .id .status .seconds .why .cost_usd    call.prompt .rung .model .tokens .seconds .cost_usd .attempts
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from roadworthy.cli.run_document import Call, call_seconds, prompt_name, total_usd
from roadworthy.cli.terminal import clean, short_id, short_json, styled, table
from roadworthy.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    from rich.table import Table

    from roadworthy.app import App
    from roadworthy.workflows import Run

_ROOTS = ("run", "input", "output", "call")
_RUN = ("id", "item", "status", "why", "seconds", "cost_usd")
_CALL = ("prompt", "rung", "model", "tokens", "seconds", "cost_usd", "attempts")
_FIGURES = ("tokens", "seconds", "cost_usd", "attempts", "item")
_PAGE = 500
_MOST_CELL_CHARS = 90
_WHOLE_CHARS = 9
"""Shorter cells are not broken into lines."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header, and where its value is looked for."""

    header: str
    paths: tuple[tuple[str, ...], ...]

    @property
    def is_figure(self) -> bool:
        """Whether its values line up on the right."""
        return all(path[0] in {"run", "call"} and path[-1] in _FIGURES for path in self.paths)


@dataclass(frozen=True, slots=True)
class Row:
    """One item, with what its columns are taken from."""

    item: int
    run_id: str
    values: Mapping[str, Any]
    has_calls: bool


class Columns:
    """The columns of a table."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)

    @classmethod
    def parse(cls, given: Sequence[str] | None) -> "Columns":
        """Columns as on the command line; without any, what every batch has. Raises `InvalidInput`."""
        return cls([_parse(one) for one in given or _DEFAULT])

    async def rows(self, app: "App", batch_id: str) -> list[Row]:
        """Every item of the batch that became a run, in the file's order."""
        from roadworthy.calls.store import of_run
        from roadworthy.workflows import Filter

        runs: list[Run] = []
        while page := await app.runs.find(
            Filter(batch_id=batch_id), limit=_PAGE, after=runs[-1].id if runs else None
        ):
            runs += page
        rows: list[Row] = []
        for run in sorted(runs, key=lambda run: run.batch_item or 0):
            given, output = await app.runs.payload(run.id)
            calls: list[Any] = await app.database.read(lambda tx, run_id=run.id: of_run(tx, run_id))
            known = {"run": _of_run(run), "input": given, "output": output, "call": _of_calls(calls)}
            values = {column.header: _first(known, column.paths) for column in self.columns}
            rows.append(Row(run.batch_item or 0, run.id, values, bool(calls)))
        return rows

    def table(self, rows: Sequence[Row]) -> "Table":
        """The rows for people."""
        headers = [column.header for column in self.columns]
        right = [column.header for column in self.columns if column.is_figure]
        cells = [[_cell(row.values[header]) for header in headers] for row in rows]
        whole = [name for name in headers if name == "run"]
        whole += [
            name for at, name in enumerate(headers) if all(len(line[at]) <= _WHOLE_CHARS for line in cells)
        ]
        made = table(*headers, right=right, whole=whole)
        for line in cells:
            made.add_row(*line)
        return made

    def document(self, row: Row) -> dict[str, Any]:
        """A row for `--json`."""
        return {"item": row.item, "run_id": row.run_id, **row.values}


_DEFAULT = (
    "item=run.item",
    "run=run.id",
    "status=run.status",
    "rung=call.rung",
    "tokens=call.tokens",
    "USD=run.cost_usd",
    "seconds=run.seconds",
    "output or reason=run.why|output",
)


def _parse(given: str) -> Column:
    header, equals, written = given.partition("=")
    if not equals:
        header, written = given.rpartition(".")[2], given
    paths = tuple(tuple(path.strip().split(".")) for path in written.split("|"))
    for path in paths:
        known = {"run": _RUN, "call": _CALL}.get(path[0], ())
        if path[0] not in _ROOTS or "" in path:
            raise InvalidInput(f"Column {given!r}: a path begins with {', '.join(_ROOTS)}.")
        if known and path[1:] not in [(name,) for name in known]:
            raise InvalidInput(
                f"Column {given!r}: {path[0]} has no {'.'.join(path[1:])!r}.",
                hint=did_you_mean(".".join(path[1:]), known),
            )
    return Column(header.strip(), paths)


def _first(known: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> Any:
    for path in paths:
        value: Any = known
        for name in path:
            value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
        if value is not None and value != "":
            return value
    return None


def _of_run(run: "Run") -> dict[str, Any]:
    why = run.skip_reason or (f"{run.error_kind}: {run.error_message}" if run.error_message else None)
    return {
        "id": run.id,
        "item": run.batch_item,
        "status": run.status.value,
        "why": why,
        "seconds": run.seconds,
        "cost_usd": _plain(run.cost_usd),
    }


def _of_calls(calls: Sequence[Call]) -> dict[str, Any]:
    """All calls of a run as one: the sum of figures, the last one's names."""
    if not calls:
        return {}
    last = calls[-1]
    known = all(call["cost_known"] for call in calls)
    return {
        "prompt": prompt_name(last),
        "rung": last["rung"],
        "model": last["model"],
        "tokens": sum(call["input_tokens"] + call["output_tokens"] for call in calls),
        "seconds": sum(call_seconds(call) or 0 for call in calls),
        "cost_usd": _plain(total_usd(list(calls))) if known else "unknown",
        "attempts": sum(call["attempts"] for call in calls),
    }


def _plain(amount: Decimal) -> str:
    return f"{amount:f}".rstrip("0").rstrip(".") if amount else "0"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, dict | list):
        return short_json(cast("Any", value), _MOST_CELL_CHARS)
    if isinstance(value, str) and value.startswith("run_"):
        return short_id(value)
    if isinstance(value, str):
        return styled(clean(value, most=_MOST_CELL_CHARS))
    return clean(value, most=_MOST_CELL_CHARS)
