"""`roadworthy costs`: where money went, what was saved, and what the month will have cost at its end."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.monitoring import Dimension, Filter, Query

_USUAL = "30d"
_MOST_ROWS = 50
"""For people; programs get them all."""
_FIRST_YEAR, _LAST_YEAR = 1971, 2999


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(costs)


async def costs(
    place: Place,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="workflow, step, prompt, model, tenant, user, task, day, rung, lane or run; may be given "
            "again. Left out: workflow.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Calls that began at or after: a date, 30d ago, or month for this one. Left out: 30d.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Calls that began before. Left out: now.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant only.")] = None,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="ID[@LABEL]", help="Of this prompt, or this version of it, only."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what was asked of this model.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="Whose days are meant, such as Europe/Berlin.")
    ] = "UTC",
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="So many rows, the first ones; the others are one row."),
    ] = None,
    forecast: Annotated[
        bool,
        typer.Option(
            "--forecast", help="What this month will have cost at its end, and when budgets are reached."
        ),
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values, a header first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show where money went, what was saved, and what could not be priced.

    Of the environment that --environment names. Money is in US dollars.
    """
    from roadworthy.cli.project import records
    from roadworthy.errors import DatabaseError, InvalidInput
    from roadworthy.monitoring import Filter, Query

    if csv and as_json:
        raise InvalidInput("Say --csv or --json, not both.")
    if forecast and any((by, since, until, limit, csv)):
        raise InvalidInput(
            "A forecast is of the whole present month.",
            hint="Leave out --by, --since, --until, --limit and --csv.",
        )
    dimensions = _dimensions(by or ["workflow"])
    async with records(place) as app:
        with suppress(DatabaseError):  # only a report takes longer where nothing may be written
            await app.rollups.keep_up()
        where = Filter(app.settings.environment, workflow, tenant, prompt, model)
        if forecast:
            await _say_forecast(app, where, timezone, as_json=as_json)
            return
        now_ms = app.clock.now_ms()
        query = Query(
            since_ms=_moment_ms(since or _USUAL, now_ms, timezone, "--since"),
            until_ms=now_ms + 1 if until is None else _moment_ms(until, now_ms, timezone, "--until"),
            by=dimensions,
            where=where,
            timezone=timezone,
        )
        await _say_costs(app, query, limit, as_json=as_json, as_csv=csv)


async def _say_costs(app: "App", query: "Query", limit: int | None, *, as_json: bool, as_csv: bool) -> None:
    from roadworthy.cli import costs_table, terminal
    from roadworthy.monitoring import costs as add_up

    most = limit if as_json or as_csv else limit or _MOST_ROWS
    report = await app.database.read(lambda tx: add_up(tx, query, most))
    if as_json:
        terminal.print_json(costs_table.document(report, limit))
    elif as_csv:
        costs_table.print_csv(report, limit)
    else:
        costs_table.print_report(report, most)


async def _say_forecast(app: "App", where: "Filter", timezone: str, *, as_json: bool) -> None:
    from roadworthy.cli import forecast_table, terminal
    from roadworthy.monitoring import forecast as foresee

    found = await app.database.read(
        lambda tx: foresee(tx, where, app.clock, app.settings.budgets, timezone=timezone)
    )
    if as_json:
        terminal.print_json(forecast_table.document(found))
    else:
        forecast_table.print_forecast(found)


def _dimensions(names: list[str]) -> "tuple[Dimension, ...]":
    """Dimensions by name. Raises `InvalidInput`."""
    from roadworthy.errors import InvalidInput, did_you_mean
    from roadworthy.monitoring import Dimension

    known = [one.value for one in Dimension]
    wrong = next((name for name in names if name not in known), None)
    if wrong is not None:
        raise InvalidInput(f"Costs are not grouped by {wrong!r}.", hint=did_you_mean(wrong, known))
    return tuple(Dimension(name) for name in names)


def _moment_ms(text: str, now_ms: int, timezone: str, option: str) -> int:
    """A time in milliseconds: `month`, a date or time of the time zone, or how long ago."""
    from roadworthy.cli import choice
    from roadworthy.errors import InvalidInput
    from roadworthy.monitoring.days import month_of, zone_of

    if text.strip() == "month":
        return month_of(now_ms, timezone)[0]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return max(0, choice.moment_ms(text, now_ms, option))
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise InvalidInput(f"{option}: {text!r} is too far away.")
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone_of(timezone))).timestamp() * 1000)
