"""The command `roadworthy`: puts the groups together, and turns whatever happens into an exit code.

Exit codes: 0 done; 1 it failed; 2 the command or its input is wrong; 130 interrupted.
Nothing heavy is imported before a command begins, so that help and mistakes are answered at once.
"""

import functools
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import roadworthy
from roadworthy.cli import (
    access,
    audit,
    batch,
    budgets,
    cache,
    confidence,
    config,
    costs,
    database,
    demo,
    drill,
    evals,
    evaluate,
    failure,
    init,
    models,
    outcomes,
    promotion,
    prompts,
    ready,
    releases,
    reviews,
    routes,
    run,
    runs,
    schedules,
    serve,
    terminal,
    verdicts,
    worker,
    workers,
)
from roadworthy.cli.command import INTERRUPTED, DebugOption, EnvironmentOption, ProjectOption

app = typer.Typer(
    name="roadworthy",
    help="Runs language-model workflows that people depend on.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(roadworthy.__version__)
        raise typer.Exit


@app.callback()
def options(
    project: ProjectOption = None,
    environment: EnvironmentOption = None,
    debug: DebugOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run language-model workflows that people depend on. `roadworthy init` makes a project."""
    del project, environment, debug, version  # each command takes them from the context


init.add_to(app)
run.add_to(app)
app.add_typer(runs.group, name="runs")
app.add_typer(batch.group, name="batch")
app.add_typer(reviews.group, name="reviews")
verdicts.add_to(reviews.group)
app.add_typer(access.group, name="access")
app.add_typer(access.keys, name="keys")
app.add_typer(audit.group, name="audit")
serve.add_to(app)
worker.add_to(app)
ready.add_to(app)
app.add_typer(config.group, name="config")
app.add_typer(database.group, name="db")
app.add_typer(prompts.group, name="prompts")
app.add_typer(evals.group, name="evals")
app.add_typer(confidence.group, name="confidence")
app.add_typer(models.group, name="models")
app.add_typer(routes.group, name="routes")
promotion.add_to(prompts.group, routes.group)
outcomes.add_to(prompts.group, routes.group, releases.group)
app.add_typer(releases.group, name="flags")
app.add_typer(cache.group, name="cache")
budgets.add_to(app)
costs.add_to(app)
app.add_typer(schedules.group, name="schedules")
app.add_typer(workers.group, name="workers")
demo.add_to(app)
drill.add_to(app)
evaluate.add_to(app)


def main() -> None:
    """The console entry."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    terminal.prepare_streams()
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json, debug = "--json" in options, "--debug" in options
    try:
        code = _invoke(list(arguments), as_json=as_json)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failure.FAILED
    except Exception as error:  # noqa: BLE001 - the outermost edge: every error becomes a message
        return failure.report(error, as_json=as_json, debug=debug)
    return code


@functools.cache
def _program() -> Any:
    return typer.main.get_command(app)


def _invoke(arguments: list[str], *, as_json: bool) -> int:
    from typer.exceptions import Abort, TyperException

    try:
        result = _program().main(arguments, prog_name="roadworthy", standalone_mode=False)
    except Abort:
        return INTERRUPTED
    except TyperException as error:
        return _wrong_usage(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _wrong_usage(error: Exception, *, as_json: bool) -> int:
    ctx = getattr(error, "ctx", None)
    message = str(getattr(error, "format_message", lambda: error)())
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command; the message is its help
        sys.stderr.write(f"{message}\n")
        return failure.USAGE
    path = ctx.command_path if ctx is not None else "roadworthy"
    hint = f"See: {path} --help"
    if as_json:
        failure.print_error("usage", message, hint)
    else:
        failure.print_text(message, hint)
    return failure.USAGE


if __name__ == "__main__":
    main()
