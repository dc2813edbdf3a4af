"""Finds a suite of the project that a command is for."""

from typing import TYPE_CHECKING

from roadworthy.cli.command import Place

if TYPE_CHECKING:
    from roadworthy.evals.suite import Suite


def suite_at(place: Place, name: str) -> "Suite":
    """One suite of the project. Raises `NotFound`, `ConfigurationError`."""
    from roadworthy.cli.project import find_root
    from roadworthy.evals.suite import FILE, FOLDER, find, load_suite, load_suites

    root = find_root(place)
    folder = root / FOLDER / name
    # one suite is read alone, so that a mistake in another is no hindrance
    return load_suite(folder) if (folder / FILE).is_file() else find(load_suites(root), name)
