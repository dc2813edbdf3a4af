"""What is asked about costs: of which calls, over which time, grouped by what; and as SQL.

Money, tokens and answers are counted from `calls`. Only models are told apart by `call_attempts`, since one
call may have asked several; there a call counts for the model that answered it, else for the last one asked.
A call that no model answered, because its answer was known already or code knew it, counts for no model: ''.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from roadworthy.calls.call import CallStatus
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.workflows import runs
from roadworthy.errors import InvalidInput
from roadworthy.monitoring.days import Days, zone_of

Key = tuple[str, ...]
"""What tells a row apart: one text for each dimension; empty where a call has none."""


class Dimension(StrEnum):
    """What costs are grouped by."""

    WORKFLOW = "workflow"
    STEP = "step"
    PROMPT = "prompt"
    """The prompt's version, such as `draft-reply@v2`."""
    MODEL = "model"
    """The model's name in the settings."""
    TENANT = "tenant"
    USER = "user"
    TASK = "task"
    DAY = "day"
    """By the wall clock of the query's time zone."""
    RUNG = "rung"
    """What answered: a model's name in the settings, `cache`, `rule`, `review`."""
    LANE = "lane"
    """`live`, or `provider-batch`."""
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls; what is None does not restrict."""

    environment: str | None = None
    workflow: str | None = None
    tenant: str | None = None
    prompt: str | None = None
    """A prompt's id, or one of its versions: `draft-reply`, `draft-reply@v2`."""
    model: str | None = None
    """The model's name in the settings. Only what was asked of this model is counted then."""

    @property
    def is_about_calls(self) -> bool:
        """Whether it says something that a run without a call has not."""
        return self.prompt is not None or self.model is not None


@dataclass(frozen=True, slots=True)
class Query:
    """Which costs, and how they are grouped. Raises `InvalidInput`."""

    since_ms: int
    """Calls that began at or after this time."""
    until_ms: int
    """Calls that began before."""
    by: tuple[Dimension, ...] = ()
    where: Filter = field(default_factory=Filter)
    timezone: str = "UTC"
    """Whose days are meant."""

    def __post_init__(self) -> None:
        zone_of(self.timezone)
        if self.until_ms <= self.since_ms:
            raise InvalidInput("The time that is asked for ends before it begins.")
        twice = next((one for one in self.by if self.by.count(one) > 1), None)
        if twice is not None:
            raise InvalidInput(f"{twice.value!r} is given twice: costs are grouped by it once.")

    @property
    def by_attempt(self) -> bool:
        """Whether money is told apart by model, so that it has to be counted from the attempts."""
        return Dimension.MODEL in self.by or self.where.model is not None


_last_asked = (
    sa.select(call_attempts.c.model)
    .where(call_attempts.c.call_id == calls.c.id)
    .order_by(call_attempts.c.number.desc())
    .limit(1)
    .correlate(calls)
    .scalar_subquery()
)
_answered = calls.c.status == CallStatus.SUCCEEDED.value
by_a_model = calls.c.provider.is_not(None)
"""A call that was answered without a model has no provider, and its rung is no model's name."""
_model_of_call = sa.case(
    (_answered & by_a_model, calls.c.rung),
    (_answered, ""),
    else_=sa.func.coalesce(_last_asked, ""),
)
_OF_CALLS: Mapping[Dimension, sa.ColumnElement[Any]] = {
    Dimension.WORKFLOW: calls.c.workflow,
    Dimension.STEP: calls.c.step,
    Dimension.PROMPT: calls.c.prompt_version,
    Dimension.MODEL: _model_of_call,
    Dimension.TENANT: calls.c.tenant,
    Dimension.USER: calls.c.user_id,
    Dimension.TASK: calls.c.task,
    Dimension.DAY: calls.c.started_at,
    Dimension.RUNG: calls.c.rung,
    Dimension.LANE: calls.c.lane,
    Dimension.RUN: sa.func.coalesce(calls.c.run_id, ""),
}
"""`coalesce` keeps SQLite from reading every run there is in the order of an index, to save sorting."""
_OF_ATTEMPTS = {**_OF_CALLS, Dimension.MODEL: call_attempts.c.model}
_OF_RUNS: Mapping[Dimension, sa.ColumnElement[Any]] = {
    Dimension.WORKFLOW: runs.c.workflow,
    Dimension.TENANT: runs.c.tenant,
    Dimension.USER: runs.c.user_id,
    Dimension.DAY: runs.c.created_at,
    Dimension.RUN: sa.func.coalesce(runs.c.id, ""),
}
"""What a run without a call can be told apart by."""
_NOTHING: sa.ColumnElement[str] = sa.literal_column("''")


