"""`roadworthy reviews`: what waits for a person, the answers that people give, and what they decide."""

from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.records import Json
    from roadworthy.review import Item, ItemStatus, Kind

group = typer.Typer(
    help="Answer what no model could, and decide on what models answered.", no_args_is_help=True
)

ReviewId = Annotated[str, typer.Argument(help="The review's id, or its beginning.", metavar="ID")]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who answers; else the user of this operating system.")
]
Decider = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who it is; else the user of this operating system."),
]
Remember = Annotated[str, typer.Option(help="What is to be remembered of it.")]


@command(group, "list")
async def list_(
    place: Place,
    status: Annotated[
        list[str] | None, typer.Option(help="In this state; may be given again. Open ones when left out.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Of this kind: answer, decision, sample; may be given again.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="ID", help="The page after this review.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for a person, longest wait first; with another --status, newest first."""
    from roadworthy.cli import choice, review_text, terminal
    from roadworthy.cli.project import records
    from roadworthy.review import Filter, ItemStatus

    chosen = _statuses(status or [ItemStatus.OPEN.value])
    where = Filter(status=chosen, kind=_kinds(kind or []), workflow=workflow)
    async with records(place) as app:
        start = await choice.review_id(app, after) if after else None
        newest_first = chosen != (ItemStatus.OPEN,)
        found = await app.reviews.find(where, limit=limit + 1, after=start, newest_first=newest_first)
    page, following = found[:limit], found[limit - 1].id if len(found) > limit else None
    if as_json:
        terminal.print_json({"reviews": [item.as_json() for item in page], "next": following})
    else:
        review_text.print_list(place, page, following)


@command(group)
async def show(place: Place, review: ReviewId, by: Decider = None, as_json: JsonOption = False) -> None:
    """Show a review: a question with what the models said, or an answer with its evidence.

    Verdicts of others on an open review are shown to whoever has given one.
    """
    from roadworthy.cli import choice, review_text, terminal
    from roadworthy.cli.project import records
    from roadworthy.review import Held, Kind, Question

    name = by if by is not None else _user()
    async with records(place) as app:
        item = await app.reviews.get(await choice.review_id(app, review))
        said = await app.reviews.verdicts(item.id, name)
        draft = await app.reviews.draft(item.id, name)
    if as_json:
        more: dict[str, Json] = {"verdicts": [one.as_json() for one in said], "draft": draft and draft[0]}
        terminal.print_json({**item.as_json(content=True), **more})
        return
    review_text.print_item(item)
    if item.kind is Kind.ANSWER:
        review_text.print_question(Question.from_json(item.question))
    else:
        review_text.print_held(Held.from_json(item.question))
    review_text.print_verdicts(said)
    if draft is not None:
        review_text.print_draft(draft[0])
    review_text.print_end(item)
    if item.answered_at is None and item.kind is Kind.ANSWER:
        review_text.print_how_to_answer(place, item)
    elif item.answered_at is None:
        review_text.print_how_to_decide(place, item)


@command(group)
async def approve(
    place: Place, review: ReviewId, by: Decider = None, note: Remember = "", as_json: JsonOption = False
) -> None:
    """Decide that an answer stands as it is; or, of a sample, that it was right."""
    await _decide(place, review, "approve", by, note, as_json=as_json)


@command(group)
async def edit(
    place: Place,
    review: ReviewId,
    value: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="The whole answer as it should be; @FILE, or - for stdin."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The same, where the answer is text.")] = None,
    by: Decider = None,
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


@command(group)
async def reject(
    place: Place,
    review: ReviewId,
    note: Annotated[str, typer.Option(help="Why it does not stand.")],
    by: Decider = None,
    as_json: JsonOption = False,
) -> None:
    """Decide that an answer does not stand: a run that goes on with it ends as rejected."""
    await _decide(place, review, "reject", by, note, as_json=as_json)


@command(group)
async def assign(
    place: Place,
    review: ReviewId,
    to: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who is to decide; left out, nobody.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say who is to decide; others still may."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        item = await app.reviews.assign(await choice.review_id(app, review), to)
    if as_json:
        terminal.print_json(item.as_json())
    else:
        terminal.say(f"{item.id} is assigned to {terminal.clean(item.assigned_to or 'nobody')}.")


@command(group)
async def claim(
    place: Place,
    review: ReviewId,
    minutes: Annotated[int, typer.Option(min=0, max=60, help="For so long; 0 gives it up.")] = 10,
    by: Decider = None,
    as_json: JsonOption = False,
) -> None:
    """Say that you look at it now, so that others are warned; a claim keeps nobody from deciding."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records

    name = by if by is not None else _user()
    async with records(place) as app:
        found = await choice.review_id(app, review)
        claimed = (
            app.reviews.claim(found, name, minutes * 60) if minutes else app.reviews.release(found, name)
        )
        item = await claimed
    if as_json:
        terminal.print_json(item.as_json())
    else:
        who = "Nobody" if item.claimed_name is None else terminal.clean(item.claimed_name)
        terminal.say(f"{who} looks at {item.id}.")


@command(group)
async def stats(
    place: Place,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how good decisions by rule are, which share people look at, and what would lower it."""
    from roadworthy.cli import review_text, terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        found = await app.reviews.stats(workflow)
    if as_json:
        terminal.print_json({"stats": [one.as_json() for one in found]})
    else:
        review_text.print_stats(found)


@command(group)
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
    name = by if by is not None else _user()
    async with records(place) as app:
        found = await choice.review_id(app, review)
        given = text if text is not None else await _read(app, found, value, file)
        item = await app.reviews.answer(found, given, name, note)
        await _tell(place, app, item, as_json=as_json)


@command(group)
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

    name = by if by is not None else _user()
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

    name = by if by is not None else _user()
    async with records(place) as app:
        found = await choice.review_id(app, review)
        item = await app.reviews.decide(found, verdict, by=name, value=value, note=note)
        await _tell(place, app, item, as_json=as_json)


def _kinds(names: list[str]) -> "tuple[Kind, ...]":
    from roadworthy.errors import InvalidInput, did_you_mean
    from roadworthy.review import Kind

    known = [one.value for one in Kind]
    wrong = next((name for name in names if name not in known), None)
    if wrong is not None:
        raise InvalidInput(f"There is no kind {wrong!r}.", hint=did_you_mean(wrong, known))
    return tuple(dict.fromkeys(Kind(name) for name in names))


def _statuses(names: list[str]) -> "tuple[ItemStatus, ...]":
    from roadworthy.errors import InvalidInput, did_you_mean
    from roadworthy.review import ItemStatus

    known = [one.value for one in ItemStatus]
    wrong = next((name for name in names if name not in known), None)
    if wrong is not None:
        raise InvalidInput(f"There is no status {wrong!r}.", hint=did_you_mean(wrong, known))
    return tuple(dict.fromkeys(ItemStatus(name) for name in names))


def _user() -> str:
    """Who is logged in here. Raises `InvalidInput` where the system does not know."""
    from roadworthy.cli.project import user_name
    from roadworthy.errors import InvalidInput

    name = user_name()
    if not name:
        raise InvalidInput("This system does not say who you are.", hint="Add --by NAME.")
    return name


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
