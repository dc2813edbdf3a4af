"""`roadworthy drill`: what users would see when things go wrong, tried with the project's own workflow."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.testing.drill import Inputs, Outcome, Plan, Scenario

_DEFAULT = "provider-outage"


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(drill)


async def drill(
    place: Place,
    workflow: Annotated[
        str | None, typer.Argument(help="The workflow's name.", metavar="WORKFLOW", show_default=False)
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help=f"What goes wrong; may be given again; `all`. Left out: {_DEFAULT}."
        ),
    ] = None,
    given: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON", help="The input of every run; @FILE, or - for stdin."),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            "--inputs",
            metavar="FILE",
            help="A .jsonl or .csv file, a run for each line in turn. Left out: the last runs on record, "
            "else demo.toml's file, else samples of the workflow's signature.",
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="INPUT=FIELD", help="Which field of a line an input is; may be given again."),
    ] = None,
    runs: Annotated[int, typer.Option(min=2, max=100_000, metavar="N", help="So many runs.")] = 40,
    at_once: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="So many at a time.")] = 10,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="What happens to which request; repeatable.")
    ] = 0,
    latency: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long a model takes as a rule.")
    ] = 0.05,
    over: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="SECONDS", help="Spread the runs over this time; 0: as fast as they end."
        ),
    ] = 0.0,
    every_model: Annotated[
        bool, typer.Option("--all-models", help="Simulate local models and functions too.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="Wait no longer than this for one run.")
    ] = 300.0,
    list_them: Annotated[
        bool, typer.Option("--list", help="Say what can go wrong, and drill nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Make things go wrong, and print what the workflow's users would have seen.

    The runs go through the project's own code, prompts, routes and limits. Models are simulated on this
    machine, actions are written down and not carried out, and the database is a temporary one; steps in plain
    Python run as they are. Exit code: 0, or 1 when a sacred rule broke.
    """
    from roadworthy.cli import drill_table, terminal
    from roadworthy.cli.project import load_app
    from roadworthy.errors import InvalidInput
    from roadworthy.testing import drill as drills

    if list_them:
        drill_table.say_scenarios(as_json=as_json)
        return 0
    if workflow is None:
        raise InvalidInput("A drill is of one workflow.", hint="For example: roadworthy drill answer_ticket")
    drills.require_parts()
    chosen = drills.scenarios(scenario or [_DEFAULT])
    app = load_app(place)
    plan = drills.Plan(
        workflow=workflow,
        inputs=_inputs(app, workflow, given, inputs, field or []),
        worker_command=lambda file: _worker_command(place, file),
        runs=runs,
        at_once=at_once,
        seed=seed,
        latency_seconds=latency,
        over_seconds=over,
        every_model=every_model,
        patience_seconds=patience,
    )
    if not as_json:
        drill_table.say_plan(plan, app.settings, drills.played(app.settings, every=every_model))
    outcomes = [await _one(app, plan, one, quiet=as_json) for one in chosen]
    if as_json:
        terminal.print_json(drill_table.document(plan, outcomes))
    else:
        drill_table.say_together(outcomes)
    return 0 if all(outcome.held for outcome in outcomes) else 1


async def _one(app: "App", plan: "Plan", scenario: "Scenario", *, quiet: bool) -> "Outcome":
    from roadworthy.cli import drill_table
    from roadworthy.testing import drill as drills

    if not quiet:
        drill_table.say_scenario(scenario)
    outcome = await drills.drill(app, plan, scenario)
    if not quiet:
        drill_table.say_outcome(outcome)
    return outcome


def _inputs(app: "App", workflow: str, given: str | None, file: Path | None, field: list[str]) -> "Inputs":
    """What the runs are given. Raises `InvalidInput`, `NotFound`."""
    from roadworthy.cli.batch_run import fields_of
    from roadworthy.cli.run import read_json
    from roadworthy.errors import InvalidInput
    from roadworthy.testing import drill as drills

    app.runs.workflow(workflow)
    if given is not None and file is not None:
        raise InvalidInput("Say --input or --inputs, not both.")
    if field and file is None:
        raise InvalidInput("--field says what --inputs means.", hint="Add --inputs FILE.")
    if given is not None:
        value = read_json(given, "--input")
        if not isinstance(value, dict):
            raise InvalidInput("--input is an object of named values.", hint="""'{"name": "value"}'""")
        return drills.Inputs((cast("dict[str, Any]", value),), "--input")
    if file is not None:
        return drills.from_file(file, fields_of(field))
    return drills.on_record(app, workflow) or _demonstrated(app, workflow) or drills.sampled(app, workflow)


def _demonstrated(app: "App", workflow: str) -> "Inputs | None":
    """What `roadworthy demo` runs, where the project has a demonstration of this workflow."""
    from roadworthy.cli.demo import FILE_NAME, read_plan
    from roadworthy.testing import drill as drills

    file = app.settings.root / FILE_NAME
    if not file.exists():
        return None
    plan = read_plan(file)
    if plan["workflow"] != workflow:
        return None
    return drills.from_file(app.settings.root / str(plan["file"]), plan.get("fields", {}))


def _worker_command(place: Place, file: Path) -> list[str]:
    root, environment = str(place.folder or ""), place.environment or ""
    return [sys.executable, "-m", "roadworthy.cli.drill_worker", str(file), root, environment]
