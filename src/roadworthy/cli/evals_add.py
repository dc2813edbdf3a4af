"""How `evals add` and `evals card` get at what is on record."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.cli.command import Place
    from roadworthy.evals.growing import Draft, Grown, Target
    from roadworthy.evals.suite import Suite
    from roadworthy.records import Json

_MOST_FAILURES = 1000

Asked = tuple[str, str | None, str, int]
"""What kind of record, its id, and for failures since when and how many."""


def asked(given: Mapping[str, str | None], *, from_failures: bool, since: str, limit: int) -> Asked:
    """What a command asks for. Raises `InvalidInput` unless it is one thing."""
    from roadworthy.errors import InvalidInput

    said = [(kind, record_id) for kind, record_id in given.items() if record_id is not None]
    if len(said) + from_failures != 1:
        options = ", ".join(f"--from-{kind} ID" for kind in given)
        raise InvalidInput(f"Say where cases come from, once: {options} or --from-failures.")
    return (*said[0], since, limit) if said else ("failures", None, since, limit)


async def add(
    place: "Place",
    suite: "Suite",
    asked: Asked,
    *,
    tags: Sequence[str],
    expected: Any,
    near_too: bool,
    dry_run: bool,
) -> "Grown":
    """Add cases to the suite's file; the audit log has it, for they take content out of the records."""
    from roadworthy.audit import Action
    from roadworthy.cli.project import records
    from roadworthy.evals import dataset
    from roadworthy.evals.growing import grow

    known = dataset.read(suite.cases_file).cases if suite.cases_file.is_file() else ()
    async with records(place) as app:
        drafts = await _drafts(app, _target(app, suite), asked)
        scrub = app.telemetry.scrubber.scrub
        grown = grow(known, drafts, scrub=scrub, tags=tags, expected=expected, near_too=near_too)
        if grown.cases and not dry_run:
            sources: list[Json] = [one.source for one in grown.cases]
            await app.audit.record(Action.CASE_ADDED, suite.name, detail={"sources": sources})
            dataset.append(suite.cases_file, grown.cases)
    return grown


async def failures(place: "Place", suite: "Suite", since: str) -> "list[Draft]":
    """What went wrong in production; nothing for a function."""
    from roadworthy.cli.project import records

    if suite.target[0] == "function":
        return []
    async with records(place) as app:
        return await _drafts(app, _target(app, suite), ("failures", None, since, _MOST_FAILURES))


def _target(app: "App", suite: "Suite") -> "Target":
    from roadworthy.errors import InvalidInput
    from roadworthy.evals.growing import Target

    kind, name = suite.target
    if kind == "function":
        raise InvalidInput(f"Suite {suite.name!r} evaluates a function, of which nothing is on record.")
    return Target(kind, name, app.settings.environment)


async def _drafts(app: "App", target: "Target", asked: Asked) -> "list[Draft]":
    from roadworthy.cli import choice
    from roadworthy.evals import growing

    kind, record_id, since, limit = asked
    if record_id is None:
        since_ms = choice.moment_ms(since, app.clock.now_ms(), "--since")
        return await app.database.read(lambda tx: growing.of_failures(tx, target, since_ms, limit))
    found = await choice.record_id(app, record_id, kind)
    read: Mapping[str, Callable[..., list[Draft]]] = {
        "run": growing.of_run,
        "call": growing.of_call,
        "review": growing.of_review,
        "feedback": growing.of_feedback,
    }
    return await app.database.read(lambda tx: read[kind](tx, target, found))
