"""`roadworthy config`: what is wrong with a project, and what its settings come to."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.errors import Fault
    from roadworthy.settings import Settings

group = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@command(group)
def check(place: Place, as_json: JsonOption = False) -> int:
    """Name everything that is wrong: settings, prompts, code, missing keys and model files; exit code 1 then.

    What is allowed and unwise is a warning and changes no exit code. Providers of OpenID Connect are asked
    who they are; one that cannot be reached from here is a warning, too.
    """
    from roadworthy.cli import terminal

    faults, warnings = _look(place)
    if as_json:
        terminal.print_json(
            {"ok": not faults, "faults": [_as_json(one) for one in faults], "warnings": warnings}
        )
        return 1 if faults else 0
    for fault in faults:
        terminal.say(f"error: {terminal.clean(fault)}")
    for warning in warnings:
        terminal.say(f"warning: {terminal.clean(warning)}")
    if not faults:
        terminal.say("The project is in order." if not warnings else "No faults.")
    return 1 if faults else 0


@command(group)
def show(place: Place, as_json: JsonOption = False) -> None:
    """Show the settings as they are in effect here; secrets are masked."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import load_settings

    settings = load_settings(place)
    values = settings.model_dump(mode="json")
    if as_json:
        terminal.print_json(values)
        return
    for key, value in _flat(values):
        terminal.say(terminal.clean(f"{key} = {json.dumps(value, ensure_ascii=False)}"))


def _look(place: Place) -> "tuple[list[Fault], list[str]]":
    """Faults and warnings; each part is looked at that the faults before it still let us see."""
    from roadworthy.cli.models import unusable
    from roadworthy.cli.project import load_settings
    from roadworthy.errors import Fault, PromptError, SettingsError
    from roadworthy.models import Models
    from roadworthy.prompts import load_prompts

    try:
        settings = load_settings(place)
    except SettingsError as error:
        return list(error.faults), []
    sys.path.insert(0, str(settings.root))
    faults: list[Fault] = []
    models = Models(settings)
    warnings = models.warnings()
    asked = {name for route in settings.routes.values() for name in route.models}
    missing = settings.missing_secrets()
    missing += [Fault(why, key=f"models.{name}") for name, why in unusable(settings, models)]
    for fault in missing:
        if fault.key.split(".")[1] in asked:
            faults.append(fault)
        else:
            warnings.append(str(fault))
    wrong, silent = asyncio.run(_providers(settings))
    faults += wrong
    warnings += silent
    try:
        load_prompts(settings.path(settings.project.prompts_dir))
    except PromptError as error:
        given = error.details.get("faults", ())
        faults += [Fault(**one) for one in given] or [Fault(error.message)]
    else:
        faults += _code_faults(place)
    return faults, warnings


async def _providers(settings: "Settings") -> "tuple[list[Fault], list[str]]":
    """What is wrong with the providers of OpenID Connect, and which of them cannot be asked from here."""
    from roadworthy.access.openid import Misconfigured, Provider, Trouble
    from roadworthy.errors import Fault, SettingsError
    from roadworthy.records import SystemClock

    faults: list[Fault] = []
    silent: list[str] = []
    for name, its in settings.access.openid.items():
        secret = partial(settings.client_secret, name)
        try:
            secret()
        except SettingsError as error:
            faults += error.faults
        provider = Provider(name, its, address="", secret=secret, clock=SystemClock())
        key = f"access.openid.{name}.issuer"
        try:
            await provider.document()
        except Misconfigured as trouble:
            faults.append(Fault(f"The sign-in provider {name!r} {trouble}.", key=key))
        except Trouble as trouble:
            silent.append(f"The sign-in provider {name!r} {trouble}.")
        finally:
            await provider.close()
    return faults, silent


def _code_faults(place: Place) -> "list[Fault]":
    from roadworthy.cli.project import load_app
    from roadworthy.errors import DatabaseError, Fault, RoadworthyError, SettingsError

    try:
        load_app(place).check()
    except SettingsError as error:
        return list(error.faults)
    except DatabaseError as error:
        return [Fault(str(error), key="database.url")]
    except RoadworthyError as error:
        return [Fault(str(error))]
    return []


def _as_json(fault: "Fault") -> dict[str, Any]:
    return {"message": fault.message, "file": fault.file, "line": fault.line, "key": fault.key}


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{above}.{name}" if above else name
        if isinstance(value, dict) and value:
            yield from _flat(cast("dict[str, Any]", value), key)
        elif value is not None:
            yield key, value
