"""What serves, and the changes of it: commands of `roadworthy prompts`, `routes` and `flags` share this.

`roadworthy flags`: switches for code paths, on and off or by share.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.releases import Arm, Change, Release

group = typer.Typer(help="List, set and clear flags, which switch code paths.", no_args_is_help=True)

ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept on record.")]
SharesArgument = Annotated[
    list[str], typer.Argument(help="A name, or shares in percent: NAME=PERCENT ...", metavar="SHARE...")
]
FlagArgument = Annotated[str, typer.Argument(help="The flag's name.", metavar="NAME")]


@command(group, "list")
async def list_(place: Place, as_json: JsonOption = False) -> None:
    """List the flags that are set, with the shares of their values."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        known = (await app.releases.fresh()).releases
    flags = {subject.partition(":")[2]: one for subject, one in known.items() if subject.startswith("flag:")}
    if as_json:
        terminal.print_json({"flags": [release_row(name, one) for name, one in sorted(flags.items())]})
        return
    if not flags:
        terminal.say("No flags are set: each is what the code takes as its default.")
        return
    made = terminal.table("flag", "value")
    for name, one in sorted(flags.items()):
        made.add_row(terminal.clean(name), terminal.clean(shares_text(one.arms)))
    terminal.show(made)


@command(group, "set")
async def set_(
    place: Place,
    name: FlagArgument,
    shares: SharesArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Set a flag: on, off, the name of a variant, or shares such as on=10 off=90. Serves within a second."""
    from roadworthy.cli.project import records
    from roadworthy.releases import shares_of

    slots = shares_of(shares)
    async with records(place) as app:
        change = await app.promotions.set_flag(name, slots, reason=reason)
    tell(change, name, as_json=as_json)


@command(group)
async def clear(
    place: Place, name: FlagArgument, reason: ReasonOption = "", as_json: JsonOption = False
) -> None:
    """Take a flag back: it is what the code takes as its default."""
    from roadworthy.cli.project import records

    async with records(place) as app:
        change = await app.promotions.clear_flag(name, reason=reason)
    tell(change, name, as_json=as_json)


def tell(change: "Change", name: str, *, as_json: bool) -> None:
    """Print what a change did."""
    from roadworthy.cli import terminal

    if as_json:
        terminal.print_json(
            {"environment": change.environment, "subject": change.subject, **change.as_json()}
        )
        return
    before = shares_text(change.before) or "nothing"
    now = shares_text(change.arms) or "what settings and code say"
    terminal.say(terminal.clean(f"{name} in {change.environment}: {now} serves (before: {before})."))


def shares_text(arms: "Sequence[Arm]") -> str:
    """Arms for people: `v1 90%, v2 10%`."""
    if len(arms) == 1:
        return arms[0].name
    return ", ".join(f"{arm.name} {arm.slots / 100:g}%" for arm in arms)


def release_row(name: str, release: "Release") -> dict[str, Any]:
    """A release for `--json`."""
    from roadworthy.releases import arm_json

    arms = [arm_json(arm) for arm in release.arms]
    return {"name": name, "revision": release.revision, "arms": arms}
