"""What the runs of a drill are given: a file, the project's own last runs, or samples of the signature.

The project's database is only read. Answers that its models gave before are read with it: where the same
request comes again in the drill, the simulated model says what the real one said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from roadworthy.app import App
from roadworthy.calls.sample import sample
from roadworthy.db import Database, unpack
from roadworthy.db.tables.workflows import run_payloads, runs, step_payloads, steps
from roadworthy.errors import InvalidInput, RoadworthyError
from roadworthy.prompts import render
from roadworthy.workflows.batch import read_items

_MOST_INPUTS = 500
_MOST_ANSWERS = 1000


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs for the runs, and where they are from."""

    values: tuple[dict[str, Any], ...]
    source: str
    """In words: `tickets.jsonl`, `the last 24 runs on record`, `samples of the signature`."""
    made_up: bool = False
    """Whether they fit the signature and nothing else."""


def from_file(file: Path, fields: Mapping[str, str]) -> Inputs:
    """The lines of a JSONL or CSV file. Raises `InvalidInput` when it has none that can be used."""
    found: list[dict[str, Any]] = []
    for _, line in read_items(file):
        if isinstance(line, dict):
            given = cast("dict[str, Any]", line)
            found.append({name: given.get(field) for name, field in fields.items()} if fields else given)
    if not found:
        raise InvalidInput(
            f"No line of {file.name!r} is an object of named values.", hint="Write one JSON object a line."
        )
    return Inputs(tuple(found), file.name)


def on_record(app: App, workflow: str) -> Inputs | None:
    """The inputs of the workflow's last runs; None when there are none, or the database cannot be read."""

    def look(tx: sa.Connection) -> list[Any]:
        query = (
            sa.select(run_payloads.c.input)
            .join(runs, runs.c.id == run_payloads.c.run_id)
            .where(runs.c.workflow == workflow)
            .order_by(runs.c.created_at.desc())
            .limit(_MOST_INPUTS)
        )
        return [unpack(packed) for packed in tx.execute(query).scalars()]

    found = [cast("dict[str, Any]", one) for one in _read(app, look) if isinstance(one, dict)]
    if not found:
        return None
    return Inputs(tuple(found), f"the last {len(found)} runs on record")


def sampled(app: App, workflow: str) -> Inputs:
    """The plainest input that fits, and some that fit and mean nothing."""
    schema = app.runs.workflow(workflow).signature.input_schema()
    plain = sample(schema)
    others = [sample(schema, seed=str(number)) for number in range(1, 10)]
    return Inputs((plain, *others), "samples of the signature", made_up=True)


def answers_on_record(app: App, workflow: str) -> dict[str, Any]:
    """What models answered before, by the text that they were asked; a request's last message of a user."""

    def look(tx: sa.Connection) -> list[tuple[Any, Any]]:
        query = (
            sa.select(step_payloads.c.input, step_payloads.c.output)
            .join(steps, steps.c.id == step_payloads.c.step_id)
            .join(runs, runs.c.id == steps.c.run_id)
            .where(runs.c.workflow == workflow, steps.c.kind == "call", steps.c.status == "succeeded")
            .order_by(steps.c.started_at.desc())
            .limit(_MOST_ANSWERS)
        )
        return [(unpack(given), unpack(output)) for given, output in tx.execute(query) if output is not None]

    found: dict[str, Any] = {}
    for given, output in _read(app, look):
        asked = _asked(app, given)
        answer = _mapping(_mapping(output).get("value"))
        if asked is not None and answer.get("attempts"):
            found.setdefault(asked, answer.get("value"))
    return found


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _asked(app: App, given: Any) -> str | None:
    """The text that the present version of a prompt makes of these inputs."""
    prompt, inputs = _mapping(given).get("prompt"), _mapping(given).get("inputs")
    if not isinstance(prompt, str) or not isinstance(inputs, dict):
        return None
    try:
        rendered = render(app.version(prompt.partition("@")[0]), cast("dict[str, Any]", inputs))
    except RoadworthyError:
        return None  # the prompt has changed since
    return next((text for role, text in reversed(rendered.messages) if role == "user"), None)


def _read(app: App, look: Any) -> list[Any]:
    """What `look` finds in the project's own database; nothing where there is none that can be read."""
    url = app.settings.database.url
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).exists():
        return []
    database = Database(url, pool_size=1, patience_seconds=2.0)
    try:
        return database.read_now(look)
    except (RoadworthyError, SQLAlchemyError):
        return []
    finally:
        database.close()
