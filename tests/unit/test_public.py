"""What the package offers, what importing it costs, and what its documents promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import roadworthy
from roadworthy import errors

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_these() -> None:
    """Adding or removing a public name is a decision, so it has to change this list."""
    assert roadworthy.__all__ == [
        "Answer",
        "App",
        "ConfigurationError",
        "ConflictError",
        "DatabaseError",
        "Decision",
        "Handle",
        "InvalidAnswer",
        "InvalidInput",
        "LimitError",
        "NotFound",
        "ProviderError",
        "Rejected",
        "Retry",
        "RoadworthyError",
        "Run",
        "RunStatus",
        "Settings",
        "StepFailed",
        "StepTimeout",
        "TransportError",
        "Usage",
        "UserError",
        "skip",
    ]
    assert all(getattr(roadworthy, name) is not None for name in roadworthy.__all__)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    """The lazy loading of names hides no typing mistake."""
    assert not hasattr(roadworthy, "Appp")


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import roadworthy` loads neither engine nor providers nor database nor Pydantic."""
    heavy = (
        "dbos",
        "pydantic_ai",
        "openai",
        "anthropic",
        "sqlalchemy",
        "alembic",
        "pydantic",
        "rich",
        "jinja2",
    )
    code = f"import sys, roadworthy; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_loading_an_app_starts_neither_engine_nor_providers() -> None:
    """A command that executes nothing waits for no engine, provider library or migration tool."""
    heavy = (
        "dbos",
        "pydantic_ai",
        "openai",
        "anthropic",
        "alembic",
        "genai_prices",
        "opentelemetry.sdk",
        "xllamacpp",
    )
    code = (
        f"import sys; from roadworthy import App; print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    """The drawing that opens errors.py names every error, under its parent."""
    assert errors.__doc__ is not None
    drawn: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"([ │├└─]*)([A-Z][A-Za-z]+)(?:  |$)", line)
        if found is None:
            continue
        depth = len(found[1])
        path = [one for one in path if one[0] < depth]
        drawn[found[2]] = path[-1][1] if path else ""
        path.append((depth, found[2]))
    real = {
        name: value.__mro__[1].__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.RoadworthyError)
    }
    real["RoadworthyError"] = ""
    assert drawn == real


def test_every_error_has_a_code_of_its_own() -> None:
    """Programs tell errors apart by their code."""
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.RoadworthyError)
    ]
    codes = [value.code for value in classes]
    assert len(set(codes)) == len(codes)


def test_every_link_in_the_documents_leads_somewhere() -> None:
    """A reader who follows a relative link finds a file."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []
