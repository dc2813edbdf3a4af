"""`roadworthy reviews`: what waits for a person, who looks at it, and how good decisions by rule are."""

from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.records import Json

group = typer.Typer(
    help="Answer what no model could, and decide on what models answered.", no_args_is_help=True
)

ReviewId = Annotated[str, typer.Argument(help="The review's id, or its beginning.", metavar="ID")]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who it is; else the user of this operating system."),
]


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
    from roadworthy.review import Filter, ItemStatus, Kind

    chosen = tuple(dict.fromkeys(choice.one_of(ItemStatus, one, "--status") for one in status or ["open"]))
    kinds = tuple(choice.one_of(Kind, one, "--kind") for one in kind or [])
    where = Filter(status=chosen, kind=kinds, workflow=workflow)
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
async def show(place: Place, review: ReviewId, by: By = None, as_json: JsonOption = False) -> None:
    """Show a review: a question with what the models said, or an answer with its evidence.

    Verdicts of others on an open review are shown to whoever has given one.
    """
    from roadworthy.cli import choice, review_text, terminal
    from roadworthy.cli.project import records
    from roadworthy.review import Held, Kind, Question

    name = by if by is not None else user()
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
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """Say that you look at it now, so that others are warned; a claim keeps nobody from deciding."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records

    name = by if by is not None else user()
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


def user() -> str:
    """Who is logged in here. Raises `InvalidInput` where the system does not know."""
    from roadworthy.cli.project import user_name
    from roadworthy.errors import InvalidInput

    name = user_name()
    if not name:
        raise InvalidInput("This system does not say who you are.", hint="Add --by NAME.")
    return name
