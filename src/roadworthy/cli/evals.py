"""`roadworthy evals`: suites and their data sets; made, shown, grown, exchanged."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command
from roadworthy.cli.eval_suite import suite_at

if TYPE_CHECKING:
    pass

group = typer.Typer(help="Make, show, grow and exchange suites and their data sets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The suite's name.", metavar="SUITE")]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="pydantic-evals, inspect, csv or jsonl; left out, what the file's name says.",
    ),
]


@command(group, "list")
def list_(place: Place, as_json: JsonOption = False) -> None:
    """List suites: what each evaluates, on how many cases, by how many evaluators."""
    from roadworthy.cli import evals_text, terminal
    from roadworthy.cli.project import find_root
    from roadworthy.evals.suite import load_suites

    found = list(load_suites(find_root(place)).values())
    if as_json:
        terminal.print_json({"suites": [evals_text.suite_document(one) for one in found]})
    else:
        evals_text.print_suites(place, found)


@command(group)
def show(
    place: Place,
    suite: Name,
    case: Annotated[
        str | None, typer.Option(metavar="ID", help="One case, with inputs and expectation.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a suite: its target, thresholds, evaluators and cases."""
    from roadworthy.cli import evals_text, terminal
    from roadworthy.errors import NotFound, did_you_mean
    from roadworthy.evals import dataset

    found = suite_at(place, suite)
    cases = dataset.read(found.cases_file, keep_going=True)
    if case is not None:
        by_id = {one.id: one for one in cases.cases}
        if case not in by_id:
            raise NotFound(f"There is no case {case!r} in {suite!r}.", hint=did_you_mean(case, by_id))
        terminal.print_json(by_id[case].as_json())
    elif as_json:
        told = [one.as_json() for one in cases.cases]
        terminal.print_json({**evals_text.suite_document(found), "cases": told})
    else:
        evals_text.print_suite(found, cases)


@command(group)
def new(
    place: Place,
    suite: Name,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The prompt that it evaluates; left out, that of its name."),
    ] = None,
    workflow: Annotated[
        str | None, typer.Option(metavar="NAME", help="The workflow that it evaluates.")
    ] = None,
    function: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="The function that it evaluates.")
    ] = None,
) -> None:
    """Make a suite's folder, with a commented suite.toml and a first case."""
    from roadworthy.cli import evals_new, terminal

    folder = evals_new.make(place, suite, prompt=prompt, workflow=workflow, function=function)
    terminal.say(f"Made {folder}. Write cases into cases.jsonl, one JSON object a line; then:")
    terminal.say(f"  {place.command('eval', suite)}")


@command(group)
async def add(
    place: Place,
    suite: Name,
    from_run: Annotated[str | None, typer.Option(metavar="ID", help="A run, or its calls.")] = None,
    from_call: Annotated[str | None, typer.Option(metavar="ID", help="A call to a prompt.")] = None,
    from_review: Annotated[
        str | None, typer.Option(metavar="ID", help="A review, with what people decided.")
    ] = None,
    from_feedback: Annotated[
        str | None, typer.Option(metavar="ID", help="What an end user said, with the correction.")
    ] = None,
    from_failures: Annotated[
        bool, typer.Option("--from-failures", help="What failed, was changed by people or rated badly.")
    ] = False,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="With --from-failures: at or after: a date, or 2h, 7d ago.")
    ] = "7d",
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="With --from-failures: at most so many.")
    ] = 50,
    tag: Annotated[list[str] | None, typer.Option(help="A tag of the new cases; may be given again.")] = None,
    expected: Annotated[
        str | None, typer.Option(metavar="JSON", help="What the new cases expect; @FILE, or - for stdin.")
    ] = None,
    near: Annotated[
        bool, typer.Option("--near", help="Also what nearly equals a case that is there.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be added.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make cases from what is on record; what people said of it is what the cases expect."""
    from roadworthy.cli import evals_add, evals_text, terminal
    from roadworthy.cli.run import read_json

    one = {"run": from_run, "call": from_call, "review": from_review, "feedback": from_feedback}
    asked = evals_add.asked(one, from_failures=from_failures, since=since, limit=limit)
    wanted = None if expected is None else read_json(expected, "--expected")
    found = suite_at(place, suite)
    grown = await evals_add.add(
        place, found, asked, tags=tag or [], expected=wanted, near_too=near, dry_run=dry_run
    )
    if as_json:
        terminal.print_json(evals_text.grown_document(grown))
    else:
        evals_text.print_grown(found, grown, dry_run=dry_run)


@command(group)
async def card(
    place: Place,
    suite: Name,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Since when failures in production count: a date, or 7d ago.")
    ] = "30d",
    as_json: JsonOption = False,
) -> None:
    """Show what a data set covers, what it misses, and how many cases it needs."""
    from roadworthy.cli import evals_add, evals_text, terminal
    from roadworthy.evals import dataset
    from roadworthy.evals.card import card_of

    found = suite_at(place, suite)
    cases = dataset.read(found.cases_file, keep_going=True)
    made = card_of(cases.cases, await evals_add.failures(place, found, since))
    if as_json:
        terminal.print_json(made.as_json())
    else:
        evals_text.print_card(place, found, made)


@command(group, "import")
def import_(
    place: Place,
    suite: Name,
    file: Annotated[Path, typer.Argument(help="The file.", metavar="FILE")],
    form: FormatOption = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="csv: which column is an input, id, expected, tags, note."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag of the new cases; may be given again.")] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out cases that cannot be read.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be imported.")] = False,
) -> None:
    """Add the cases of another tool's file to a suite; what cannot be taken over is told."""
    from roadworthy.cli import evals_exchange

    evals_exchange.import_(
        place, suite, file, form, columns=column or [], tags=tag or [], keep_going=keep_going, dry_run=dry_run
    )


@command(group)
def export(
    place: Place,
    suite: Name,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; left out, to standard output.", metavar="FILE")
    ] = None,
    form: FormatOption = None,
) -> None:
    """Write a suite's data set for another tool; what that cannot hold is told."""
    from roadworthy.cli import evals_exchange

    evals_exchange.export(place, suite, file, form)


@command(group)
async def calibrate(
    place: Place,
    suite: Name,
    judge: Annotated[str | None, typer.Option(metavar="NAME", help="This judge only.")] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What people said of outputs: .jsonl or .csv.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="ID", help="Whose outputs they labelled; left out, the newest.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write outputs for people to label, and no more.")
    ] = None,
    size: Annotated[int, typer.Option(min=2, max=100_000, help="With --sheet: so many outputs.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare, and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare a suite's judges with people's labels; only a judge that agrees with them may decide."""
    from roadworthy.cli import evals_judges

    if sheet is not None:
        await evals_judges.sheet(place, suite, judge, sheet, size, experiment)
        return
    await evals_judges.calibrate(place, suite, judge, labels, experiment, dry_run=dry_run, as_json=as_json)
