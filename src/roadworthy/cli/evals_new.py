"""A new suite: its folder, its settings with what they mean, and a first case."""

import json
from pathlib import Path
from typing import Any

from roadworthy.cli.command import Place

_TEXT = """\
# What is evaluated, on which cases, by whom, and how good it has to be. Every key: docs/evals.md
description = ""
{target}
min_pass = 0.9                 # the share of cases like these that has to pass
# budget_usd = 1.0             # what one experiment may cost

# [tags]
# must-refuse = 1.0            # the share of this data set's cases with a tag that has to pass

[[evaluators]]
kind = "not_empty"             # there is an answer; with `field`, a part of it

# [[evaluators]]
# kind = "exact"               # the same as the case's `expected`, at the same place
# field = "outcome"
"""
_PLACEHOLDERS: dict[str, Any] = {
    "int": 1,
    "float": 1.0,
    "bool": True,
    "date": "2026-01-31",
    "list": [],
    "object": {},
}


def make(place: Place, name: str, *, prompt: str | None, workflow: str | None, function: str | None) -> Path:
    """Make it. Raises `InvalidInput` for what cannot be a name, `StateConflict` where it is there."""
    from roadworthy.cli.project import find_root
    from roadworthy.errors import InvalidInput, StateConflict
    from roadworthy.evals.suite import FILE, FOLDER, load_suite

    if len([one for one in (prompt, workflow, function) if one is not None]) > 1:
        raise InvalidInput("A suite evaluates one thing: a prompt, a workflow or a function.")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise InvalidInput(f"{name!r} cannot be the name of a suite.", hint="Use letters, digits, - and _.")
    folder = find_root(place) / FOLDER / name
    if folder.exists():
        raise StateConflict(f"There is {FOLDER}/{name} already.")
    given = {"prompt": prompt, "workflow": workflow, "function": function}
    target = next((f"{kind} = {json.dumps(said)}" for kind, said in given.items() if said is not None), None)
    folder.mkdir(parents=True)
    text = _TEXT.format(target=target or f'prompt = "{name}"')
    (folder / FILE).write_text(text, encoding="utf-8")
    first = {"id": "first", "inputs": _inputs(place, prompt or name), "expected": None, "tags": ["common"]}
    if workflow or function:
        first["inputs"] = {}
    (folder / "cases.jsonl").write_text(json.dumps(first, ensure_ascii=False) + "\n", encoding="utf-8")
    load_suite(folder)
    return folder


def _inputs(place: Place, prompt_id: str) -> dict[str, Any]:
    """The inputs of a prompt with something in each; nothing for a prompt that is not there yet."""
    from roadworthy.cli.project import load_settings
    from roadworthy.errors import NotFound
    from roadworthy.prompts import load_prompts

    settings = load_settings(place)
    try:
        version = load_prompts(settings.path(settings.project.prompts_dir)).get(prompt_id).version(None)
    except NotFound:
        return {}
    return {
        name: _PLACEHOLDERS.get(spec.type, "…") for name, spec in version.inputs.items() if not spec.optional
    }
