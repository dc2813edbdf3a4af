"""`roadworthy prompts promote|split|rollback|clear|status` and `roadworthy routes split`: who gets what."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command
from roadworthy.cli.releases import ReasonOption, SharesArgument, shares_text, tell

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.releases import Change

PromptArgument = Annotated[str, typer.Argument(help="The prompt's id.", metavar="ID")]
RouteArgument = Annotated[str, typer.Argument(help="The route that calls ask for.", metavar="ROUTE")]
OverrideOption = Annotated[
    bool, typer.Option("--override", help="Pass what is asked of a version; needs a --reason.")
]

_MOST_CHANGES = 20


def add_to(prompts: typer.Typer, routes: typer.Typer) -> None:
    """Add the commands to their groups."""
    command(prompts)(promote)
    command(prompts, "split")(split)
    command(prompts)(rollback)
    command(prompts)(clear)
    command(prompts)(status)
    command(routes, "split")(split_route)


async def promote(
    place: Place,
    prompt: PromptArgument,
    label: Annotated[str, typer.Argument(help="The version's label, such as v2.", metavar="LABEL")],
    reason: ReasonOption = "",
    override: OverrideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a version of a prompt serve everybody in this environment, in all workers within a second.

    Outside of development a version is refused without a passing evaluation, where it does not take what code
    passes to the one that serves, and to who is none of its approvers.
    """
    from roadworthy.cli.project import load_app

    app = load_app(place)
    async with app.evaluating():
        change = await app.promotions.promote(prompt, label, reason=reason, override=override)
        await _warn(app, change)
    tell(change, prompt, as_json=as_json)


async def split(
    place: Place,
    prompt: PromptArgument,
    shares: SharesArgument,
    reason: ReasonOption = "",
    override: OverrideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let versions of a prompt share who asks, such as v1=90 v2=10; the same user gets the same version."""
    from roadworthy.cli.project import load_app
    from roadworthy.releases import shares_of

    slots = shares_of(shares)
    app = load_app(place)
    async with app.evaluating():
        change = await app.promotions.split(prompt, slots, reason=reason, override=override)
        await _warn(app, change)
    tell(change, prompt, as_json=as_json)


async def rollback(
    place: Place, prompt: PromptArgument, reason: ReasonOption = "", as_json: JsonOption = False
) -> None:
    """Let the version that served everybody before serve again, at once; once more goes back further."""
    from roadworthy.cli.project import records

    async with records(place) as app:
        change = await app.promotions.rollback(prompt, reason=reason)
        await _warn(app, change)
    tell(change, prompt, as_json=as_json)


async def clear(
    place: Place,
    prompt: PromptArgument,
    reason: ReasonOption = "",
    override: OverrideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let the settings say again which version of a prompt serves; left open there, the newest does."""
    from roadworthy.cli.project import load_app

    app = load_app(place)
    async with app.evaluating():
        change = await app.promotions.clear(prompt, reason=reason, override=override)
    tell(change, prompt, as_json=as_json)


async def status(
    place: Place,
    prompt: Annotated[
        str | None, typer.Argument(help="The prompt's id; left out, all.", metavar="[ID]", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which versions serve here, since when, by whom and why; of one prompt its history as well."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place, with_prompts=True) as app:
        ids = [prompt] if prompt else [one.id for one in app.prompts]
        rows = [await _row(app, prompt_id, all_changes=prompt is not None) for prompt_id in ids]
    if as_json:
        terminal.print_json({"environment": app.settings.environment, "prompts": rows})
        return
    made = terminal.table("prompt", "serves", "since", "by", "why")
    for row in rows:
        last = row["changes"][0] if row["changes"] else None
        by = (last["by_name"] or last["by"]) if last else ""
        cells = (
            row["id"],
            row["text"],
            last["at"] if last else "",
            by,
            last["reason"] if last else "the settings" if row["chosen"] else "it is the newest",
        )
        made.add_row(*(terminal.clean(cell, most=80) for cell in cells))
    terminal.show(made)
    if app.promotions.needs_eval:
        for row in rows:
            _tell_open(row)
    if prompt and rows[0]["changes"]:
        _show_history(rows[0]["changes"])


async def split_route(
    place: Place,
    route: RouteArgument,
    shares: SharesArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let routes share who asks for one, such as answer=90 answer-mini=10; its own name undoes it."""
    from roadworthy.cli.project import records
    from roadworthy.releases import shares_of

    slots = shares_of(shares)
    async with records(place) as app:
        change = await app.promotions.split_route(route, slots, reason=reason)
    tell(change, route, as_json=as_json)


async def _warn(app: "App", change: "Change") -> None:
    """Say that calls may fail since: in development, after a rollback or an override nobody refuses that."""
    from roadworthy.cli import terminal

    for said in await app.promotions.unmet(change):
        terminal.say(terminal.clean(f"warning: {said} Calls may fail."), errors=True, style="yellow")


def _tell_open(row: dict[str, Any]) -> None:
    """Say where a newer version would serve without having been promoted."""
    from roadworthy.cli import terminal

    if not row["chosen"]:
        prompt, label = (terminal.clean(row[name]) for name in ("id", "text"))
        terminal.say(
            f"Nothing says which version of {prompt} serves here: a newer one would, once there is one. "
            f"To choose: roadworthy prompts promote {prompt} {label}",
            style="yellow",
        )


async def _row(app: "App", prompt_id: str, *, all_changes: bool) -> dict[str, Any]:
    from roadworthy.releases import arm_json, prompt_subject

    release, default = await app.promotions.serving(prompt_id)
    named = app.settings.prompts.get(prompt_id)
    changes = await app.releases.history(prompt_subject(prompt_id), limit=_MOST_CHANGES if all_changes else 1)
    return {
        "id": prompt_id,
        "source": "release" if release else "settings",
        "chosen": bool(release or (named and named.version)),
        "revision": release.revision if release else 0,
        "text": shares_text(release.arms) if release else default.label,
        "arms": [arm_json(arm) for arm in release.arms]
        if release
        else [{"name": default.label, "content_hash": default.content_hash, "percent": 100.0}],
        "changes": [change.as_json() for change in changes],
    }


def _show_history(changes: "list[dict[str, Any]]") -> None:
    from roadworthy.cli import terminal

    made = terminal.table("at", "change", "serves from then on", "by", "reason")
    for one in changes:
        arms = ", ".join(
            arm["name"] if len(one["arms"]) == 1 else f"{arm['name']} {arm['percent']:g}%"
            for arm in one["arms"]
        )
        cells = (one["at"], one["kind"], arms or "the settings", one["by_name"] or one["by"], one["reason"])
        made.add_row(*(terminal.clean(cell, most=80) for cell in cells))
    terminal.show(made)
