"""What people say of a review: `roadworthy reviews approve`, `edit`, `reject`; `answer`, `decline`."""

from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command
from roadworthy.cli.reviews import By, ReviewId, user

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.records import Json
    from roadworthy.review import Item

Remember = Annotated[str, typer.Option(help="What is to be remembered of it.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands."""
    for one in (approve, edit, reject, answer, decline):
        command(group)(one)


async def approve(
    place: Place, review: ReviewId, by: By = None, note: Remember = "", as_json: JsonOption = False
) -> None:
    """Decide that an answer stands as it is; or, of a sample, that it was right."""
    await _decide(place, review, "approve", by, note, as_json=as_json)


async def edit(
    place: Place,
    review: ReviewId,
    value: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="The whole answer as it should be; @FILE, or - for stdin."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The same, where the answer is text.")] = None,
    by: By = None,
    note: Remember = "",
    as_json: JsonOption = False,
) -> None:
    """Decide that an answer stands as you change it; it must keep its form."""
    from roadworthy.cli.run import read_json
    from roadworthy.errors import InvalidInput

    if (value is None) is (text is None):
        raise InvalidInput("Give the changed answer once: with --value or --text.")
    given = text if value is None else read_json(value, "--value")
    await _decide(place, review, "edit", by, note, value=given, as_json=as_json)


async def reject(
    place: Place,
    review: ReviewId,
    note: Annotated[str, typer.Option(help="Why it does not stand.")],
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """Decide that an answer does not stand: a run that goes on with it ends as rejected."""
    await _decide(place, review, "reject", by, note, as_json=as_json)


async def answer(
    place: Place,
    review: ReviewId,
    value: Annotated[
        str | None, typer.Option(metavar="JSON", help="The answer; @FILE, or - for stdin.")
    ] = None,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The answer in a file: JSON, or text if that is asked.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The answer, where text is asked for.")] = None,
    by: By = None,
    note: Annotated[str, typer.Option(help="What is to be remembered of it.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Give the answer; it must have the form that `show` describes. The run that waits for it goes on."""
    from roadworthy.cli import choice
    from roadworthy.cli.project import records
    from roadworthy.errors import InvalidInput

    if sum(one is not None for one in (value, file, text)) != 1:
        raise InvalidInput("Give the answer once: with --value, --file or --text.")
    name = by if by is not None else user()
    async with records(place) as app:
        found = await choice.review_id(app, review)
        given = text if text is not None else await _read(app, found, value, file)
        item = await app.reviews.answer(found, given, name, note)
        await _tell(place, app, item, as_json=as_json)


async def decline(
    place: Place,
    review: ReviewId,
    note: Annotated[str, typer.Option(help="Why there is no answer.")],
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """Say that there is no answer: the call that waits for it fails, as if there had been nobody to ask."""
    from roadworthy.cli import choice
    from roadworthy.cli.project import records

    name = by if by is not None else user()
    async with records(place) as app:
        item = await app.reviews.decline(await choice.review_id(app, review), name, note)
        await _tell(place, app, item, as_json=as_json)


async def _decide(
    place: Place,
    review: str,
    verdict: str,
    by: str | None,
    note: str,
    *,
    value: "Json" = None,
    as_json: bool,
) -> None:
    from roadworthy.cli import choice
    from roadworthy.cli.project import records

    name = by if by is not None else user()
    async with records(place) as app:
        found = await choice.review_id(app, review)
        item = await app.reviews.decide(found, verdict, by=name, value=value, note=note)
        await _tell(place, app, item, as_json=as_json)


async def _read(app: "App", review_id: str, value: str | None, file: str | None) -> "Json":
    """The answer as JSON; from a file as it stands, where text is asked for."""
    from roadworthy.cli.run import read_json, read_text
    from roadworthy.review import Question

    if value is not None:
        return read_json(value, "--value")
    given = "-" if file == "-" else f"@{file}"
    item = await app.reviews.get(review_id)
    is_text = Question.from_json(item.question).schema is None
    return read_text(given, "--file") if is_text else read_json(given, "--file")


async def _tell(place: Place, app: "App", item: "Item", *, as_json: bool) -> None:
    from roadworthy.cli import terminal
    from roadworthy.cli.execution import alive
    from roadworthy.review import Kind

    if as_json:
        terminal.print_json(item.as_json())
        return
    if item.answered_at is None:
        waits = "somebody else is asked as well" if item.people > 1 else f"{item.roles[0]} decides"
        terminal.say(f"{item.id} is still open: {waits}.")
        return
    terminal.say(f"{item.id} is {item.status} by {terminal.clean(item.answered_by)}.")
    if item.run_id is None or item.kind is Kind.SAMPLE:
        return
    terminal.say(f"{item.run_id} goes on.")
    if not await alive(app):
        resume = place.command("runs", "resume", "--wait", item.run_id)
        terminal.say(f"No worker is alive; start one: {place.command('worker')}, or: {resume}")
