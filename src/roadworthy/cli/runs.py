"""`roadworthy runs`: list, show, resume, cancel, replay and signal runs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command
from roadworthy.cli.run import WaitTimeout, read_json, start_and_follow

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.workflows import Handle, Run

group = typer.Typer(help="List, show, resume, cancel, replay and signal runs.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="The run's id, or its beginning.", metavar="ID")]
FromStep = Annotated[
    str | None,
    typer.Option(
        "--from-step", metavar="STEP", help="Do this step (name or position) and all after it again."
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end.")]
Detach = Annotated[bool, typer.Option("--detach", help="Queue it for a worker, and do not wait.")]


@command(group, "list")
async def list_(
    place: Place,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    status: Annotated[list[str] | None, typer.Option(help="In this state; may be given again.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
    user: Annotated[str | None, typer.Option(help="Of this user.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Created at or after: a date, or 2h, 7d ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Created before.")] = None,
    error: Annotated[
        str | None, typer.Option(metavar="KIND", help="That failed with this kind of error.")
    ] = None,
    min_cost: Annotated[str | None, typer.Option(metavar="USD", help="That cost at least this much.")] = None,
    min_seconds: Annotated[float | None, typer.Option(min=0, help="That took at least this long.")] = None,
    text: Annotated[str | None, typer.Option(help="With this text in id, error or reason.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Of this batch.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="ID", help="The page after this run.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    from roadworthy.cli import choice
    from roadworthy.cli.project import records
    from roadworthy.cli.terminal import print_json
    from roadworthy.workflows import Filter

    async with records(place) as app:
        now_ms = app.clock.now_ms()
        where = Filter(
            workflow=workflow,
            status=choice.statuses(status or []),
            tag=tag,
            tenant=tenant,
            user_id=user,
            created_from=choice.moment_ms(since, now_ms, "--since") if since else None,
            created_before=choice.moment_ms(until, now_ms, "--until") if until else None,
            error_kind=error,
            min_cost_micro_usd=choice.micro_usd(min_cost, "--min-cost") if min_cost else None,
            min_seconds=min_seconds,
            text=text,
            batch_id=await choice.batch_id(app, batch) if batch else None,
        )
        start = await choice.run_id(app, after) if after else None
        found = await app.runs.find(where, limit=limit + 1, after=start)
    page, following = found[:limit], found[limit - 1].id if len(found) > limit else None
    if as_json:
        print_json({"runs": [run.as_json() for run in page], "next": following})
    else:
        _print_list(place, page, following)


def _print_list(place: Place, page: "list[Run]", following: str | None) -> None:
    from roadworthy.cli.terminal import clean, say, seconds, short_id, show, styled, table, usd
    from roadworthy.records import iso

    if not page:
        say("No runs.")
        return
    made = table(
        "run",
        "workflow",
        "status",
        "created",
        "seconds",
        "USD",
        "why",
        right=("seconds", "USD"),
        whole=("run", "status"),
    )
    for run in page:
        why = clean(run.skip_reason or run.error_message or "", most=80)
        created = iso(run.created_at)[5:19].replace("T", " ")
        figures = (seconds(run.seconds), usd(run.cost_micro_usd))
        made.add_row(short_id(run.id), clean(run.workflow), styled(run.status), created, *figures, why)
    show(made)
    if following:
        say(f"More: {place.command('runs', 'list', '--after', following)}", style="dim")


@command(group)
async def show(
    place: Place,
    run: RunId,
    calls: Annotated[
        bool, typer.Option("--calls", help="With every attempt of every call to a model.")
    ] = False,
    payloads: Annotated[
        bool, typer.Option("--payloads", help="With what went in and out of steps and calls.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a run: its steps, attempts, calls, children, input and output."""
    from roadworthy.calls.store import of_run
    from roadworthy.cli import choice, run_document, terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        found = await choice.run_id(app, run)
        shown = await app.runs.show(found)
        made: list[Any] = await app.database.read(lambda tx: of_run(tx, found, payloads=payloads))
    if as_json:
        terminal.print_json(run_document.document(shown, made if calls else None, payloads=payloads))
        return
    terminal.show(run_document.tree(shown, made, attempts=calls, payloads=payloads))


