"""`roadworthy audit`: who did what, and whether the log of it is as it was written."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.audit import Entry, Keyring, Verified
    from roadworthy.settings import Settings

group = typer.Typer(help="See who did what, and verify, export or seal the log of it.", no_args_is_help=True)

Kept = Annotated[
    str | None, typer.Option("--head", metavar="HEAD", help="A head that was kept elsewhere: NUMBER:HASH.")
]


@command(group, "list")
async def list_(
    place: Place,
    action: Annotated[
        str | None, typer.Option(help="This action, or all that begin so: `review.` with its dot.")
    ] = None,
    actor: Annotated[str | None, typer.Option(metavar="WHO", help="By this id or name.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="ID", help="Done to this.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant only.")] = None,
    outcome: Annotated[str | None, typer.Option(help="`done` or `refused` only.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="At or after: a date, or 2h, 7d ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    after: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="The page after this entry.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List who did what, newest first."""
    from roadworthy.audit import Action, Filter, Outcome
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records

    if action is not None and not action.endswith("."):
        action = choice.one_of(Action, action, "--action").value
    chosen = None if outcome is None else choice.one_of(Outcome, outcome, "--outcome").value
    async with records(place) as app:
        now_ms = app.clock.now_ms()
        where = Filter(
            action=action,
            actor=actor,
            subject=subject,
            workflow=workflow,
            tenant=tenant,
            outcome=chosen,
            from_ms=choice.moment_ms(since, now_ms, "--since") if since else None,
            before_ms=choice.moment_ms(until, now_ms, "--until") if until else None,
        )
        found = await app.audit.find(where, limit=limit + 1, after=after)
    page, following = found[:limit], found[limit - 1].seq if len(found) > limit else None
    if as_json:
        terminal.print_json({"entries": [entry.as_json() for entry in page], "next": following})
    else:
        _print_list(place, page, following)


@command(group)
async def show(
    place: Place,
    entry: Annotated[str, typer.Argument(help="The entry's number, or its id.", metavar="ENTRY")],
    as_json: JsonOption = False,
) -> None:
    """Show an entry, with its hashes."""
    import json

    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        number = entry.isascii() and entry.isdecimal() and len(entry) < 19  # noqa: PLR2004 - what a column holds
        found = await app.audit.get(int(entry) if number else entry)
    document = found.as_json()
    if as_json:
        terminal.print_json(document)
        return
    for name, value in document.items():
        if value != "":
            text = value if isinstance(value, str) else json.dumps(value)
            terminal.say(f"{name}: {terminal.clean(text)}")


@command(group)
async def verify(
    place: Place,
    kept: Kept = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verify an export instead of the database.")
    ] = None,
    chain_only: Annotated[
        bool, typer.Option("--chain-only", help="Leave out the calls that entries cover.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Read the whole log for the first thing that does not fit. Exit code 1 when there is one.

    With the key of [audit] it also finds a log that was written anew; without one it does so only against a
    --head that was kept elsewhere.
    """
    from roadworthy.audit import Head, verify_file
    from roadworthy.cli import terminal
    from roadworthy.cli.project import load_settings, records

    head = None if kept is None else Head.parse(kept)
    if file is not None:
        found = verify_file(file, _keyring(load_settings(place)), kept=head)
    else:
        async with records(place) as app:
            found = await app.audit.verify(kept=head, calls=not chain_only)
    if as_json:
        terminal.print_json(found.as_json())
    else:
        _print_verified(found)
    return 0 if found.ok else 1


@command(group)
async def export(
    place: Place,
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.", metavar="FILE")],
    as_json: JsonOption = False,
) -> None:
    """Write every entry to a file, a line of JSON each, with its hashes; that is recorded as well."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records
    from roadworthy.errors import InvalidInput

    async with records(place) as app:
        if file.exists():
            raise InvalidInput(f"{str(file)!r} is there already.", hint="Choose another name.")
        head = await app.audit.export(file)
    if as_json:
        terminal.print_json({"file": str(file), "entries": head.seq, "head": str(head)})
    else:
        terminal.say(f"Wrote {head.seq} entries to {terminal.clean(file)}.")
        terminal.say(f"head: {head}")


@command(group)
async def head(place: Place, as_json: JsonOption = False) -> None:
    """Print the end of the log, its newest entry: number and hash. Keep it for `verify --head`."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        found = await app.audit.head()
    if as_json:
        terminal.print_json({"entries": found.seq, "head": str(found)})
    else:
        terminal.say(str(found) if found.seq else "The log is empty.")


def _keyring(settings: "Settings") -> "Keyring":
    from roadworthy.audit import Keyring

    return Keyring.of(*settings.audit_keys())


def _print_list(place: Place, page: "list[Entry]", following: int | None) -> None:
    from roadworthy.cli.terminal import clean, say, show, styled, table
    from roadworthy.records import iso

    if not page:
        say("No entries.")
        return
    made = table("entry", "at", "who", "action", "to", "of", "outcome", right=("entry",), whole=("at",))
    for entry in page:
        who = clean(f"{entry.actor_kind} {entry.actor_name or entry.actor}".strip(), most=60)
        of = clean(" / ".join(name for name in (entry.workflow, entry.tenant) if name), most=60)
        moment = iso(entry.at)[:19].replace("T", " ")
        about = (clean(entry.action), clean(entry.subject, most=60), of, styled(clean(entry.outcome)))
        made.add_row(str(entry.seq), moment, who, *about)
    show(made)
    if following:
        say(f"More: {place.command('audit', 'list', '--after', str(following))}", style="dim")


def _print_verified(found: "Verified") -> None:
    from roadworthy.cli.terminal import clean, say

    if not found.ok:
        say(clean(found.fault), style="red")
        say(f"{found.entries} entries before that are as they were written.")
        return
    say(f"{found.entries} entries are as they were written.", style="green")
    if found.signed_from is not None:
        before = f", the {found.signed_from - 1} before it are not" if found.signed_from > 1 else ""
        say(f"Signed from entry {found.signed_from} on{before}.")
    elif found.entries:
        say("They are not signed: keep the head elsewhere, or set [audit] key_env.")
    if found.seals or found.by_retention:
        say(f"{found.calls} calls and attempts are as {found.seals} seals say.")
    if found.by_retention:
        say(f"Of {found.by_retention} seals, retention has deleted calls.")
    if found.unsealed:
        say(f"{found.unsealed} calls and attempts have no seal yet; a worker makes it.")
    say(f"head: {found.head}")
