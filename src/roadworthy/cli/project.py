"""Finds the project that a command is for, and loads as much of it as the command needs.

settings()   roadworthy.toml only: works when the project's code or prompts are broken
records()    the database as well: what lists, shows, cancels and signals needs
app()        the code: every module that declares workflows is imported, and they share one App
"""

import getpass
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from roadworthy.errors import ConfigurationError, PromptError, SettingsError, did_you_mean

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.cli.command import Place
    from roadworthy.settings import Settings

_DECLARES = re.compile(rb"App\.load\b|^@\w+\.workflow\b", re.MULTILINE)
_CONNECT_PATIENCE_SECONDS = 2.0
_MOST_CONNECT_SECONDS = 5.0


def find_root(place: "Place") -> Path:
    """The project's folder. Raises `SettingsError` when there is none."""
    from roadworthy.settings import FILE_NAME
    from roadworthy.settings import find_root as nearest

    if place.folder is None:
        return nearest(Path.cwd())
    root = place.folder.expanduser().absolute()
    if not os.path.lexists(root / FILE_NAME):
        from roadworthy.errors import Fault

        raise SettingsError(
            [Fault(f"There is no {FILE_NAME} in {str(place.folder)!r}.")],
            hint="Give the folder of a project, or make one: roadworthy init",
        )
    return root.resolve()


def load_settings(place: "Place") -> "Settings":
    """The project's settings. Raises `SettingsError`."""
    from roadworthy.settings import Settings

    return Settings.load(find_root(place), environment=place.environment)


def load_app(place: "Place", **overrides: object) -> "App":
    """The project's app, with every workflow declared. `overrides` are settings by dotted key, `.` as `__`.

    Raises `ConfigurationError`, which says where, when a module cannot be imported or there is not one app.
    """
    settings = load_settings(place)
    if place.environment is not None:
        os.environ["ROADWORTHY_ENV"] = settings.environment
    for key, value in overrides.items():
        if value is not None:
            os.environ[f"ROADWORTHY__{key.upper()}"] = str(value)
    if place.debug:
        from roadworthy.telemetry.logs import configure
        from roadworthy.telemetry.scrubber import Scrubber

        configure(settings.telemetry, Scrubber())
    sys.path.insert(0, str(settings.root))
    modules = [_import(file, settings.root) for file in _files(settings)]
    app = _the_one_app(modules, settings.root)
    reach(settings)
    act_as_terminal()
    return app


@asynccontextmanager
async def records(place: "Place", *, with_prompts: bool = False) -> AsyncGenerator["App"]:
    """An app without the project's code: enough to look at records and to act on them."""
    from roadworthy.app import App
    from roadworthy.db import require_current, upgrade
    from roadworthy.prompts import Prompts, load_prompts

    settings = load_settings(place)
    reach(settings)
    act_as_terminal()
    folder = settings.path(settings.project.prompts_dir)
    app = App(settings, load_prompts(folder) if with_prompts else Prompts({}))
    try:
        if app.database.is_sqlite:
            upgrade(app.database)
        else:
            require_current(app.database)
        yield app
    finally:
        app.database.close()
        app.telemetry.close()


def user_name() -> str:
    """The operating system's name of who runs this program; empty where it does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def act_as_terminal() -> None:
    """Let what this command changes be recorded as done from the command line, by this user."""
    from roadworthy.audit import Actor, ActorKind, act_as

    act_as(Actor(ActorKind.TERMINAL, user_name(), user_name()))


def reach(settings: "Settings") -> None:
    """See early whether a database server answers: a person does not wait as long as a worker does."""
    if settings.database.url.startswith("sqlite"):
        return
    from roadworthy.db import Database

    timeout = min(settings.database.connect_timeout_seconds, _MOST_CONNECT_SECONDS)
    probe = Database(
        settings.database.url,
        pool_size=1,
        connect_timeout_seconds=timeout,
        patience_seconds=_CONNECT_PATIENCE_SECONDS,
    )
    try:
        probe.read_now(lambda tx: tx.exec_driver_sql("SELECT 1").scalar())
    finally:
        probe.close()


def _files(settings: "Settings") -> list[Path]:
    """The modules to import: those that the settings name, else those that declare something."""
    here = sorted(path for path in settings.root.glob("*.py") if not path.name.startswith("_"))
    if settings.project.workflows:
        for name in settings.project.workflows:
            if not (settings.root / name).is_file():
                hint = did_you_mean(name, [path.name for path in here])
                raise ConfigurationError(f"[project] workflows: there is no file {name!r}.", hint=hint)
        return [settings.root / name for name in settings.project.workflows]
    return [path for path in here if _DECLARES.search(path.read_bytes())]


def _import(file: Path, root: Path) -> ModuleType:
    """The module in a file, under the name by which the project's own imports find it."""
    name = ".".join(file.resolve().relative_to(root.resolve()).with_suffix("").parts)
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) and Path(str(known.__file__)).resolve() == file.resolve():
            return known
        raise ConfigurationError(
            f"{file.name} cannot be imported: Python has another module {name!r}.", hint="Rename the file."
        )
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{file.name} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except (SettingsError, PromptError):
        raise
    except BaseException as error:
        del sys.modules[name]
        raise _unusable(error, file, root) from error
    return module


def _unusable(error: BaseException, file: Path, root: Path) -> ConfigurationError:
    """The error of a project's module, with the place in the project where it comes from."""
    where, line = file, 0
    for frame in traceback.extract_tb(error.__traceback__):
        if root in Path(frame.filename).parents:
            where, line = Path(frame.filename), frame.lineno or 0
    if isinstance(error, SyntaxError) and error.filename and root in Path(error.filename).parents:
        where, line = Path(error.filename), error.lineno or 0
    place = f"{where.relative_to(root)}:{line}" if line else str(where.relative_to(root))
    if isinstance(error, SyntaxError):
        return ConfigurationError(f"{place}: this is not valid Python: {error.msg}.")
    message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
    hint = getattr(error, "hint", "") or "Mend it; --debug shows the whole traceback."
    return ConfigurationError(f"{place}: {message}", hint=hint)


def _the_one_app(modules: list[ModuleType], root: Path) -> "App":
    found = {id(app): (app, name) for app, name in _apps(modules)}
    if len(found) > 1:
        names = ", ".join(sorted(name for _, name in found.values()))
        raise ConfigurationError(
            f"This project makes more than one App: {names}.",
            hint="Call App.load in one module and import its app in the others.",
        )
    if not found:
        raise ConfigurationError(
            f"No module in {str(root)!r} makes an App.",
            hint="Write `app = App.load(__file__)` in one, or name it in [project] workflows.",
        )
    return next(iter(found.values()))[0]


def _apps(modules: list[ModuleType]) -> Iterator[tuple["App", str]]:
    from roadworthy.app import App

    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, App):
                yield value, f"{module.__name__}.{name}"
