"""`roadworthy schedules`: what starts by the clock."""

from typing import TYPE_CHECKING, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.app import App

group = typer.Typer(help="See what starts by the clock.", no_args_is_help=True)


@command(group, "list")
async def list_(place: Place, as_json: JsonOption = False) -> None:
    """List the schedules of the settings, when each starts next, and the run it started last."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records
    from roadworthy.records import iso
    from roadworthy.workflows.schedule import next_tick

    rows: list[dict[str, Any]] = []
    async with records(place) as app:
        now_ms = app.clock.now_ms()
        for name, one in sorted(app.settings.schedules.items()):
            last = await _last_run(app, name)
            rows.append(
                {
                    "name": name,
                    "workflow": one.workflow,
                    "cron": one.cron,
                    "timezone": one.timezone,
                    "enabled": one.enabled,
                    "catch_up": one.catch_up,
                    "next_at": iso(next_tick(one, now_ms)) if one.enabled else None,
                    "last_run_id": last,
                }
            )
    if as_json:
        terminal.print_json({"schedules": rows})
        return
    if not rows:
        terminal.say("No schedules. Add one to roadworthy.toml: [schedules.<name>] with workflow and cron.")
        return
    made = terminal.table("schedule", "workflow", "cron", "time zone", "next", "last run")
    for row in rows:
        made.add_row(
            terminal.clean(row["name"]),
            terminal.clean(row["workflow"]),
            row["cron"],
            row["timezone"],
            row["next_at"] or "disabled",
            row["last_run_id"] or "",
        )
    terminal.show(made)


async def _last_run(app: "App", name: str) -> str | None:
    import sqlalchemy as sa

    from roadworthy.db.tables.workflows import schedules

    query = sa.select(schedules.c.run_id).where(schedules.c.name == name)
    return await app.database.read(lambda tx: tx.execute(query).scalar())
