"""A query as SQL: figures by group, of calls, of their attempts, of hours that are added up, and of runs.

Money, tokens and answers are counted from `calls`. Only models are told apart by `call_attempts`, since one
call may have asked several; there a call counts for the model that answered it, else for the last one asked.
A call that no model answered, because its answer was known already or code knew it, counts for no model: ''.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from roadworthy.calls.call import CallStatus
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.rollups import call_keys
from roadworthy.db.tables.workflows import runs
from roadworthy.monitoring.coverage import Hours, Span
from roadworthy.monitoring.days import Days
from roadworthy.monitoring.query import Dimension, Key, Query

Columns = Mapping[str, sa.ColumnElement[Any]]

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
model_of_call = sa.case(
    (_answered & by_a_model, calls.c.rung),
    (_answered, ""),
    else_=sa.func.coalesce(_last_asked, ""),
)
with_attempts = sa.join(calls, call_attempts, call_attempts.c.call_id == calls.c.id)

_OF_CALLS: Mapping[Dimension, sa.ColumnElement[Any]] = {
    Dimension.WORKFLOW: calls.c.workflow,
    Dimension.STEP: calls.c.step,
    Dimension.PROMPT: calls.c.prompt_version,
    Dimension.MODEL: model_of_call,
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
_OF_KEYS: Mapping[Dimension, sa.ColumnElement[Any]] = {
    Dimension.WORKFLOW: call_keys.c.workflow,
    Dimension.STEP: call_keys.c.step,
    Dimension.PROMPT: call_keys.c.prompt_version,
    Dimension.MODEL: call_keys.c.model,
    Dimension.TENANT: call_keys.c.tenant,
    Dimension.TASK: call_keys.c.task,
    Dimension.RUNG: call_keys.c.rung,
    Dimension.LANE: call_keys.c.lane,
}
_OF_RUNS: Mapping[Dimension, sa.ColumnElement[Any]] = {
    Dimension.WORKFLOW: runs.c.workflow,
    Dimension.TENANT: runs.c.tenant,
    Dimension.USER: runs.c.user_id,
    Dimension.DAY: runs.c.created_at,
    Dimension.RUN: sa.func.coalesce(runs.c.id, ""),
}
"""What a run without a call can be told apart by."""
_NOTHING: sa.ColumnElement[str] = sa.literal_column("''")


class Only(NamedTuple):
    """Calls of which these columns together hold one of these values."""

    columns: tuple[str, ...]
    values: tuple[Key, ...]


class Grouping:
    """A query as SQL. Every statement gives the key's columns first, then the figures."""

    def __init__(self, query: Query, only: Only | None = None) -> None:
        self.query = query
        self.width = len(query.by)
        """How many columns the key has."""
        self.days = (
            Days(query.since_ms, query.until_ms, query.timezone) if Dimension.DAY in query.by else None
        )
        self._only = only

    def of_calls(self, span: Span, figures: Columns, also: Columns | None = None) -> sa.Select[Any]:
        """Figures of `calls` that began in a part of the time; told apart by `also` as well."""
        where, model = self._calls(span), self.query.where.model
        if model is not None:
            where.append(model_of_call == model)
        return self._grouped(_OF_CALLS, calls, figures, also).where(*where)

    def of_attempts(self, span: Span, figures: Columns) -> sa.Select[Any]:
        """Figures of `call_attempts`, whose calls are those that are asked for."""
        where, model = self._calls(span), self.query.where.model
        if model is not None:
            where.append(call_attempts.c.model == model)
        return self._grouped(_OF_ATTEMPTS, with_attempts, figures).where(*where)

    def of_hours(
        self, hours: Hours, table: sa.Table, columns: Columns, also: Columns | None = None
    ) -> sa.Select[Any]:
        """Sums of columns of a table of hours; told apart by `also` as well.

        They are added up by key first, in the order in which they lie there, and then by what is asked for.
        """
        its, apart = table.c, dict(also or {})
        if self.days is not None:
            apart["day"] = self.days.number(its.hour)
        by_key = (
            sa.select(
                its.key_id,
                *(column.label(f"in_{name}") for name, column in apart.items()),
                *(sa.func.sum(column).label(name) for name, column in columns.items()),
            )
            .where(its.key_id.in_(sa.select(call_keys.c.id).where(*self._keys())))
            .where(its.hour >= hours.since_ms, its.hour < hours.until_ms)
            .group_by(its.key_id, *(f"in_{name}" for name in apart))
        )
        if hours.without:
            by_key = by_key.where(its.hour.not_in(hours.without))
        sums = by_key.subquery()
        keys = dict(_OF_KEYS) | ({Dimension.DAY: sums.c.in_day} if self.days is not None else {})
        figures = {name: sa.func.sum(sums.c[name]) for name in columns}
        joined = sa.join(sums, call_keys, call_keys.c.id == sums.c.key_id)
        return _by(
            {f"by_{one.value}": keys[one] for one in self.query.by if one in keys},
            {name: sums.c[f"in_{name}"] for name in also or {}},
            figures,
            self.query.by,
        ).select_from(joined)

    def of_runs(self, also: Columns, figures: Columns) -> sa.Select[Any]:
        """Figures of `runs`; they are told apart by `also` as well, which stands between key and figures."""
        where = self._common(runs)
        created_at = runs.c.created_at
        where += [created_at >= self.query.since_ms, created_at < self.query.until_ms]
        return self._grouped(_OF_RUNS, runs, figures, also).where(*where)

    def key(self, row: Sequence[Any]) -> Key:
        """The key of a row of any of these."""
        if self.days is None:
            return tuple(value or "" for value in row[: self.width])
        return tuple(map(self._text, self.query.by, row))

    def _grouped(
        self,
        columns: Mapping[Dimension, sa.ColumnElement[Any]],
        tables: sa.FromClause,
        figures: Columns,
        also: Columns | None = None,
    ) -> sa.Select[Any]:
        mine = {f"by_{one.value}": self._column(one, columns[one]) for one in self.query.by if one in columns}
        return _by(mine, also or {}, figures, self.query.by).select_from(tables)

    def _calls(self, span: Span) -> list[sa.ColumnElement[bool]]:
        its = calls.c
        return [its.started_at >= span.since_ms, its.started_at < span.until_ms, *self._told(calls)]

    def _keys(self) -> list[sa.ColumnElement[bool]]:
        model = self.query.where.model
        return [*self._told(call_keys), *([] if model is None else [call_keys.c.model == model])]

    def _told(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        """Which calls are meant, but for time and model, by the columns that calls and keys share."""
        found, prompt = self._common(table), self.query.where.prompt
        if prompt is not None:
            found.append((table.c.prompt_version if "@" in prompt else table.c.prompt_id) == prompt)
        if self._only is not None:
            columns = [table.c[name] for name in self._only.columns]
            found.append(sa.tuple_(*columns).in_(self._only.values))
        return found

    def _common(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        """The conditions that calls, keys and runs have the same columns for."""
        wanted = {name: getattr(self.query.where, name) for name in ("environment", "workflow", "tenant")}
        found = [table.c[name] == value for name, value in wanted.items() if value is not None]
        within = self.query.where.within
        return found if within is None else [*found, within(table.c.workflow, table.c.tenant)]

    def _column(self, dimension: Dimension, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return self.days.number(column) if dimension is Dimension.DAY and self.days is not None else column

    def _text(self, dimension: Dimension, value: Any) -> str:
        if dimension is Dimension.DAY and self.days is not None:
            return self.days[value].date.isoformat()
        return value or ""


def _by(mine: Columns, also: Columns, figures: Columns, by: Sequence[Dimension]) -> sa.Select[Any]:
    """Grouped by names that no column has.

    PostgreSQL takes the same expression with parameters of its own for another one, and a column's name for
    the column.
    """
    keys = [mine.get(f"by_{one.value}", _NOTHING).label(f"by_{one.value}") for one in by]
    others = {**also, **figures}
    return sa.select(*keys, *(column.label(name) for name, column in others.items())).group_by(*mine, *also)