class Grouping:
    """A query as SQL. Every statement gives the key's columns first, then the figures."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.width = len(query.by)
        """How many columns the key has."""
        self._days = (
            Days(query.since_ms, query.until_ms, query.timezone) if Dimension.DAY in query.by else None
        )

    def of_calls(self, figures: Mapping[str, sa.ColumnElement[Any]]) -> sa.Select[Any]:
        """Figures of `calls`."""
        where, model = conditions(self.query), self.query.where.model
        if model is not None:
            where.append(_model_of_call == model)
        return self._grouped(_OF_CALLS, calls, figures).where(*where)

    def of_attempts(self, figures: Mapping[str, sa.ColumnElement[Any]]) -> sa.Select[Any]:
        """Figures of `call_attempts`, whose calls are those that are asked for."""
        tables = sa.join(calls, call_attempts, call_attempts.c.call_id == calls.c.id)
        where, model = conditions(self.query), self.query.where.model
        if model is not None:
            where.append(call_attempts.c.model == model)
        return self._grouped(_OF_ATTEMPTS, tables, figures).where(*where)

    def of_runs(
        self, also: Mapping[str, sa.ColumnElement[Any]], figures: Mapping[str, sa.ColumnElement[Any]]
    ) -> sa.Select[Any]:
        """Figures of `runs`; they are told apart by `also` as well, which stands between key and figures."""
        where = common_conditions(runs, runs.c.created_at, self.query)
        return self._grouped(_OF_RUNS, runs, figures, also).where(*where)

    def key(self, row: Sequence[Any]) -> Key:
        """The key of a row of any of these."""
        return tuple(map(self._text, self.query.by, row))

    def _grouped(
        self,
        columns: Mapping[Dimension, sa.ColumnElement[Any]],
        tables: sa.FromClause,
        figures: Mapping[str, sa.ColumnElement[Any]],
        also: Mapping[str, sa.ColumnElement[Any]] | None = None,
    ) -> sa.Select[Any]:
        mine = {f"by_{one.value}": self._column(one, columns[one]) for one in self.query.by if one in columns}
        told_apart = {**mine, **(also or {})}
        keys = [mine.get(f"by_{one.value}", _NOTHING).label(f"by_{one.value}") for one in self.query.by]
        others = {**(also or {}), **figures}
        # grouped by names that no column has: PostgreSQL takes the same expression with parameters of its own
        # for another one, and a column's name for the column
        return (
            sa.select(*keys, *(column.label(name) for name, column in others.items()))
            .select_from(tables)
            .group_by(*told_apart)
        )

    def _column(self, dimension: Dimension, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return self._days.number(column) if dimension is Dimension.DAY and self._days is not None else column

    def _text(self, dimension: Dimension, value: Any) -> str:
        if dimension is Dimension.DAY and self._days is not None:
            return self._days[value].date.isoformat()
        return value or ""


def conditions(query: Query) -> list[sa.ColumnElement[bool]]:
    """Which rows of `calls` are meant, but for the model."""
    found, prompt = common_conditions(calls, calls.c.started_at, query), query.where.prompt
    if prompt is not None:
        found.append((calls.c.prompt_version if "@" in prompt else calls.c.prompt_id) == prompt)
    return found


def common_conditions(
    table: sa.Table, moment: sa.ColumnElement[int], query: Query
) -> list[sa.ColumnElement[bool]]:
    """Which rows of a table are meant, as far as calls and runs have the same columns."""
    wanted = {name: getattr(query.where, name) for name in ("environment", "workflow", "tenant")}
    return [
        moment >= query.since_ms,
        moment < query.until_ms,
        *(table.c[name] == value for name, value in wanted.items() if value is not None),
    ]
