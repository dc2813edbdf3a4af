"""`roadworthy batch`: one run for each line of a file, with progress and what became of every item."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from roadworthy.cli.batch_document import as_document, states
from roadworthy.cli.command import JsonOption, Place, command


class Lane(StrEnum):
    """How models are asked."""

    LIVE = "live"
    PROVIDER_BATCH = "provider-batch"


group = typer.Typer(help="Run a workflow over the lines of a file.", no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(help="The batch's id, or its beginning.", metavar="ID")]
TableOption = Annotated[bool, typer.Option("--table", help="Print a row for each item.")]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="HEADER=PATH",
        help="A column of the table: a path from run, input, output or call, or several with |.",
    ),
]


@command(group)
async def run(
    place: Place,
    workflow: Annotated[str, typer.Argument(help="The workflow's name.", metavar="WORKFLOW")],
    file: Annotated[Path, typer.Argument(help="A .jsonl or .csv file.", metavar="FILE")],
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT=FIELD", help="Take an input from this field of each line; may be given again."
        ),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many lines, evenly spread.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="A word to find the runs by; may be given again.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Begin anew when this file's batch has finished.")
    ] = False,
    lane: Annotated[
        Lane, typer.Option(help="How models are asked: at once, or through their provider's batch.")
    ] = Lane.LIVE,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Until when provider-batch may wait, as 30m or 6h; then models are asked live.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time, where they are executed here.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Queue them for workers, and do not wait.")
    ] = False,
    table: TableOption = False,
    column: ColumnsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a workflow for each line of a file.

    The same command again goes on with the same batch, also after it was killed. Exit code 1 when an item
    failed or a line could not be used.
    """
    from roadworthy.cli import batch_run
    from roadworthy.cli.batch_table import Columns

    order = batch_run.Order(
        workflow,
        file,
        batch_run.fields_of(field or []),
        sample,
        tuple(tag or ()),
        again,
        lane.value,
        batch_run.within_of(within, lane.value),
    )
    columns = Columns.parse(column) if column or table else None
    if detach:
        return await batch_run.queue(place, order, as_json=as_json)
    done = await batch_run.execute(place, order, concurrency=concurrency, quiet=as_json)
    if isinstance(done, int):
        return done
    return await batch_run.tell(place, done, columns, as_json=as_json)


@command(group, "list")
async def list_(
    place: Place,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List batches, newest first."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        found = [await app.batches.get(batch_id) for batch_id in await app.batches.newest(limit)]
    if as_json:
        terminal.print_json({"batches": [as_document(batch) for batch in found]})
        return
    if not found:
        terminal.say("No batches.")
        return
    made = terminal.table(
        "batch", "workflow", "source", "items", "done", "states", right=("items", "done"), whole=("batch",)
    )
    for batch in found:
        items = "loading" if batch.total is None else str(batch.total)
        made.add_row(
            terminal.short_id(batch.id),
            terminal.clean(batch.workflow),
            terminal.clean(batch.source),
            items,
            str(batch.done),
            states(batch),
        )
    terminal.show(made)


@command(group)
async def show(
    place: Place,
    batch: BatchId,
    table: TableOption = False,
    column: ColumnsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show how far a batch is, what failed, and which lines could not be used."""
    from roadworthy.cli import batch_run, choice
    from roadworthy.cli.batch_table import Columns
    from roadworthy.cli.project import records

    columns = Columns.parse(column) if column or table else None
    async with records(place) as app:
        found = await choice.batch_id(app, batch)
    await batch_run.tell(place, found, columns, as_json=as_json)
    return 0
