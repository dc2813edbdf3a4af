"""An experiment's entry in the database: begun or taken up again, stopped, and what it cost."""

import asyncio
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from roadworthy.db.tables.calls import calls
from roadworthy.errors import StateConflict
from roadworthy.evals import store
from roadworthy.evals.experiment import Experiment, ExperimentStatus, Result
from roadworthy.evals.fingerprint import differing
from roadworthy.evals.plan import Plan
from roadworthy.evals.project import Project
from roadworthy.prompts import store as prompt_store
from roadworthy.records import from_micro_usd


async def opened(
    project: Project, made: Plan, experiment_id: str, *, going_on: bool
) -> tuple[Experiment, list[Result]]:
    """Put an experiment on record, or take it up again with what it has.

    Raises `NotFound`; and `StateConflict` where what is to go on is another combination by now.
    """
    database, now_ms = project.database, project.clock.now_ms()
    if going_on:
        known = await database.read(lambda tx: store.get(tx, experiment_id))
        if known.fingerprint != made.fingerprint:
            changed = ", ".join(differing(known.parts, made.parts))
            raise StateConflict(
                f"{experiment_id} cannot go on: what it evaluates has changed since ({changed}).",
                hint=f"Begin a new one: roadworthy eval {made.suite.name}",
            )
        resumed = replace(known, status=ExperimentStatus.RUNNING, finished_at=None, verdict=None)
        await database.write(lambda tx: store.change(tx, resumed))
        return resumed, await database.read(lambda tx: store.results(tx, experiment_id))
    experiment = Experiment(
        id=experiment_id,
        suite=made.suite.name,
        variant=made.variant,
        status=ExperimentStatus.RUNNING,
        parts=dict(made.parts),
        fingerprint=made.fingerprint,
        cases=len(made.dataset.cases),
        repeats=made.suite.settings.repeats,
        environment=project.settings.environment,
        prompt_hash=made.parts.get("prompt", ""),
        commit=await asyncio.to_thread(commit_of, project.settings.root),
        started_at=now_ms,
    )

    def work(tx: sa.Connection) -> None:
        prompt_store.keep_texts(tx, made.texts, now_ms)
        store.add(tx, experiment)

    await database.write(work)
    return experiment, []


async def stop(project: Project, experiment: Experiment) -> None:
    """Note that an experiment was stopped, with what it cost so far."""
    stopped = replace(
        experiment, status=ExperimentStatus.STOPPED, cost_usd=await cost_of(project, experiment)
    )
    await project.database.write(lambda tx: store.change(tx, stopped))


async def cost_of(project: Project, experiment: Experiment, results: Sequence[Result] = ()) -> Decimal:
    """What its calls cost here, and what its runs cost on their stage."""
    query = sa.select(sa.func.coalesce(sa.func.sum(calls.c.cost_micro_usd), 0)).where(
        calls.c.task == experiment.id, calls.c.started_at >= experiment.started_at
    )
    here = await project.database.read(lambda tx: tx.execute(query).scalar_one())
    staged = [one.outcome.cost_usd for one in results if "workflow" in experiment.parts]
    return from_micro_usd(int(here)) + sum(staged, Decimal(0))


def commit_of(root: Path) -> str:
    """The commit of a project, with `+` where something is not committed; empty outside of git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()  # noqa: S603 - fixed words

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