@command(group)
async def resume(
    place: Place,
    runs: Annotated[
        list[str] | None, typer.Argument(help="Ids of runs, or their beginnings.", metavar="ID...")
    ] = None,
    all_dead: Annotated[
        bool, typer.Option("--all-dead", help="Every dead run that fits the options.")
    ] = False,
    workflow: Annotated[str | None, typer.Option(help="With --all-dead: of this workflow only.")] = None,
    from_step: FromStep = None,
    wait: Wait = False,
    detach: Detach = False,
    as_json: JsonOption = False,
    give_up_after: WaitTimeout = None,
) -> int:
    """Let dead, cancelled or parked runs go on; finished steps are kept.

    On the embedded database, where no worker is alive, this process executes them, unless --detach.
    """
    from roadworthy.cli.resume import Waiting, resume_all_dead, resume_each, resume_one
    from roadworthy.errors import InvalidInput

    given = runs or []
    if bool(given) == all_dead or (all_dead and from_step is not None):
        raise InvalidInput("Name the runs to resume, or say --all-dead (without --from-step).")
    waiting = Waiting(wait, detach, as_json, give_up_after)
    if all_dead:
        return await resume_all_dead(place, workflow, waiting)
    if len(given) == 1:
        return await resume_one(place, given[0], from_step, waiting)
    return await resume_each(place, given, from_step, waiting)


@command(group)
async def cancel(
    place: Place,
    runs: Annotated[list[str], typer.Argument(help="Ids of runs, or their beginnings.", metavar="ID...")],
    as_json: JsonOption = False,
) -> int:
    """Cancel runs and their children. Exit code 1 when one had finished already."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records
    from roadworthy.errors import StateConflict

    outcomes: list[dict[str, str]] = []
    async with records(place) as app:
        for found in [await choice.run_id(app, given) for given in runs]:
            try:
                status = await app.runs.cancel(found)
                said = "is cancelled" if status == "cancelled" else "stops as soon as its worker sees it"
                outcomes.append({"id": found, "status": status.value, "message": f"{found} {said}."})
            except StateConflict as error:
                outcomes.append({"id": found, "status": "conflict", "message": error.message})
    if as_json:
        terminal.print_json({"runs": outcomes})
    else:
        for one in outcomes:
            terminal.say(one["message"])
    return 1 if any(one["status"] == "conflict" for one in outcomes) else 0


@command(group)
async def replay(
    place: Place,
    run: RunId,
    from_step: FromStep = None,
    wait: Wait = False,
    detach: Detach = False,
    as_json: JsonOption = False,
    give_up_after: WaitTimeout = None,
) -> int:
    """Start a new run with the input of this one; steps before --from-step are taken over, not done again."""
    from roadworthy.cli import choice, resume
    from roadworthy.cli.project import load_app, records

    async with records(place) as looked:
        found = await choice.run_id(looked, run)
        here = await resume.executes_here(looked, resume.Waiting(wait, detach, as_json, give_up_after))
    app = load_app(place)

    async def start(opened: "App") -> "Handle[Any]":
        return await opened.runs.replay(found, from_step=from_step)

    if not wait and not here:
        async with app.running(work=False):
            new = await (await start(app)).run()
        resume.say_queued(place, [new], as_json=as_json)
        return 0
    return await start_and_follow(
        place, app, start, as_json=as_json, timeout_seconds=give_up_after, here_too=here
    )


@command(group)
async def signal(
    place: Place,
    run: RunId,
    name: Annotated[str, typer.Argument(help="The signal's name.", metavar="NAME")],
    payload: Annotated[
        str, typer.Option(metavar="JSON", help="What it carries; @FILE, or - for stdin.")
    ] = "null",
    as_json: JsonOption = False,
) -> None:
    """Send a signal to a run; it waits there until the run asks for it."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records

    value = read_json(payload, "--payload")
    async with records(place) as app:
        found = await choice.run_id(app, run)
        await app.runs.signal(found, name, value)
    if as_json:
        terminal.print_json({"id": found, "signal": name})
    else:
        terminal.say(f"Sent {terminal.clean(name)!r} to {found}.")
