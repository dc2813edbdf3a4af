"""The reference of evaluators in `docs/evals.md` is what the code says; run this file to write it anew."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from roadworthy.evals.evaluators import KINDS
from roadworthy.evals.evaluators.settings import Common, Wanting

DOCUMENT = Path(__file__).parents[3] / "docs" / "evals.md"
BEGIN, END = "<!-- evaluators -->\n", "<!-- end of evaluators -->\n"


def render() -> str:
    """The reference: what all take, what those take that compare, and each kind with its own keys."""
    parts = ["### What every evaluator takes\n", *table(Common, ())]
    parts += ["### What those take that compare\n"]
    comparing = [f"`{name}`" for name, kind in KINDS.items() if issubclass(kind, Wanting)]
    parts += [f"{', '.join(comparing)}:\n", *table(Wanting, Common.model_fields)]
    for name, kind in KINDS.items():
        above = Wanting if issubclass(kind, Wanting) else Common
        summary = re.sub(r'^`kind = "[\w-]+"`: ', "", " ".join((kind.__doc__ or "").split()))
        parts += [f"### `{name}`\n", summary[0].upper() + summary[1:] + "\n"]
        known = {**above.model_fields, "kind": None}
        if changed := kind.model_fields["field"].get_default() != Common.model_fields["field"].get_default():
            known.pop("field")
        if changed or kind.model_fields.keys() - known:
            parts += table(kind, known)
        for key, inner in nested(kind):
            parts += [f"Each table of {key}:\n", *table(inner, ())]
    return "\n".join(parts)


def table(section: type[BaseModel], known: Any) -> list[str]:
    """The rows of the keys that are not known yet."""
    rows = ["| key | default | what it is |", "|---|---|---|"]
    for key, field in section.model_fields.items():
        if key not in known:
            rows.append(f"| `{key}` | {default_of(field)} | {' '.join((field.description or '').split())} |")
    return [*rows, ""]


def default_of(field: Any) -> str:
    """The default as one would write it in TOML."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        pairs = ", ".join(f'{key} = "{one}"' for key, one in value.items())
        return f"`{{ {pairs} }}`"
    if isinstance(value, list):
        return f"`{json.dumps(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def nested(kind: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """The tables within a kind, each once, with the keys under which they stand."""
    found: dict[type[BaseModel], list[str]] = {}
    for key, field in kind.model_fields.items():
        for one in getattr(field.annotation, "__args__", ()):
            if isinstance(one, type) and issubclass(one, BaseModel):
                found.setdefault(one, []).append(f"`{key}`")
    return [(" and ".join(keys), one) for one, keys in found.items()]


def test_the_reference_of_evaluators_is_what_the_code_says():
    """Every kind, every key with its default and meaning, from the descriptions in the code."""
    page = DOCUMENT.read_text(encoding="utf-8")
    assert page.split(BEGIN)[1].split(END)[0] == render(), (
        "Run: .venv/bin/python tests/unit/evals/test_docs.py"
    )


if __name__ == "__main__":
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
    DOCUMENT.write_text(before + BEGIN + render() + END + rest.split(END)[1], encoding="utf-8")
