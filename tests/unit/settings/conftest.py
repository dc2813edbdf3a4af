"""A folder with settings files to load, in an environment without variables of ours."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadworthy.errors import Fault, SettingsError
from roadworthy.settings import Settings

KEY_VARIABLES = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "GOOGLE_API_KEY")


class Project:
    """A project in the current folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, text: str, name: str = "roadworthy.toml") -> Path:
        """Put a settings file there, without the line break that a test's text begins with."""
        path = self.root / name
        path.write_text(text.removeprefix("\n"), "utf-8")
        return path

    def load(self, text: str = "", environment: str | None = None, **overrides: Any) -> Settings:
        """Write the settings file and load it."""
        self.write(text)
        return Settings.load(self.root, environment, overrides)

    def faults(
        self, text: str | None = None, environment: str | None = None, **overrides: Any
    ) -> tuple[Fault, ...]:
        """Every fault of a settings file that must have some."""
        if text is not None:
            self.write(text)
        with pytest.raises(SettingsError) as caught:
            Settings.load(self.root, environment, overrides)
        assert caught.value.__cause__ is None
        return caught.value.faults

    def complaints(
        self, text: str | None = None, environment: str | None = None, **overrides: Any
    ) -> list[str]:
        """The faults as a person reads them."""
        return [str(fault) for fault in self.faults(text, environment, **overrides)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project that is the current folder."""
    for name in list(os.environ):
        if name.startswith("ROADWORTHY_") or name in KEY_VARIABLES:
            monkeypatch.delenv(name)
    root = tmp_path / "desk"
    root.mkdir()
    monkeypatch.chdir(root)
    return Project(root)


@pytest.fixture
def setenv(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Set a variable for the length of a test."""
    return monkeypatch.setenv
