"""The reference of the settings is what the code says; run this file to write it anew."""

from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from roadworthy.settings import Sections

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"

OPENING = """# Settings

`roadworthy.toml` in the project's folder; `roadworthy.<environment>.toml` beside it is laid over it. The
environment is `--environment`, else `ROADWORTHY_ENV`, else `development`. Any key can be set by an
environment variable: `ROADWORTHY__DATABASE__URL` is `database.url`. In any text, `${NAME}` stands for an
environment variable and `${NAME:-default}` for one with a default. Unknown keys are refused. Secrets are
never written into these files: name their variable (`api_key_env`) or file (`api_key_file`). `roadworthy
config check` explains every fault with file and line.
"""


def render() -> str:
    """The whole document."""
    parts = [OPENING]
    for name, field in Sections.model_fields.items():
        section, keyed = section_of(field.annotation)
        if section is None:
            continue
        parts.append(f"## `[{name}{'.<name>' if keyed else ''}]`\n")
        parts.extend(table(section))
        for inner, outer, kind in nested(section, f"{name}{'.<name>' if keyed else ''}"):
            parts.append(f"### `{inner}` of `[{outer}]`\n")
            parts.extend(table(kind))
    return "\n".join(parts)


def table(section: type[BaseModel]) -> list[str]:
    """The rows of one section."""
    rows = ["| key | default | what it is |", "|---|---|---|"]
    for key, field in section.model_fields.items():
        rows.append(f"| `{key}` | {default_of(field)} | {' '.join((field.description or '').split())} |")
    return [*rows, ""]


def default_of(field: Any) -> str:
    """The default as one would write it in TOML."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def section_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section's class, and whether it is one of several by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    found = [one for one in leaves(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    return (found[0], True) if found else (None, False)


def nested(section: type[BaseModel], outer: str) -> list[tuple[str, str, type[BaseModel]]]:
    """Sections within a section, and within those; each with its key and where that stands."""
    found: list[tuple[str, str, type[BaseModel]]] = []
    for key, field in section.model_fields.items():
        for one in [field.annotation, *leaves(field.annotation)]:
            if isinstance(one, type) and issubclass(one, BaseModel):
                found.append((key, outer, one))
                named = ".<name>" if get_origin(field.annotation) is dict else ""
                found.extend(nested(one, f"{outer}.{key}{named}"))
                break
    return found


def leaves(annotation: Any) -> list[Any]:
    """The types inside a generic or a union."""
    if get_origin(annotation) is None:
        return []
    return [leaf for one in get_args(annotation) for leaf in (leaves(one) or [one])]


def test_the_reference_of_the_settings_is_what_the_code_says() -> None:
    """Every key with its default and meaning, from the descriptions in the code."""
    assert DOCUMENT.read_text() == render(), "Run: .venv/bin/python tests/unit/settings/test_docs.py"


if __name__ == "__main__":
    DOCUMENT.write_text(render())
