"""`docs/releases.md` works as it is written: its commands print what the page shows."""

import sys

import pytest

from roadworthy.cli import project


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Where the page's files go, and what commands leave behind in this process."""
    (tmp_path / "prompts" / "reply").mkdir(parents=True)
    monkeypatch.setenv("ROADWORTHY_ENV", "development")
    known, load_app = list(sys.path), project.load_app

    def load(place, **overrides):
        """Each command is a process of its own, which imports the project anew."""
        sys.modules.pop("desk", None)
        app = load_app(place, **overrides)
        monkeypatch.setenv("ROADWORTHY_ENV", "development")
        return app

    monkeypatch.setattr(project, "load_app", load)
    yield tmp_path
    sys.path[:] = known


def test_every_command_prints_what_the_page_shows(folders, shown_and_real, fits):
    """In the order of the page, in a project of its own files."""
    found = shown_and_real("releases.md")
    assert len(found) == 10
    for command, shown, real in found:
        assert fits(shown, real), f"{command}\n{real}"
