"""`/metrics`: what this process counted, and how queues, workers, reviews, models and budgets stand.

The database is asked at most every five seconds, however many scrape, and only for what an index or a bound
keeps cheap: open runs, not all runs.
"""

import asyncio
from typing import TYPE_CHECKING

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from roadworthy.access import Permission
from roadworthy.budgets import Budgets
from roadworthy.budgets import store as budget_store
from roadworthy.db.tables.models import model_health
from roadworthy.db.tables.review import review_items
from roadworthy.db.tables.workflows import runs
from roadworthy.service.principal import needs, route
from roadworthy.service.streams import Streams
from roadworthy.service.strict import StrictRoute
from roadworthy.telemetry.metrics import MEDIA_TYPE, Metrics, gauge
from roadworthy.workflows import RunStatus
from roadworthy.workflows.store import workers

if TYPE_CHECKING:
    from roadworthy.app import App

_KEPT_SECONDS = 5.0
_MOST_ACCOUNTS = 20
_OPEN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PARKED)


class Gauges:
    """What only the database knows."""

    def __init__(self, app: "App", streams: Streams | None) -> None:
        self._app = app
        self._streams = streams
        self._lock = asyncio.Lock()
        self._seen: tuple[float, str] | None = None

    async def render(self) -> str:
        """All of them, as they were at most five seconds ago."""
        async with self._lock:
            now = self._app.clock.monotonic()
            if self._seen is None or now - self._seen[0] >= _KEPT_SECONDS:
                self._seen = (now, await self._app.database.read(self._look))
        open_streams = [((), self._streams.count)] if self._streams is not None else []
        told = "Open streams and waits of this process."
        return self._seen[1] + gauge("roadworthy_streams_open", told, (), open_streams)

    def _look(self, tx: sa.Connection) -> str:
        return "".join(
            (self._runs(tx), self._workers(tx), self._reviews(tx), self._models(tx), self._budgets(tx))
        )

    def _runs(self, tx: sa.Connection) -> str:
        environment, now_ms = self._app.settings.environment, self._app.clock.now_ms()
        query = (
            sa.select(runs.c.workflow, runs.c.status, sa.func.count(), sa.func.min(runs.c.due_at))
            .where(runs.c.status.in_(_OPEN), runs.c.environment == environment)
            .group_by(runs.c.workflow, runs.c.status)
        )
        rows = list(tx.execute(query))
        queued = [row[3] for row in rows if row[1] == RunStatus.QUEUED and row[3] is not None]
        waits_seconds = max(0, now_ms - min(queued)) / 1000 if queued else 0
        return gauge(
            "roadworthy_runs_open", "Runs that have not ended.", ("workflow", "status"),
            [((row[0], str(row[1])), row[2]) for row in rows],
        ) + gauge(
            "roadworthy_queue_oldest_seconds", "How long the oldest run that is due has waited.", (),
            [((), waits_seconds)],
        )  # fmt: skip

    def _workers(self, tx: sa.Connection) -> str:
        dead_after_ms = int(self._app.settings.workers.dead_after_seconds * 1000)
        oldest_ms = self._app.clock.now_ms() - dead_after_ms
        alive = sum(one.beat_at >= oldest_ms for one in workers.living(tx))
        return gauge("roadworthy_workers_alive", "Processes that execute runs.", (), [((), alive)])

    def _reviews(self, tx: sa.Connection) -> str:
        now_ms = self._app.clock.now_ms()
        overdue = sa.func.sum(sa.case((review_items.c.due_at < now_ms, 1), else_=0))
        query = (
            sa.select(review_items.c.workflow, sa.func.count(), overdue)
            .where(review_items.c.status == sa.literal_column("'open'"))
            .where(review_items.c.environment == self._app.settings.environment)
            .group_by(review_items.c.workflow)
        )
        rows = list(tx.execute(query))
        return gauge(
            "roadworthy_reviews_open", "Questions that wait for a person.", ("workflow",),
            [((row[0],), row[1]) for row in rows],
        ) + gauge(
            "roadworthy_reviews_overdue", "Of these, past their time.", ("workflow",),
            [((row[0],), float(row[2] or 0)) for row in rows],
        )  # fmt: skip

    def _models(self, tx: sa.Connection) -> str:
        settings, now_ms = self._app.settings, self._app.clock.now_ms()
        query = sa.select(model_health).where(model_health.c.environment == settings.environment)
        left_alone = {
            row.model
            for row in tx.execute(query)
            if (row.state == "open" and row.open_until_ms > now_ms) or row.blocked_until_ms > now_ms
        }
        return gauge(
            "roadworthy_model_left_alone", "1 while a model fails too often to be asked.", ("model",),
            [((name,), int(name in left_alone)) for name in settings.models],
        )  # fmt: skip

    def _budgets(self, tx: sa.Connection) -> str:
        settings, now_ms = self._app.settings, self._app.clock.now_ms()
        found = budget_store.standing(
            tx, Budgets(settings.budgets), settings.environment, now_ms, most=_MOST_ACCOUNTS
        )
        named = [(one, (one.account.budget, one.account.subject, one.account.window)) for one in found]
        labels = ("budget", "subject", "window")
        return gauge(
            "roadworthy_budget_left_usd", "What may still be spent.", labels,
            [(name, one.left_micro_usd / 1e6) for one, name in named if one.left_micro_usd is not None],
        ) + gauge(
            "roadworthy_budget_left_tokens", "What may still be used.", labels,
            [(name, one.left_tokens) for one, name in named if one.left_tokens is not None],
        )  # fmt: skip


def router(app: "App", metrics: Metrics, streams: Streams | None = None) -> APIRouter:
    """The route; `streams` of a process that has them."""
    made = APIRouter(tags=["operation"], route_class=StrictRoute)
    gauges = Gauges(app, streams)
    reads = needs(Permission.METRICS_READ, everywhere=True)
    public = app.settings.service.public_metrics
    shown = {
        "description": "Prometheus's text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }

    @made.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        **route(None if public else Permission.METRICS_READ, replies={200: shown}),
    )
    async def read(request: Request) -> Response:
        if not public:
            await reads(request)
        return Response(metrics.render() + await gauges.render(), media_type=MEDIA_TYPE)

    return made
