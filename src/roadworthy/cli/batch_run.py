"""Carries a batch out with a progress bar, and tells what became of its items."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from roadworthy.cli.command import INTERRUPTED, Place, interrupted
from roadworthy.cli.execution import alive, carry_out
from roadworthy.cli.project import load_app, records
from roadworthy.cli.terminal import clean, console, is_terminal, print_json, say, short_id, show, table
from roadworthy.errors import InvalidInput

if TYPE_CHECKING:
    from rich.progress import Progress

    from roadworthy.app import App
    from roadworthy.cli.batch_table import Columns
    from roadworthy.cli.execution import GoesOn
    from roadworthy.workflows import Run
    from roadworthy.workflows.batch import Batch

_LOOK_EVERY_SECONDS = 0.2
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FIRST = 5
"""How many failures and rejects are listed for people."""
_MOST = 1000
"""How many are in the JSON document."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run over what."""

    workflow: str
    file: Path
    fields: Mapping[str, str]
    sample: int | None = None
    tags: tuple[str, ...] = ()
    again: bool = False
    lane: Literal["live", "provider-batch"] = "live"
    within_seconds: float | None = None

    async def load(self, app: "App") -> str:
        """Queue the items; returns the batch's id."""
        return await app.batches.load(
            self.workflow,
            self.file,
            tags=self.tags,
            again=self.again,
            fields=self.fields,
            sample=self.sample,
            lane=self.lane,
            within_seconds=self.within_seconds,
        )


def fields_of(given: Sequence[str]) -> dict[str, str]:
    """The mapping of `--field`. Raises `InvalidInput`."""
    fields: dict[str, str] = {}
    for one in given:
        name, equals, column = one.partition("=")
        if not (name and equals and column):
            raise InvalidInput(
                f"--field {one!r} does not say INPUT=FIELD.", hint="For example: --field ticket_id=id"
            )
        fields[name] = column
    return fields


def within_of(given: str | None, lane: str) -> float | None:
    """The seconds of `--within`. Raises `InvalidInput`."""
    if given is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", given.strip())
    if found is None or not float(found[1]):
        raise InvalidInput(f"--within {given!r} is no time.", hint="For example 90s, 30m, 6h or 1d.")
    if lane == "live":
        raise InvalidInput("--within says how long a lane may wait.", hint="Add --lane provider-batch.")
    return float(found[1]) * _SECONDS[found[2]]


async def queue(place: Place, order: Order, *, as_json: bool) -> int:
    """Load the batch and leave it to workers."""
    from roadworthy.cli.batch_document import as_document, states

    app = load_app(place)
    _say_if_live(app, order)
    async with app.running(work=False):
        batch = await app.batches.get(await order.load(app))
        working = await alive(app)
    if as_json:
        print_json(as_document(batch))
        return 0
    say(f"{batch.id}: {batch.total} items, {states(batch)}.")
    if not working:
        say(f"No worker is alive; start one: {place.command('worker')}")
    say(f"See how far it is: {place.command('batch', 'show', batch.id)}", style="dim")
    return 0


async def execute(
    place: Place, order: Order, *, concurrency: int | None = None, quiet: bool = False
) -> str | int:
    """Load the batch and follow it to its end; returns its id, or the exit code when it was interrupted."""
    app = load_app(place, workers__concurrency=concurrency)
    _say_if_live(app, order)
    bar = _Bar(quiet=quiet)

    async def follow(opened: "App", batch_id: str, goes_on: "GoesOn") -> "Batch | None":
        while True:
            batch = await opened.batches.get(batch_id)
            bar.update(batch)
            if batch.finished:
                return batch
            if not await goes_on():
                return None
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    try:
        with bar.open():
            batch_id, _ = await carry_out(app, order.load, follow)
    except asyncio.CancelledError:
        interrupted()
        say("Interrupted; the same command again goes on where this stopped.", errors=True)
        return INTERRUPTED
    return batch_id


