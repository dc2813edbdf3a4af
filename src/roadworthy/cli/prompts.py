"""`roadworthy prompts`: the prompt files and their versions."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.prompts import Prompts, Version
    from roadworthy.releases import Release
    from roadworthy.settings import Settings

group = typer.Typer(help="List, show and compare prompts; say which version serves.", no_args_is_help=True)


@command(group, "list")
async def list_(place: Place, as_json: JsonOption = False) -> None:
    """List every version of every prompt, and which serve: what is released, else what the settings say."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place, with_prompts=True) as app:
        settings, released = app.settings, (await app.releases.fresh()).releases
        rows = [
            _row(settings, version, prompt.latest.label, released.get(f"prompt:{prompt.id}"))
            for prompt in app.prompts
            for version in prompt.versions
        ]
    if as_json:
        terminal.print_json({"prompts": rows})
        return
    if not rows:
        terminal.say(f"No prompts. Write the first as {settings.project.prompts_dir}/<id>/v1.md.")
        return
    made = terminal.table("prompt", "serves", "route", "inputs", "hash", "description")
    for row in rows:
        made.add_row(
            f"{row['id']}@{row['label']}",
            terminal.clean(row["release"] or ("yes" if row["serves"] else "")),
            terminal.clean(row["route"] or ""),
            ", ".join(row["inputs"]),
            row["content_hash"][:12],
            terminal.clean(row["description"], most=80),
        )
    terminal.show(made)


@command(group)
async def show(
    place: Place,
    prompt: Annotated[str, typer.Argument(help="ID, or ID@LABEL.", metavar="ID[@LABEL]")],
    as_json: JsonOption = False,
) -> None:
    """Show a prompt's text: the version that serves, or the one of that label."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    prompt_id, _, label = prompt.partition("@")
    async with records(place, with_prompts=True) as app:
        released = (await app.releases.fresh()).releases
        found = app.prompts.get(prompt_id).version(label) if label else app.version(prompt_id)
        latest = app.prompts.latest(prompt_id).label
    if as_json:
        row = _row(app.settings, found, latest, released.get(f"prompt:{prompt_id}"))
        terminal.print_json({**row, "file": found.file, "text": found.text})
        return
    terminal.say(f"{found.name}  {found.content_hash[:12]}  {found.file}", style="bold")
    terminal.say(terminal.clean(found.text, lines=True))


@command(group)
def diff(
    place: Place,
    prompt: Annotated[str, typer.Argument(help="The prompt's id.", metavar="ID")],
    old: Annotated[str, typer.Argument(help="A label, such as v1.", metavar="A")],
    new: Annotated[str, typer.Argument(help="A label, such as v2.", metavar="B")],
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two versions of a prompt."""
    from roadworthy.cli import terminal
    from roadworthy.prompts import diff as compare

    found = _load(place)[1].get(prompt)
    text = compare(found.version(old), found.version(new))
    if as_json:
        terminal.print_json({"id": prompt, "old": old, "new": new, "diff": text})
        return
    for line in text.splitlines() or ["The two versions are the same."]:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        terminal.say(terminal.clean(line, lines=True), style=style)


def _load(place: Place) -> "tuple[Settings, Prompts]":
    from roadworthy.cli.project import load_settings
    from roadworthy.prompts import load_prompts

    settings = load_settings(place)
    return settings, load_prompts(settings.path(settings.project.prompts_dir))


def _served(settings: "Settings", prompt_id: str) -> str | None:
    chosen = settings.prompts.get(prompt_id)
    return chosen.version if chosen else None


def _row(
    settings: "Settings", version: "Version", latest: str, release: "Release | None" = None
) -> dict[str, Any]:
    from roadworthy.cli.releases import shares_text

    serves = version.label == (_served(settings, version.prompt_id) or latest)
    if release is not None:
        serves = any(arm.content_hash == version.content_hash for arm in release.arms)
    return {
        "id": version.prompt_id,
        "label": version.label,
        "serves": serves,
        "release": shares_text(release.arms) if release is not None and serves else None,
        "route": settings.route_for(version.prompt_id) or version.settings.route,
        "inputs": sorted(version.inputs),
        "content_hash": version.content_hash,
        "description": version.description,
    }
