"""`roadworthy reviews`: what waits for a person, and the answers that people give."""

from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.records import Json
    from roadworthy.review import Item, ItemStatus, Question

group = typer.Typer(help="Answer, in a model's place, what no model could.", no_args_is_help=True)

ReviewId = Annotated[str, typer.Argument(help="The review's id, or its beginning.", metavar="ID")]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who answers; else the user of this operating system.")
]


@command(group, "list")
async def list_(
    place: Place,
    status: Annotated[
        list[str] | None, typer.Option(help="In this state; may be given again. Open ones when left out.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="ID", help="The page after this review.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for a person, longest wait first; with another --status, newest first."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records
    from roadworthy.review import Filter, ItemStatus

    chosen = _statuses(status or [ItemStatus.OPEN.value])
    where = Filter(status=chosen, workflow=workflow)
    async with records(place) as app:
        start = await choice.review_id(app, after) if after else None
        newest_first = chosen != (ItemStatus.OPEN,)
        found = await app.reviews.find(where, limit=limit + 1, after=start, newest_first=newest_first)
    page, following = found[:limit], found[limit - 1].id if len(found) > limit else None
    if as_json:
        terminal.print_json({"reviews": [item.as_json() for item in page], "next": following})
    else:
        _print_list(place, page, following)


@command(group)
async def show(place: Place, review: ReviewId, as_json: JsonOption = False) -> None:
    """Show a review: what the models were asked, what they said, and what form the answer must have."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records
    from roadworthy.review import Question

    async with records(place) as app:
        item = await app.reviews.get(await choice.review_id(app, review))
    if as_json:
        terminal.print_json(item.as_json(content=True))
        return
    _print_item(item)
    _print_question(Question.from_json(item.question))
    _print_what_to_do(place, item)


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

    if as_json:
        terminal.print_json(item.as_json())
        return
    terminal.say(f"{item.id} is {item.status} by {terminal.clean(item.answered_by)}.")
    if item.run_id is None:
        return
    terminal.say(f"{item.run_id} goes on.")
    if not await alive(app):
        resume = place.command("runs", "resume", "--wait", item.run_id)
        terminal.say(f"No worker is alive; start one: {place.command('worker')}, or: {resume}")


def _print_list(place: Place, page: "list[Item]", following: str | None) -> None:
    from roadworthy.cli.terminal import clean, say, short_id, show, styled, table
    from roadworthy.records import iso

    if not page:
        say("No reviews.")
        return
    made = table("review", "workflow", "prompt", "status", "created", "by", "why", whole=("review", "status"))
    for item in page:
        created = iso(item.created_at)[5:19].replace("T", " ")
        about = (clean(item.workflow), clean(item.prompt_version), styled(item.status), created)
        made.add_row(short_id(item.id), *about, clean(item.answered_by or ""), clean(item.reason, most=80))
    show(made)
    if following:
        say(f"More: {place.command('reviews', 'list', '--after', following)}", style="dim")


def _print_item(item: "Item") -> None:
    from roadworthy.cli.terminal import clean, say
    from roadworthy.records import iso

    say(f"{item.id}  {item.status}  created {iso(item.created_at)}", style="bold")
    named = {
        "workflow": item.workflow,
        "prompt": item.prompt_version,
        "run": item.run_id,
        "call": item.call_id,
        "tenant": item.tenant,
        "user": item.user_id,
        "due": iso(item.due_at) if item.due_at is not None else None,
        "why": item.reason,
    }
    for name, value in named.items():
        if value:
            say(f"{name}: {clean(value)}")


def _print_question(question: "Question") -> None:
    from roadworthy.cli.terminal import clean, say

    for role, text in question.messages:
        say(f"\n{clean(role)}:", style="bold")
        say(clean(text, lines=True))
    say("\ninputs:", style="bold")
    say(_lines(question.inputs))
    for one in question.said:
        wrong = f"  {clean(one.error_kind)}: {clean(one.error)}" if one.error else ""
        say(f"\n{clean(one.model)}: {clean(one.status)}{wrong}", style="bold")
        if one.text is not None:
            say(clean(one.text, lines=True))


def _print_what_to_do(place: Place, item: "Item") -> None:
    from roadworthy.cli.terminal import clean, say
    from roadworthy.records import iso
    from roadworthy.review import Question

    if item.answered_at is not None:
        by = f" by {clean(item.answered_by)}" if item.answered_by else ""
        say(f"\n{item.status}{by} {iso(item.answered_at)}", style="bold")
        if item.status == "answered":
            say(_lines(item.answer))
        if item.note:
            say(f"note: {clean(item.note)}")
        return
    schema = Question.from_json(item.question).schema
    say(f"\nthe answer must {'be text' if schema is None else 'fit this schema'}:", style="bold")
    if schema is not None:
        say(_lines(schema))
    option = ("--text", "TEXT") if schema is None else ("--value", "JSON")
    say(f"\nAnswer it: {place.command('reviews', 'answer', item.id, *option)}")
    say(f"Or say why not: {place.command('reviews', 'decline', item.id, '--note', 'WHY')}")


def _lines(value: "Json") -> str:
    """A value for people: text as it is, everything else as indented JSON."""
    import json

    from roadworthy.cli.terminal import clean

    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return clean(text, lines=True)
