"""`roadworthy confidence`: what an answer's score is worth, learnt from what people said of answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.calls.calibrated import ConfidenceFile
    from roadworthy.evals.confidence import Learnt

group = typer.Typer(help="Learn what the scores of answers are worth.", no_args_is_help=True)

ReportOption = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="The diagram, errors and bands as a page: html.", show_default=False),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Where the page goes; left out, to .roadworthy/reports/.", show_default=False
    ),
]


@command(group)
async def fit(
    place: Place,
    workflow: Annotated[
        str | None,
        typer.Argument(help="Learn from this workflow's decisions.", metavar="WORKFLOW", show_default=False),
    ] = None,
    prompt: Annotated[str | None, typer.Option(metavar="ID", help="The answers of this prompt.")] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Decided at or after: a date, or 2h, 7d ago.")
    ] = "90d",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what was learnt, and write nothing.")
    ] = False,
    report: ReportOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from reviewed answers how probable it is that an answer is right."""
    from roadworthy.cli import confidence_text, terminal
    from roadworthy.cli.project import records

    _check(report, output, as_json=as_json)
    async with records(place) as app:
        learnt = await _learnt(app, workflow, prompt, since)
        path = file_of(app, learnt.file.prompt)
        if not dry_run:
            await _keep(app, learnt, path)
    if as_json:
        terminal.print_json(confidence_text.document(learnt))
        return
    confidence_text.print_learnt(learnt)
    confidence_text.say_where(learnt.file, path, dry_run=dry_run, settings=app.settings)
    if report:
        _report(learnt.file, output, app.settings.root)


@command(group)
def show(
    place: Place,
    prompt: Annotated[str, typer.Argument(help="The prompt's id.", metavar="PROMPT")],
    report: ReportOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was learnt of a prompt, and from what."""
    from roadworthy.calls.calibrated import ConfidenceFile
    from roadworthy.cli import confidence_text, terminal
    from roadworthy.cli.project import load_settings

    _check(report, output, as_json=as_json)
    settings = load_settings(place)
    chosen = settings.prompts.get(prompt)
    path = settings.path(chosen.confidence if chosen and chosen.confidence else _usual(prompt))
    found = ConfidenceFile.read(path)
    if as_json:
        terminal.print_json(found.as_json())
        return
    confidence_text.print_file(found)
    if not (chosen and chosen.confidence):
        confidence_text.say_unused(found.prompt, path, settings)
    if report:
        _report(found, output, settings.root)


def _check(report: str | None, output: Path | None, *, as_json: bool) -> None:
    """Raises `InvalidInput` for a report that cannot be made."""
    from roadworthy.errors import InvalidInput

    if report not in (None, "html"):
        raise InvalidInput(f"--report is html, not {report!r}.")
    if report is None and output is not None:
        raise InvalidInput("--output is where a report goes.", hint="Say which one: --report html")
    if report is not None and as_json:
        raise InvalidInput("Either --json or --report.")


def _report(file: "ConfidenceFile", output: Path | None, root: Path) -> None:
    from roadworthy.cli.eval_report import FOLDER, write
    from roadworthy.evals.reports import reliability_page

    write(output or root / FOLDER / f"confidence-{file.prompt}.html", reliability_page(file))


def file_of(app: "App", prompt_id: str) -> Path:
    """Where what is learnt of a prompt goes."""
    chosen = app.settings.prompts.get(prompt_id)
    return app.settings.path(chosen.confidence if chosen and chosen.confidence else _usual(prompt_id))


def _usual(prompt_id: str) -> str:
    return f"confidence/{prompt_id}.json"


async def _learnt(app: "App", workflow: str | None, prompt: str | None, since: str) -> "Learnt":
    from roadworthy.cli import choice
    from roadworthy.errors import InvalidInput
    from roadworthy.evals.confidence import learn, reviewed
    from roadworthy.evals.confidence.outcomes import prompts_of

    environment, now_ms = app.settings.environment, app.clock.now_ms()
    since_ms = choice.moment_ms(since, now_ms, "--since")
    if prompt is None:
        if workflow is None:
            raise InvalidInput("Say whose answers: a WORKFLOW, or --prompt ID.")
        known = await app.database.read(lambda tx: prompts_of(tx, environment, workflow))
        if len(known) != 1:
            hint = f"Name one with --prompt: {', '.join(known)}." if known else "Its runs call app.decide."
            raise InvalidInput(
                f"Workflow {workflow!r} decided on answers of {len(known)} prompts.", hint=hint
            )
        prompt = known[0]
    answers = await app.database.read(lambda tx: reviewed(tx, environment, prompt, since_ms, workflow))
    bands = (one.bands for one in app.settings.workflows.values() if one.bands is not None)
    rates = sorted({one.max_error_rate for one in bands if one.max_error_rate is not None})
    return learn(prompt, answers, now_ms, rates)


async def _keep(app: "App", learnt: "Learnt", path: Path) -> None:
    from roadworthy.audit import Action

    learnt.file.write(path)
    detail: dict[str, Any] = {"answers": learnt.file.answers, "version": learnt.file.prompt_version}
    await app.audit.record(Action.CONFIDENCE_FITTED, learnt.file.prompt, detail=detail)
