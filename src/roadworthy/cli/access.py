"""`roadworthy access` and `roadworthy keys`: who may do what, said by whoever has the machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from roadworthy.access import Access, Grant, Person, Principal
    from roadworthy.app import App

group = typer.Typer(help="Say who may do what: people and their roles.", no_args_is_help=True)
keys = typer.Typer(help="Make and revoke the keys of programs.", no_args_is_help=True)

Somebody = Annotated[str, typer.Argument(help="The person's id or email address.", metavar="PERSON")]
RoleName = Annotated[str, typer.Argument(help="The role.", metavar="ROLE")]
Workflow = Annotated[
    str | None, typer.Option(help="For this workflow only; left out, for all.", metavar="NAME")
]
Tenant = Annotated[str | None, typer.Option(help="For this tenant only; left out, for all.", metavar="NAME")]


@command(group)
async def people(place: Place, as_json: JsonOption = False) -> None:
    """List people, with what they may do."""
    from roadworthy.cli.project import records
    from roadworthy.cli.terminal import clean, print_json, say, show, styled, table
    from roadworthy.records import iso

    async with records(place) as app:
        found = await app.access.people(_me())
    if as_json:
        print_json({"people": [one.as_json() for one in found]})
        return
    if not found:
        say(f"Nobody yet. Add somebody: {place.command('access', 'add', 'NAME', '--role', 'owner')}")
        return
    columns = ("person", "name", "email", "status", "signs in by", "last seen", "may act as")
    made = table(*columns, whole=("person", "status"))
    for one in found:
        seen = "never" if one.last_seen_at is None else iso(one.last_seen_at)[:16].replace("T", " ")
        roles = clean("; ".join(map(str, one.grants)))
        ways = clean(_ways(app, one))
        made.add_row(one.id, clean(one.name), clean(one.email or ""), styled(one.status), ways, seen, roles)
    show(made)


@command(group)
async def add(
    place: Place,
    name: Annotated[str, typer.Argument(help="The person's name.", metavar="NAME")],
    email: Annotated[str | None, typer.Option(help="The person's email address.")] = None,
    role: Annotated[str | None, typer.Option(help="What the person may act as.", metavar="ROLE")] = None,
    workflow: Workflow = None,
    tenant: Tenant = None,
    as_json: JsonOption = False,
) -> None:
    """Add a person, and say what they may do. They sign in by a link: `roadworthy access link`."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records
    from roadworthy.errors import InvalidInput

    if role is None and (workflow or tenant):
        raise InvalidInput("--workflow and --tenant say where a role holds.", hint="Add --role.")
    grants = () if role is None else (_grant(role, workflow, tenant),)
    async with records(place) as app:
        person = await app.access.add_person(_me(), name, email=email, grants=grants)
    if as_json:
        terminal.print_json(person.as_json())
        return
    terminal.say(f"Added {terminal.clean(person.name)}: {person.id}")
    terminal.say(f"Let them in: {place.command('access', 'link', person.id)}", style="dim")


@command(group)
async def disable(place: Place, person: Somebody, as_json: JsonOption = False) -> None:
    """End a person's sessions, and let them do nothing any more."""
    said = ("is disabled", "was disabled before")
    await _change(
        place, person, lambda access, me, who: access.disable_person(me, who), said, as_json=as_json
    )


@command(group)
async def enable(place: Place, person: Somebody, as_json: JsonOption = False) -> None:
    """Let a person who was disabled sign in again, with the roles they had."""
    said = ("may sign in again", "was not disabled")
    await _change(place, person, lambda access, me, who: access.enable_person(me, who), said, as_json=as_json)


@command(group)
async def grant(
    place: Place,
    person: Somebody,
    role: RoleName,
    workflow: Workflow = None,
    tenant: Tenant = None,
    as_json: JsonOption = False,
) -> None:
    """Give a person a role, for all workflows and tenants or for one. docs/access.md says what it may do."""
    given = _grant(role, workflow, tenant)
    said = (f"is now {given}", f"was {given} before")
    await _change(place, person, lambda access, me, who: access.grant(me, who, given), said, as_json=as_json)


@command(group)
async def take(
    place: Place,
    person: Somebody,
    role: RoleName,
    workflow: Workflow = None,
    tenant: Tenant = None,
    as_json: JsonOption = False,
) -> None:
    """Take a role from a person: exactly the one that was given, with its workflow and tenant."""
    taken = _grant(role, workflow, tenant)
    said = (f"is no longer {taken}", f"was not {taken}")
    await _change(place, person, lambda access, me, who: access.take(me, who, taken), said, as_json=as_json)


@command(group)
async def unbind(place: Place, person: Somebody, as_json: JsonOption = False) -> None:
    """Let a person be known by their email address again, when their provider gave them another identity."""
    said = ("is bound to no identity any more", "was bound to none")
    await _change(place, person, lambda access, me, who: access.unbind_person(me, who), said, as_json=as_json)


