"""`outcomes` of prompts, routes and flags: each arm of a split beside the first, with honest intervals."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.monitoring import ArmOutcome, Outcomes

_PERCENT = frozenset({"failed", "degraded", "approved", "edited", "rejected", "reviewed"})


def add_to(prompts: typer.Typer, routes: typer.Typer, flags: typer.Typer) -> None:
    """Add the command to the groups."""
    command(prompts, "outcomes")(of_prompt)
    command(routes, "outcomes")(of_route)
    command(flags, "outcomes")(of_flag)


async def of_prompt(
    place: Place,
    prompt: Annotated[str, typer.Argument(help="The prompt's id.", metavar="ID")],
    as_json: JsonOption = False,
) -> int:
    """Show what became of each version of the newest split: calls, failures, decisions, feedback, cost, time.

    Exit code 1 when the arms did not get the users that their shares say: then nothing can be concluded.
    """
    return await _show(place, f"prompt:{prompt}", as_json=as_json)


async def of_route(
    place: Place,
    route: Annotated[str, typer.Argument(help="The route that calls ask for.", metavar="ROUTE")],
    as_json: JsonOption = False,
) -> int:
    """Show what became of each route of the newest split; exit code 1 as for prompts."""
    return await _show(place, f"route:{route}", as_json=as_json)


async def of_flag(
    place: Place,
    name: Annotated[str, typer.Argument(help="The flag's name.", metavar="NAME")],
    as_json: JsonOption = False,
) -> int:
    """Show what became of the runs that met each value of a flag; exit code 1 as for prompts."""
    return await _show(place, f"flag:{name}", as_json=as_json)


async def _show(place: Place, subject: str, *, as_json: bool) -> int:
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records
    from roadworthy.errors import NotFound
    from roadworthy.monitoring import MEASURES, outcomes
    from roadworthy.releases import named

    async with records(place) as app:
        environment = app.settings.environment
        found = await app.database.read(lambda tx: outcomes(tx, environment, subject))
    if found is None:
        raise NotFound(f"Nothing was ever split for {named(subject)} in {environment!r}.")
    if as_json:
        terminal.print_json({"environment": environment, **found.as_json()})
        return int(found.mismatched)
    made = terminal.table("measure", *(terminal.clean(_title(arm)) for arm in found.arms))
    made.add_row("users (keys)", *(f"{arm.keys:,}" for arm in found.arms))
    made.add_row("calls", *(f"{arm.calls:,}" for arm in found.arms))
    for share, name in ((0.5, "latency p50 s"), (0.95, "latency p95 s")):
        made.add_row(name, *(_number(arm.latency.seconds_at(share)) for arm in found.arms))
    for measure in MEASURES:
        made.add_row(measure.replace("_", " "), *(_cell(found, arm, measure) for arm in found.arms))
    terminal.show(made)
    if found.mismatched:
        terminal.say(
            f"The arms did not get the users that their shares say (p = {found.mismatch_p:.1g}): something "
            "loses users of one arm. Nothing can be concluded from these figures.",
            style="bold red",
        )
    return int(found.mismatched)


def _title(arm: "ArmOutcome") -> str:
    return f"{arm.name} ({arm.share:.4g})" if arm.share else f"{arm.name} (out)"


def _cell(found: "Outcomes", arm: "ArmOutcome", measure: str) -> str:
    rate = arm.rates[measure]
    if rate.value is None:
        return ""
    shown = _shown(measure, rate.value)
    difference = found.difference(arm, measure) if arm is not found.arms[0] else None
    if difference is None:
        return shown
    value, interval = difference
    low, high = _shown(measure, interval.low, sign=True), _shown(measure, interval.high, sign=True)
    return f"{shown}\n{_shown(measure, value, sign=True)} ({low} to {high})"


def _shown(measure: str, value: float, *, sign: bool = False) -> str:
    if measure in _PERCENT:
        return f"{100 * value:+.1f} points" if sign else f"{100 * value:.1f}%"
    return f"{value:+.4g}" if sign else f"{value:.4g}"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3g}"
