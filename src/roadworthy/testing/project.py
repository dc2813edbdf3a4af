"""Finds the app of a project, as a test needs it: with its workflows, and on a database of its own."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from roadworthy.app import App
from roadworthy.errors import ConfigurationError
from roadworthy.settings import Settings


def find_app(root: Path) -> App:
    """The app that the project's modules made; they are imported unless a test has done that already.

    Raises:
        ConfigurationError: No module of the project makes an app.
        SettingsError: The project's settings are not usable.
    """
    root = root.resolve()
    for app in _apps_of(list(sys.modules.values()), root):
        return app
    settings = Settings.load(root)
    files = [root / name for name in settings.project.workflows] or sorted(root.glob("*.py"))
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    for file in files:
        if "App.load(" in file.read_text(encoding="utf-8"):
            for app in _apps_of([_imported(file)], root):
                return app
    hint = "One of its modules has to say `app = App.load(__file__)`; name it in [project] workflows."
    raise ConfigurationError(f"No app was found in the project {str(root)!r}.", hint=hint)


def on_database(settings: Settings, path: Path) -> Settings:
    """The settings with another SQLite database."""
    database = settings.database.model_copy(update={"url": f"sqlite:///{path}"})
    return settings.model_copy(update={"database": database})


def on_provider(settings: Settings, names: list[str], base_url: str) -> Settings:
    """The settings with these models served by a simulated provider; without key and special options."""
    models = dict(settings.models)
    for name in names:
        change: dict[str, Any] = {
            "provider": "simulated",
            "model": models[name].model or name,
            "base_url": base_url,
            "api_key_env": None,
            "api_key_file": None,
            "options": {},
        }
        models[name] = models[name].model_copy(update=change)
    return settings.model_copy(update={"models": models})


def _apps_of(modules: list[ModuleType], root: Path) -> Iterator[App]:
    for module in modules:
        file = getattr(module, "__file__", None)
        if file and root in Path(file).parents:
            yield from (value for value in vars(module).values() if isinstance(value, App))


def _imported(file: Path) -> ModuleType:
    """The module in a file, under its plain name, so that the project's own imports find the same one."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"The file {str(file)!r} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[file.stem]
        raise
    return module