def _say_if_live(app: "App", order: Order) -> None:
    """Tell, before any money goes, when the lane cannot do what it is asked for."""
    from roadworthy.models.providers.batches import BATCH_PROVIDERS

    chains = [one.models for route in app.settings.routes.values() for one in (route, *route.rules)]
    providers = {app.settings.models[name].provider for names in chains for name in names}
    if order.lane == "provider-batch" and not providers & BATCH_PROVIDERS.keys():
        say(
            "No model of a route has a batch API that is spoken here: all are asked live, at live prices.",
            errors=True,
        )


class _Bar:
    """Progress: a bar for a person; elsewhere a line for every tenth, and when the provider gets calls."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._progress: Progress | None = None
        self._said: tuple[int, bool] | None = None

    def open(self) -> AbstractContextManager[Any]:
        if self._quiet or not is_terminal():
            return nullcontext()
        from rich import progress

        self._progress = progress.Progress(
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.TimeElapsedColumn(),
            console=console(),
            transient=True,
        )
        self._progress.add_task("", total=None)
        return self._progress

    def update(self, batch: "Batch") -> None:
        from roadworthy.cli.batch_document import states

        if self._progress is not None:
            task = self._progress.task_ids[0]
            self._progress.update(task, completed=batch.done, total=batch.total, description=states(batch))
        elif not self._quiet:
            so_far = 10 * batch.done // max(1, batch.total or 1), batch.at_provider > 0
            if so_far != self._said:
                self._said = so_far
                say(f"{batch.done} of {batch.total}: {states(batch)}")


async def tell(place: Place, batch_id: str, columns: "Columns | None", *, as_json: bool) -> int:
    """Print what became of a batch's items; the exit code says whether all are well."""
    from roadworthy.cli.batch_document import as_document
    from roadworthy.workflows import Filter, RunStatus

    async with records(place) as app:
        batch = await app.batches.get(batch_id)
        ill = Filter(batch_id=batch_id, status=(RunStatus.DEAD, RunStatus.CANCELLED, RunStatus.PARKED))
        failures = sorted(await app.runs.find(ill, limit=_MOST), key=lambda run: run.batch_item or 0)
        rejects = await app.batches.rejects(batch_id)
        rows = await columns.rows(app, batch_id) if columns is not None else []
    if as_json:
        document = as_document(batch)
        document["failures"] = [
            {"item": run.batch_item, "run_id": run.id, "status": run.status.value}
            | {"error_kind": run.error_kind, "error_message": run.error_message}
            for run in failures
        ]
        document["rejected"] = [
            {"item": one.item, "line": one.line, "reason": one.reason} for one in rejects[:_MOST]
        ]
        if columns is not None:
            document["items"] = [columns.document(row) for row in rows]
        print_json(document)
    else:
        if columns is not None:
            show(columns.table(rows))
            say()
        _say_summary(place, batch, failures, [(one.line, one.reason) for one in rejects])
    return 1 if failures or rejects else 0


def _say_summary(
    place: Place, batch: "Batch", failures: "Sequence[Run]", rejects: Sequence[tuple[int, str]]
) -> None:
    from roadworthy.cli.batch_document import states

    say(f"{batch.id}: {batch.done} of {batch.total} items done: {states(batch)}")
    if failures:
        made = table("item", "run", "status", "why", right=("item",), whole=("run", "status"))
        for run in failures[:_FIRST]:
            why = clean(f"{run.error_kind}: {run.error_message}" if run.error_message else "", most=200)
            made.add_row(str(run.batch_item), short_id(run.id), run.status.value, why)
        show(made)
        _say_more(len(failures), "failed")
        say(f"Look: {place.command('runs', 'show', failures[0].id, '--calls')}", style="dim")
    if rejects:
        made = table("line", "not used, because", right=("line",))
        for line, reason in rejects[:_FIRST]:
            made.add_row(str(line), clean(reason, most=300))
        show(made)
        _say_more(len(rejects), "were rejected")


def _say_more(count: int, what: str) -> None:
    if count > _FIRST:
        say(f"... and {count - _FIRST} more {what}", style="dim")
