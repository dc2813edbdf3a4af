"""Experiments and results in the database."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.db import insert_once, pack, unpack
from roadworthy.db.tables.evals import experiment_results, experiments
from roadworthy.errors import NotFound
from roadworthy.evals.evaluator import Score
from roadworthy.evals.experiment import Experiment, ExperimentStatus, Result, VerdictKind
from roadworthy.evals.target import Outcome
from roadworthy.records import Json, from_micro_usd, to_micro_usd

_ADD_RESULT = insert_once(experiment_results, *experiment_results.c.keys())


def add(tx: sa.Connection, experiment: Experiment) -> None:
    """Store a new experiment."""
    tx.execute(experiments.insert().values(**_row(experiment)))


def change(tx: sa.Connection, experiment: Experiment) -> None:
    """Store what became of it."""
    values = _row(experiment)
    tx.execute(experiments.update().where(experiments.c.id == experiment.id).values(**values))


def add_results(tx: sa.Connection, experiment_id: str, results: Iterable[Result]) -> None:
    """Store results; those that are stored already stay as they are."""
    _ADD_RESULT.run_all(tx, [_result_row(experiment_id, result) for result in results])


def results(tx: sa.Connection, experiment_id: str) -> list[Result]:
    """All results of an experiment, by case and repeat."""
    query = experiment_results.select().where(experiment_results.c.experiment_id == experiment_id)
    order = (experiment_results.c.case_id, experiment_results.c.repeat)
    return [_result(row) for row in tx.execute(query.order_by(*order)).mappings()]


def get(tx: sa.Connection, experiment_id: str) -> Experiment:
    """One experiment. Raises `NotFound`."""
    row = tx.execute(experiments.select().where(experiments.c.id == experiment_id)).mappings().first()
    if row is None:
        raise NotFound(
            f"There is no experiment {experiment_id!r}.",
            hint="Its id stands in the first line of what `roadworthy eval` prints.",
        )
    return _experiment(row)


def latest(
    tx: sa.Connection,
    *,
    suite: str | None = None,
    fingerprint: str | None = None,
    finished: bool = False,
    before: tuple[int, str] | None = None,
    limit: int = 20,
) -> list[Experiment]:
    """The newest experiments, newest first; `before` is where the page before ended: its start and its id."""
    query = experiments.select()
    if suite is not None:
        query = query.where(experiments.c.suite == suite)
    if fingerprint is not None:
        query = query.where(experiments.c.fingerprint == fingerprint)
    if finished:
        query = query.where(experiments.c.status == ExperimentStatus.FINISHED.value)
    place = (experiments.c.started_at, experiments.c.id)
    if before is not None:
        query = query.where(sa.tuple_(*place) < sa.tuple_(*map(sa.literal, before)))
    query = query.order_by(*(one.desc() for one in place)).limit(limit)
    return [_experiment(row) for row in tx.execute(query).mappings()]


def suites(tx: sa.Connection) -> list[str]:
    """The suites that were ever run here, by name."""
    return list(tx.execute(sa.select(experiments.c.suite).distinct().order_by(experiments.c.suite)).scalars())


def _row(experiment: Experiment) -> dict[str, Any]:
    told = asdict(experiment)
    told["parts"] = json.dumps(experiment.parts, sort_keys=True)
    told["summary"] = pack(experiment.summary) if experiment.summary else None
    told["cost_micro_usd"] = to_micro_usd(told.pop("cost_usd"))
    told["status"] = experiment.status.value
    told["verdict"] = experiment.verdict.value if experiment.verdict else None
    return told


def _experiment(row: Mapping[Any, Any]) -> Experiment:
    told: dict[str, Any] = dict(row)
    told["parts"] = json.loads(told["parts"])
    told["summary"] = unpack(told["summary"]) if told["summary"] is not None else {}
    told["cost_usd"] = from_micro_usd(told.pop("cost_micro_usd"))
    told["status"] = ExperimentStatus(told["status"])
    told["verdict"] = VerdictKind(told["verdict"]) if told["verdict"] else None
    return Experiment(**told)


def _result_row(experiment_id: str, result: Result) -> dict[str, Any]:
    body: dict[str, Json] = {
        "tags": list(result.tags),
        "outcome": result.outcome.as_json(),
        "scores": [score.as_json() for score in result.scores],
    }
    return {
        "experiment_id": experiment_id,
        "case_id": result.case_id,
        "repeat": result.repeat,
        "case_hash": result.case_hash,
        "passed": result.passed,
        "category": result.category,
        "result": pack(body),
    }


def _result(row: Mapping[Any, Any]) -> Result:
    body = cast("Mapping[str, Any]", unpack(row["result"]))
    scores: Sequence[Mapping[str, Any]] = body["scores"]
    return Result(
        case_id=row["case_id"],
        repeat=row["repeat"],
        tags=tuple(body["tags"]),
        case_hash=row["case_hash"],
        outcome=Outcome.from_json(body["outcome"]),
        scores=tuple(Score.from_json(one) for one in scores),
    )
