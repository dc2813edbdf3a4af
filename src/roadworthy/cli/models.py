"""`roadworthy models`: what the settings name, and whether it can be asked from here."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.models import Models, Target
    from roadworthy.models.life import Life, Refusal
    from roadworthy.settings import Settings

group = typer.Typer(help="List and check models.", no_args_is_help=True)

_TINY_TIMEOUT_SECONDS = 60.0
_TINY_TOKENS = 16


@command(group, "list")
def list_(place: Place, as_json: JsonOption = False) -> None:
    """List the models: provider, name, whether it is pinned, its price is known, and its key is there.

    `life` says what the price list and the settings know of its end; `models check` also asks the records.
    """
    from roadworthy.cli import terminal
    from roadworthy.models import Models
    from roadworthy.models.life import lives
    from roadworthy.records import SystemClock

    settings, _ = _load(place)
    models = Models(settings)
    targets = [models.target(name) for name in settings.models]
    known = lives(targets, SystemClock().now_ms())
    missing = {fault.key.split(".")[1] for fault in settings.missing_secrets()}
    rows = [_row(settings, *one, missing) for one in zip(targets, known, strict=True)]
    if as_json:
        terminal.print_json({"models": rows})
        return
    if not rows:
        terminal.say("No models. Add one to roadworthy.toml: [models.<name>] with provider and model.")
        return
    columns = ("model", "provider", "name at the provider", "pinned", "life", "price", "key", "routes")
    made = terminal.table(*columns)
    for row in rows:
        made.add_row(
            terminal.clean(row["name"]),
            row["provider"],
            terminal.clean(row["model"]),
            "yes" if row["pinned"] else "no",
            _life(row),
            row["price"],
            row["key"],
            terminal.listing(row["routes"]),
        )
    terminal.show(made)


@command(group)
async def check(
    place: Place,
    live: Annotated[
        bool, typer.Option("--live", help="Send one tiny request to each; it may cost a fraction of a cent.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Check that each model can be used here: key, file, function, package; --live also asks it.

    A model that is retired, by the settings or the price list, is an error; one that is about to be, or that
    its provider did not know in the last 7 days, is a warning.
    """
    from roadworthy.cli import terminal
    from roadworthy.models import Models
    from roadworthy.models.life import lives
    from roadworthy.records import SystemClock

    settings, warnings = _load(place)
    models = Models(settings)
    targets = [models.target(name) for name in settings.models]
    warnings += models.warnings()
    known = lives(targets, SystemClock().now_ms(), await _refusals(place, warnings))
    warnings += [life.warning for life in known if life.warning is not None]
    try:
        rows = [await _check(target, life, live=live) for target, life in zip(targets, known, strict=True)]
    finally:
        await models.close()
    if as_json:
        terminal.print_json({"models": rows, "warnings": warnings})
    else:
        made = terminal.table("model", "state", "life", "seconds", "what", right=("seconds",))
        for row in rows:
            state = terminal.styled("ok" if row["ok"] else "error")
            made.add_row(
                terminal.clean(row["name"]),
                state,
                _life(row),
                terminal.seconds(row["seconds"]),
                terminal.clean(row["what"]),
            )
        terminal.show(made)
        for warning in warnings:
            terminal.say(f"warning: {terminal.clean(warning)}")
    return 0 if all(row["ok"] for row in rows) else 1


def _load(place: Place) -> "tuple[Settings, list[str]]":
    """The settings; functions of the project can be imported from now on."""
    from roadworthy.cli.project import load_settings

    settings = load_settings(place)
    sys.path.insert(0, str(settings.root))
    return settings, []


async def _refusals(place: Place, warnings: list[str]) -> "list[Refusal]":
    """Models that their provider did not know of late; a database that cannot be read is a warning."""
    from roadworthy.cli.project import records
    from roadworthy.errors import DatabaseError, SchemaError
    from roadworthy.models.life import REFUSALS_DAYS, refusals

    try:
        async with records(place) as app:
            since_ms = app.clock.now_ms() - REFUSALS_DAYS * 86_400_000
            environment = app.settings.environment
            return await app.database.read(lambda tx: refusals(tx, since_ms, environment=environment))
    except (DatabaseError, SchemaError) as error:
        warnings.append(f"What providers answered of late is not known: {error}")
        return []


def _life(row: dict[str, Any]) -> str:
    """How long the model will be there, for a table."""
    return f"{row['life']} {row['retires_on']}" if row["retires_on"] else row["life"]


def _row(settings: "Settings", target: "Target", life: "Life", missing: set[str]) -> dict[str, Any]:
    from roadworthy.models import is_floating, price
    from roadworthy.records import SystemClock, Usage

    needs_key = target.settings.key_variable is not None or target.settings.api_key_file is not None
    return {
        "name": target.name,
        "provider": target.provider,
        "model": target.model,
        "region": target.region,
        "pinned": not is_floating(target.provider, target.settings.model),
        **_document(life),
        "price": price(target, Usage(1000, 1000), SystemClock().now_ms()).source,
        "key": "missing" if target.name in missing else "present" if needs_key else "none needed",
        "routes": [name for name, route in settings.routes.items() if target.name in route.models],
    }


def _document(life: "Life") -> dict[str, Any]:
    return {"life": life.state, "retires_on": life.retires_on.isoformat() if life.retires_on else None}


async def _check(target: "Target", life: "Life", *, live: bool) -> dict[str, Any]:
    from roadworthy.errors import ProviderError
    from roadworthy.models import Message, Request
    from roadworthy.records import SystemClock

    clock = SystemClock()
    began = clock.monotonic()
    what, kind = "ready", None
    try:
        await target.prepare()
        if live and target.provider == "python":
            what = "ready; a function is not asked, it expects a prompt's inputs"
        elif live:
            tiny = Request((Message("user", "Say ok."),), _TINY_TIMEOUT_SECONDS, max_tokens=_TINY_TOKENS)
            response = await target.request(tiny)
            what = f"answered as {response.model}, {response.usage.total_tokens} tokens"
    except ProviderError as error:
        what, kind = str(error), error.kind.value
    if life.state == "retired":
        what = f"retired; {what}"
    return {
        "name": target.name,
        "ok": kind is None and life.state != "retired",
        "seconds": clock.monotonic() - began,
        "what": what,
        "kind": kind,
        **_document(life),
    }


def unusable(settings: "Settings", models: "Models") -> list[tuple[str, str]]:
    """Models on this machine whose file or function is missing, without loading anything: name and why."""
    from roadworthy.errors import ProviderError
    from roadworthy.models.provider import Blueprint, Shared
    from roadworthy.models.providers import local, python

    found: list[tuple[str, str]] = []
    for name, its in settings.models.items():
        blueprint = Blueprint(name=name, settings=its, root=settings.root, functions={}, shared=Shared())
        look = {"local": local.find_file, "python": python.make}.get(models.target(name).provider)
        try:
            if look is not None:
                look(blueprint)
        except ProviderError as error:
            found.append((name, str(error)))
    return found