@command(group)
async def link(place: Place, person: Somebody, as_json: JsonOption = False) -> None:
    """Make a link that signs a person in, once. It is shown now only; earlier ones are of no use any more."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records
    from roadworthy.records import iso

    async with records(place) as app:
        me = _me()
        found = await app.access.person(me, person)
        made = await app.access.link(me, found.id)
    if as_json:
        terminal.print_json(
            {"person": found.id, "secret": made.secret, "path": made.path, "expires_at": iso(made.expires_at)}
        )
        return
    terminal.say(f"Give this to {terminal.clean(found.name)} and to nobody else, as it signs in once:")
    terminal.say(f"{made.path}  (until {iso(made.expires_at)[:16].replace('T', ' ')} UTC)")


@command(keys, "list")
async def list_(place: Place, as_json: JsonOption = False) -> None:
    """List keys, newest first: how each begins, what it may do, and until when."""
    from roadworthy.cli.project import records
    from roadworthy.cli.terminal import clean, print_json, say, show, styled, table
    from roadworthy.records import iso

    async with records(place) as app:
        found, now_ms = await app.access.keys(_me()), app.clock.now_ms()
    if as_json:
        print_json({"keys": [key.as_json(now_ms) for key in found]})
        return
    if not found:
        say(f"No keys. Make one: {place.command('keys', 'create', 'NAME')}")
        return
    columns = ("key", "name", "begins", "state", "expires", "last used", "may act as")
    made = table(*columns, whole=("key", "begins", "state", "expires"))
    for key in found:
        used = "never" if key.last_used_at is None else iso(key.last_used_at)[:16].replace("T", " ")
        roles = clean("; ".join(map(str, key.grants)))
        about = (clean(key.name), key.hint, styled(key.state(now_ms)), iso(key.expires_at)[:10])
        made.add_row(key.id, *about, used, roles)
    show(made)


@command(keys)
async def create(
    place: Place,
    name: Annotated[str, typer.Argument(help="What the key is for.", metavar="NAME")],
    role: Annotated[
        str, typer.Option(help="What it may act as: service, operator or viewer.", metavar="ROLE")
    ] = "service",
    workflow: Annotated[
        list[str] | None,
        typer.Option(help="For this workflow only; may be given again. Left out, for all.", metavar="NAME"),
    ] = None,
    tenant: Tenant = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="In how long: 90d, 12h. Left out, access.key_days.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key for a program. Its secret is shown now and never again."""
    from roadworthy.cli import choice, terminal
    from roadworthy.cli.project import records
    from roadworthy.records import iso

    days = None if expires is None else choice.days(expires, "--expires")
    grants = tuple(_grant(role, one, tenant) for one in workflow or [None])
    async with records(place) as app:
        key, secret = await app.access.create_key(_me(), name, grants=grants, days=days)
        now_ms = app.clock.now_ms()
    if as_json:
        terminal.print_json({**key.as_json(now_ms), "secret": secret})
        return
    terminal.say(f"{key.id} ({terminal.clean(key.name)}) until {iso(key.expires_at)[:10]}. Keep its secret:")
    terminal.say(secret)


@command(keys)
async def revoke(
    place: Place,
    key: Annotated[str, typer.Argument(help="The key's id.", metavar="KEY")],
    as_json: JsonOption = False,
) -> None:
    """Make a key useless. Every process follows within 5 seconds."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        changed = await app.access.revoke_key(_me(), key)
    if as_json:
        terminal.print_json({"id": key, "changed": changed})
    else:
        terminal.say(f"{key} {'is revoked' if changed else 'was revoked before'}.")


def _me() -> "Principal":
    """Who runs this command."""
    from roadworthy.access import Principal
    from roadworthy.cli.project import user_name

    return Principal.terminal(user_name())


def _ways(app: "App", person: "Person") -> str:
    """How a person signs in, as the settings are now; a link is always there."""
    for name, provider in app.settings.access.openid.items():
        if provider.issuer == person.oidc_issuer:
            return f"{name}, link"
    return "link" if person.oidc_issuer is None else f"link ({person.oidc_issuer} is in no setting)"


def _grant(role: str, workflow: str | None, tenant: str | None) -> "Grant":
    from roadworthy.access import Grant, Role
    from roadworthy.cli import choice
    from roadworthy.errors import InvalidInput

    if workflow == "":
        raise InvalidInput("--workflow names a workflow.", hint="Leave it out for all of them.")
    return Grant(choice.one_of(Role, role, "ROLE"), workflow or "", tenant)


async def _change(
    place: Place,
    person: str,
    change: "Callable[[Access, Principal, str], Awaitable[bool]]",
    said: tuple[str, str],
    *,
    as_json: bool,
) -> None:
    """Change what a person may do, and tell it; `said` is what to say then, and what if it was so before."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        me = _me()
        found = await app.access.person(me, person)
        changed = await change(app.access, me, found.id)
    if as_json:
        terminal.print_json({"id": found.id, "changed": changed})
    else:
        terminal.say(f"{terminal.clean(found.name)} {terminal.clean(said[0] if changed else said[1])}.")
