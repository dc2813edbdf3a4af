"""`roadworthy cache`: the answers that are kept to be given again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    import sqlalchemy as sa

    from roadworthy.models.cache import Kept

group = typer.Typer(help="See and clear the answers that are kept.", no_args_is_help=True)


@command(group)
async def show(place: Place, as_json: JsonOption = False) -> None:
    """Show how many answers are kept of each prompt, how often they were given again, and what that saved."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        kept = await app.database.read(app.answers.stats)
    rows = [_row(one) for one in kept]
    if as_json:
        terminal.print_json({"prompts": rows})
        return
    if not rows:
        terminal.say('No answers are kept. Routes with `cache`, or with `then = ["cache"]`, keep them.')
        return
    columns = ("answers", "bytes", "given again", "saved USD")
    made = terminal.table("prompt", *columns, right=columns)
    for one in kept:
        figures = (f"{figure:,}" for figure in (one.entries, one.bytes, one.hits))
        made.add_row(terminal.clean(one.prompt_id), *figures, terminal.usd(one.saved_micro_usd))
    terminal.show(made)


@command(group)
async def clear(
    place: Place,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="ID", help="Answers of this prompt only.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Answers that this tenant asked for only.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; else it is only said what would be done.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Delete answers that are kept: all, or those of a prompt or tenant. Workers follow within 30 seconds.

    Without --yes nothing is deleted, and the exit code is 2.
    """
    from roadworthy.audit import Action
    from roadworthy.cli import terminal
    from roadworthy.cli.failure import USAGE
    from roadworthy.cli.project import records

    async with records(place) as app:
        if yes:
            entry = app.audit.entry(Action.CACHE_CLEARED, prompt or "", tenant=tenant or "")

            def clear_all(tx: "sa.Connection") -> int:
                count = app.answers.clear(tx, prompt_id=prompt, tenant=tenant)
                app.audit.append(tx, entry.with_detail({"answers": count}, str))
                return count

            count = await app.database.write(clear_all)
        else:
            count = await app.database.read(lambda tx: app.answers.count(tx, prompt_id=prompt, tenant=tenant))
    if as_json:
        terminal.print_json({"answers": count, "deleted": yes})
    else:
        answers = "1 answer" if count == 1 else f"{count:,} answers"
        terminal.say(f"Deleted {answers}." if yes else f"{answers} would be deleted; add --yes to do it.")
    return 0 if yes else USAGE


def _row(one: "Kept") -> dict[str, Any]:
    from roadworthy.records import from_micro_usd

    return {
        "prompt": one.prompt_id,
        "answers": one.entries,
        "bytes": one.bytes,
        "hits": one.hits,
        "saved_usd": str(from_micro_usd(one.saved_micro_usd)),
    }
