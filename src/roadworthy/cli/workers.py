"""`roadworthy workers`: who executes runs."""

from typing import TYPE_CHECKING, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.app import App

group = typer.Typer(help="See who executes runs.", no_args_is_help=True)


@command(group, "list")
async def list_(
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """List the processes that execute runs, and whether they live."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        rows = await _rows(app)
    if as_json:
        terminal.print_json({"workers": rows})
        return
    if not rows:
        terminal.say(f"No worker is alive; start one: {place.command('worker')}")
        return
    made = terminal.table("worker", "state", "host", "process", "started", "last seen")
    for row in rows:
        host, process = (terminal.clean(row[name]) for name in ("host", "process"))
        made.add_row(
            row["id"], terminal.styled(row["state"]), host, process, row["started_at"], row["seen_at"]
        )
    terminal.show(made)


async def _rows(app: "App") -> list[dict[str, Any]]:
    from roadworthy.cli.execution import alive
    from roadworthy.records import iso
    from roadworthy.workflows.store import workers

    living = {row.id for row in await alive(app)}
    found = await app.database.read(workers.living)
    return [
        {
            "id": row.id,
            "state": "alive" if row.id in living else "lost",
            "host": row.host.partition("/")[0],
            "process": row.process.partition(":")[0],
            "started_at": iso(row.started_at),
            "seen_at": iso(row.beat_at),
        }
        for row in found
    ]
