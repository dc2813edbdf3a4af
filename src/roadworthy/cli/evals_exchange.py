"""How `evals import` and `evals export` read and write files of other tools."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.cli.command import Place
from roadworthy.cli.terminal import clean, say

if TYPE_CHECKING:
    from roadworthy.evals.case import Case
    from roadworthy.evals.exchange import Columns, Format, Imported

_SHOWN = 5


def import_(
    place: Place,
    name: str,
    file: Path,
    form: str | None,
    *,
    columns: Sequence[str],
    tags: Sequence[str],
    keep_going: bool,
    dry_run: bool,
) -> None:
    """Add the cases of a file to a suite."""
    from roadworthy.cli.eval_suite import suite_at
    from roadworthy.errors import ConfigurationError
    from roadworthy.evals import dataset
    from roadworthy.evals import exchange as exchanged

    suite = suite_at(place, name)
    read = exchanged.import_(file, _form(form, file), _columns(columns))
    if read.faults and not keep_going:
        said = " ".join(map(str, read.faults[:_SHOWN]))
        raise ConfigurationError(f"{len(read.faults)} cases cannot be read: {said}", hint="--keep-going")
    known = (
        {one.id: one for one in dataset.read(suite.cases_file).cases} if suite.cases_file.is_file() else {}
    )
    fresh, there = _fresh(read.cases, known, tags)
    if fresh and not dry_run:
        dataset.append(suite.cases_file, fresh)
    say(f"{'Would add' if dry_run else 'Added'} {len(fresh)} cases to {name}.")
    if there:
        say(f"{there} are there already.")
    _told(read)


def _fresh(
    cases: "Sequence[Case]", known: "Mapping[str, Case]", tags: Sequence[str]
) -> "tuple[list[Case], int]":
    """Cases that are new, and how many are there already. Raises `StateConflict` for an id that is taken."""
    from roadworthy.errors import StateConflict

    fresh: list[Case] = []
    there = 0
    for case in cases:
        tagged = replace(case, tags=tuple(dict.fromkeys((*case.tags, *tags))), line=0)
        other = known.get(case.id)
        if other is None:
            fresh.append(tagged)
        elif (other.inputs, other.expected) == (case.inputs, case.expected):
            there += 1
        else:
            raise StateConflict(
                f"The suite has another case {case.id!r}.", hint="Give one of them another id."
            )
    return fresh, there


def _told(read: "Imported") -> None:
    for fault in read.faults[:_SHOWN]:
        say(f"Left out: {clean(fault)}", style="yellow")
    for what, often in read.left.items():
        say(f"Not taken over: {clean(what)} ({often}).", style="yellow")
    if read.evaluators:
        say("Its evaluators, for suite.toml:")
        for one in read.evaluators:
            lines = [f"{name} = {_toml(value)}" for name, value in one.items()]
            say(clean("\n".join(["[[evaluators]]", *lines]), lines=True))
        if any(str(one.get("evaluator", "")).startswith("MODULE:") for one in read.evaluators):
            say("In the place of MODULE goes the module of the project that the class stands in.")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))} = {_toml(inner)}" for key, inner in value.items())  # type: ignore[misc]
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"  # type: ignore[arg-type]
    return json.dumps(value, ensure_ascii=False)


def export(place: Place, name: str, file: Path | None, form: str | None) -> None:
    """Write a suite's data set for another tool."""
    from roadworthy.cli.eval_suite import suite_at
    from roadworthy.evals import dataset
    from roadworthy.evals import exchange as exchanged

    suite = suite_at(place, name)
    cases = dataset.read(suite.cases_file).cases
    written = exchanged.export(cases, suite.settings, _form(form, file), name)
    if file is None:
        sys.stdout.write(written.text)
    else:
        file.write_text(written.text, encoding="utf-8")
        say(f"Wrote {len(cases)} cases to {file}.")
    for what in written.left:
        say(f"Not written: {clean(what)}.", style="yellow", errors=True)


def _form(said: str | None, file: Path | None) -> "Format":
    from roadworthy.cli import choice
    from roadworthy.errors import InvalidInput
    from roadworthy.evals.exchange import Format

    if said is not None:
        return choice.one_of(Format, said, "--format")
    found = Format.of(file) if file is not None else Format.JSONL
    if found is None:
        known = ", ".join(one.value for one in Format)
        raise InvalidInput(f"What is in {str(file)!r}?", hint=f"Say --format: {known}.")
    return found


def _columns(given: Sequence[str]) -> "Columns":
    from roadworthy.errors import InvalidInput
    from roadworthy.evals.exchange import Columns

    pairs = [one.partition("=") for one in given]
    for name, _, column in pairs:
        if not name or not column:
            raise InvalidInput(f"--column is NAME=COLUMN, not {name!r}.")
    return Columns({name: column for name, _, column in pairs})
