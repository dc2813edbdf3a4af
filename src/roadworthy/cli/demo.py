"""`roadworthy demo`: runs what a project shows of itself, as its `demo.toml` says: a batch with a table.

workflow = "answer_ticket"                     the workflow
file = "tickets.jsonl"                         the batch's file, in the project
fields = { ticket_id = "id" }                  as --field
sample = 24                                    how many lines, unless --limit says otherwise
concurrency = 4                                runs at a time
columns = ["ticket=input.ticket_id", ...]      as --column
count_by = ["outcome"]                         headers whose values are counted in the end
[expected]                                     optional: what a column should say
column = "outcome"
field = "expected.outcome"                     where each line of the file says it
same = { skip = "skipped" }                    words of the file for words of the column
"""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from roadworthy.cli.command import Place, command

if TYPE_CHECKING:
    from roadworthy.cli.batch_table import Row

FILE_NAME = "demo.toml"
_MOST_DIFFERENT = 12


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(demo)


async def demo(
    place: Place,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many items, evenly spread over the file.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every item of the file.")] = False,
) -> int:
    """Run the project's demonstration: a batch of real inputs, and a table of what became of each."""
    from roadworthy.cli import batch_run, terminal
    from roadworthy.cli.batch_table import Columns
    from roadworthy.cli.project import find_root, records
    from roadworthy.errors import InvalidInput

    root = find_root(place)
    plan = read_plan(root / FILE_NAME)
    file = root / str(plan["file"])
    columns = Columns.parse(plan.get("columns"))
    sample = None if every else limit or plan.get("sample")
    order = batch_run.Order(
        str(plan["workflow"]), file, plan.get("fields", {}), sample, ("demo",), again=True
    )
    if every and limit is not None:
        raise InvalidInput("Say --limit or --all, not both.")
    batch = await batch_run.execute(place, order, concurrency=plan.get("concurrency"))
    if isinstance(batch, int):
        return batch
    async with records(place) as app:
        rows = await columns.rows(app, batch)
    terminal.show(columns.table(rows))
    terminal.say()
    code = await batch_run.tell(place, batch, None, as_json=False)
    _say_counts(rows, plan.get("count_by", ()))
    different = _compare(rows, file, plan["expected"]) if "expected" in plan else []
    _say_next(place, batch, rows, different)
    return code


def read_plan(file: Path) -> Mapping[str, Any]:
    """What `demo.toml` says. Raises `NotFound`, `ConfigurationError`."""
    from roadworthy.errors import ConfigurationError, NotFound

    try:
        plan = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(
            f"This project has no {FILE_NAME}, which says what to demonstrate.",
            hint="Give the folder of one that has: roadworthy demo --project examples/support_desk",
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{FILE_NAME} cannot be used: {error}.") from error
    missing = [name for name in ("workflow", "file") if not isinstance(plan.get(name), str)]
    if missing:
        raise ConfigurationError(f"{FILE_NAME} does not say {' and '.join(missing)}.")
    return plan


def _say_counts(rows: "Sequence[Row]", headers: Sequence[str]) -> None:
    from roadworthy.cli.terminal import clean, say

    for header in headers:
        counted = Counter(clean(row.values.get(header) or "none") for row in rows)
        say(f"{header}: {', '.join(f'{count} {value}' for value, count in counted.most_common())}")


def _compare(rows: "Sequence[Row]", file: Path, expected: Mapping[str, Any]) -> "list[Row]":
    """Print where the outcome is not what the file expects; returns those rows."""
    from roadworthy.cli.terminal import clean, say, show, table
    from roadworthy.workflows.batch import read_items

    column, same = str(expected["column"]), cast("dict[str, str]", expected.get("same", {}))
    wanted: dict[int, str] = {}
    for number, line in read_items(file):
        value: Any = line
        for name in str(expected["field"]).split("."):
            value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
        if value is not None:
            wanted[number] = same.get(str(value), str(value))
    compared = [row for row in rows if row.item in wanted]
    different = [row for row in compared if row.values.get(column) != wanted[row.item]]
    say(f"As expected: {len(compared) - len(different)} of {len(compared)}.")
    if different:
        first = next(iter(rows[0].values))
        made = table(first, "expected", column)
        for row in different[:_MOST_DIFFERENT]:
            made.add_row(clean(row.values[first]), clean(wanted[row.item]), clean(row.values.get(column)))
        show(made)
    if len(different) > _MOST_DIFFERENT:
        say(f"... and {len(different) - _MOST_DIFFERENT} more")
    return different


def _say_next(place: Place, batch: str, rows: "Sequence[Row]", different: "Sequence[Row]") -> None:
    from roadworthy.cli.terminal import say

    with_calls = [row for row in [*different, *rows] if row.has_calls] or list(rows)
    say()
    if with_calls:
        say(f"Look deeper:  {place.command('runs', 'show', with_calls[0].run_id, '--calls')}")
    say(f"All of them:  {place.command('runs', 'list', '--batch', batch)}")
