"""`roadworthy eval`: runs suites, compares variants, and holds a change against what was accepted."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command, leave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from roadworthy.evals import Evals
    from roadworthy.evals.evaluated import Evaluated
    from roadworthy.evals.tape import Mode

_MODES = ("use", "strict", "refresh", "off")


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, "eval")(evaluate)


async def evaluate(
    place: Place,
    suites: Annotated[
        list[str] | None,
        typer.Argument(help="Names of suites; left out, all.", metavar="SUITE...", show_default=False),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B", help="Two versions, routes, models or commits, case by case.", show_default=False
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            "--on", metavar="NAME", help="A version, route, model or commit in place of what serves."
        ),
    ] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only suites that are not what their baseline accepted.")
    ] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit code 1 when a verdict is a fail.")] = False,
    tape: Annotated[
        str,
        typer.Option(
            metavar="MODE",
            help="use: what is on tape is not asked again; strict: nothing is asked; refresh: all is asked "
            "and recorded; off: all is asked.",
        ),
    ] = "use",
    repeats: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="N", help="How often each case is answered.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on with an experiment that was stopped.")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out lines of the data set that have faults.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write the results as the suite's baseline, to be committed.")
    ] = False,
    save_tape: Annotated[
        bool, typer.Option("--save-tape", help="Write the answers into the suite's tape.jsonl.")
    ] = False,
    report: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="A report: html, json, junit or md.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the report goes; left out, it is printed, and html goes to .roadworthy/reports/.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Evaluate prompts, workflows or functions on their cases; say pass, fail or inconclusive, and why."""
    from roadworthy.cli import eval_report, eval_text
    from roadworthy.cli.project import load_app
    from roadworthy.errors import InvalidInput

    if tape not in _MODES:
        raise InvalidInput(f"--tape is one of {', '.join(_MODES)}, not {tape!r}.")
    if resume and (compare or len(suites or ()) != 1):
        raise InvalidInput("--resume goes with the name of one suite, and without --compare.")
    if as_json and report not in (None, "json"):
        raise InvalidInput(f"--json is one report, --report {report} another: ask for one of them.")
    reporting = eval_report.reporting("json" if as_json else report, output)
    quiet = reporting is not None and reporting.prints
    one = partial(
        _run,
        place,
        quiet=quiet,
        mode=tape,
        resume=resume,
        keep_going=keep_going,
        repeats=repeats,
    )
    done: list[list[Any]] = []
    async with load_app(place).evaluating() as evals:
        names, why = _chosen(evals, suites or [], changed=changed)
        for name in names:
            if why and not quiet:
                eval_text.say_changed(name, why[name])
            done.append(await _experiments(partial(one, evals, name), compare or (variant,), evals, tape))
            written = [evals.write_tape(done[-1])] if save_tape else []
            if accept:
                written.append(evals.accept(done[-1][-1]))
            if not quiet:
                eval_text.print_suite(place, evals, done[-1], written)
        if not names and not quiet:
            eval_text.say_nothing(place, evals, changed=changed)
        if reporting is not None:
            reporting.write([evals.report(its) for its in done], evals.root)
    return _ended(done, gate=gate)


async def _experiments(
    run: "Callable[[str | None], Awaitable[Evaluated]]",
    variants: "Sequence[str | None]",
    evals: "Evals",
    tape: "Mode",
) -> "list[Evaluated]":
    """One for each variant; of two, judges of pairs say which answers they prefer."""
    ran = [await run(one) for one in variants]
    return ran if len(ran) == 1 else [ran[0], await evals.preferred(ran[0], ran[1], tape)]


async def _run(
    place: Place, evals: "Evals", name: str, on: str | None, *, quiet: bool, **options: Any
) -> "Evaluated":
    from roadworthy.cli.eval_commit import evaluate_at, is_commit
    from roadworthy.cli.eval_progress import Watching
    from roadworthy.errors import NotFound

    try:
        variant = evals.variant(name, on)
    except NotFound:
        if on is None:
            raise
        if not is_commit(evals.root, on):
            raise NotFound(
                f"{on!r} is no version, route or model that suite {name!r} could be run on, "
                "and no commit of this repository."
            ) from None
        return await evaluate_at(evals, name, on, **options)
    with Watching(place, quiet=quiet) as watching:
        return await evals.run(name, variant, begun=watching.begun, watch=watching.watch, **options)


def _chosen(
    evals: "Evals", names: list[str], *, changed: bool
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """The suites to run, and what changed of each."""
    if not changed:
        return names or list(evals.suites), {}
    why = evals.changed(names)
    return list(why), why


def _ended(done: "list[list[Evaluated]]", *, gate: bool) -> int:
    """The exit code. A thread that does not end would keep the process: then it is left."""
    code = int(gate and any(_fails(its) for its in done))
    if any(one.late for its in done for one in its):
        leave(code)
    return code


def _fails(evaluated: "list[Evaluated]") -> bool:
    """Whether a suite does not pass the gate: its verdict is a fail, or it did not come to its end."""
    from roadworthy.evals import VerdictKind

    last = evaluated[-1]
    return bool(last.stopped) or last.verdict.kind is VerdictKind.FAIL
