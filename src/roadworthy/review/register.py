"""The items on record: `Register`, which opens them, finds them, and says how well they were decided."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from roadworthy.audit import Audit, Entry
from roadworthy.calls.calibrated import Calibrations
from roadworthy.db import Database
from roadworthy.db.tables.calls import calls
from roadworthy.records import Clock, Ids
from roadworthy.review import decided, quality, store
from roadworthy.review.band import Bands
from roadworthy.review.decided import Decided
from roadworthy.review.held import Held
from roadworthy.review.item import Item, ItemStatus, Kind
from roadworthy.review.quality import Stats
from roadworthy.review.question import Question
from roadworthy.review.sampling import Aim
from roadworthy.settings import ReviewSettings, WorkflowSettings
from roadworthy.telemetry import EventName, Telemetry

Wake = Callable[[sa.Connection, str, str, int], None]
"""Wakes a run: the transaction, the run's id, the item's id, and the time in milliseconds."""

_AN_HOUR_MS = 3_600_000


class Register:
    """The review items of a project, and what its settings say of them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        environment: str,
        wake: Wake,
        ring: Callable[[str], None],
        telemetry: Telemetry,
        audit: Audit,
        workflows: Mapping[str, WorkflowSettings] | None = None,
        learnt: Calibrations | None = None,
    ) -> None:
        """`learnt` is what the scores of answers are worth, for workflows that name an error rate."""
        self._database = database
        self._clock = clock
        self._ids = ids
        self._environment = environment
        self._wake = wake
        self._ring = ring
        self._telemetry = telemetry
        self._audit = audit
        self._workflows = workflows or {}
        self._learnt = learnt

    def policy(self, workflow: str) -> ReviewSettings:
        """Who decides what this workflow hands over, and by when."""
        chosen = self._workflows.get(workflow)
        return chosen.review if chosen else ReviewSettings()

    def bands(self, workflow: str) -> Bands | None:
        """What is decided without a person; None: nothing."""
        chosen = self._workflows.get(workflow)
        bands = chosen.bands if chosen else None
        if bands is None or bands.proceed is None:
            return None
        return Bands(bands.proceed, bands.reject)

    async def proven(
        self, workflow: str, prompt_id: str, prompt_hash: str, model: str, call_id: str
    ) -> tuple[Bands, float | None] | None:
        """The bands that keep to the workflow's error rate, and how sure one may be of this call's answer.

        Both by what was learnt last, and by the signals that are on record of the call. None where the
        workflow names no error rate.
        """
        chosen = self._workflows.get(workflow)
        bands = chosen.bands if chosen else None
        if bands is None or bands.max_error_rate is None:
            return None
        file = self._learnt.file(prompt_id) if self._learnt is not None else None
        if file is None:
            return Bands(1.0, 0.0, "nothing was learnt of the scores of its answers"), None
        band = file.bands.get(f"{bands.max_error_rate:g}")
        if band is None or band.proceed is None:
            more = f": about {band.more_cases} more reviews" if band and band.more_cases else ""
            return Bands(1.0, 0.0, f"no score is proven to keep to {bands.max_error_rate:.2%}{more}"), None
        query = sa.select(calls.c.signals).where(calls.c.id == call_id)
        stored = await self._database.read(lambda tx: tx.execute(query).scalar())
        signals: dict[str, float] = json.loads(stored) if stored else {}
        why = file.misfit(prompt_hash, model, signals)
        sure = None if why else file.confidence(signals)
        return Bands(band.proceed, min(bands.reject, band.proceed)), sure

    def aim(self, workflow: str) -> Aim:
        """What the sampling of this workflow's automatic decisions is to hold."""
        chosen = self._workflows.get(workflow)
        return Aim(**chosen.review_sample.model_dump()) if chosen else Aim()

    def new(
        self,
        question: Question | Held,
        *,
        reason: str,
        kind: Kind = Kind.ANSWER,
        workflow: str = "",
        tenant: str = "",
        user_id: str = "",
        prompt_id: str = "",
        prompt_version: str = "",
        call_id: str | None = None,
        run_id: str | None = None,
        step_id: str | None = None,
        decision_id: str | None = None,
    ) -> Item:
        """An open item that is not stored yet: `store.add` does so in the transaction of what led to it.

        `reason` quotes neither inputs nor answers: lists show it.
        """
        policy, now_ms = self.policy(workflow), self._clock.now_ms()
        chosen = self._workflows.get(workflow)
        reviewers = chosen.reviewers if chosen else []
        hours = None if kind is Kind.SAMPLE else policy.due_hours
        return Item(
            id=self._ids.new("review"),
            kind=kind,
            environment=self._environment,
            workflow=workflow,
            tenant=tenant,
            user_id=user_id,
            prompt_id=prompt_id,
            prompt_version=prompt_version,
            call_id=call_id,
            run_id=run_id,
            step_id=step_id,
            decision_id=decision_id,
            reason=reason,
            created_at=now_ms,
            due_at=None if hours is None else now_ms + int(hours * _AN_HOUR_MS),
            people=policy.people if kind is Kind.DECISION else 1,
            roles=tuple(policy.roles),
            escalate_to=tuple(policy.escalate_to),
            escalate_after_ms=int(policy.escalate_after_hours * _AN_HOUR_MS),
            assigned_to=reviewers[0] if len(reviewers) == 1 else None,
            question=question.as_json(),
        )

    def opened(self, item: Item) -> None:
        """Report an item once the transaction that stored it is over."""
        self._emit("review.opened", item)

    async def open_items(self, workflow: str | None = None, *, limit: int = 1000) -> list[Item]:
        """What waits for a person, longest wait first, without questions."""
        return await self.find(store.Filter(status=(ItemStatus.OPEN,), workflow=workflow), limit=limit)

    async def find(
        self,
        where: store.Filter,
        *,
        limit: int = 50,
        after: str | None = None,
        newest_first: bool = False,
    ) -> list[Item]:
        """Items that fit, without questions and answers, oldest first unless told otherwise."""
        return await self._database.read(
            lambda tx: store.find(tx, where, limit=limit, after=after, newest_first=newest_first)
        )

    async def beginning_with(self, start: str, *, limit: int) -> list[str]:
        """The ids that begin so."""
        return await self._database.read(lambda tx: store.beginning_with(tx, start, limit))

    async def get(self, review_id: str) -> Item:
        """One item with its question and answer. Raises `NotFound`."""
        return await self._database.read(lambda tx: store.get(tx, review_id))

    async def decision(self, decision_id: str) -> Decided:
        """What was decided, by whom, on what grounds. Raises `NotFound`."""
        return await self._database.read(lambda tx: decided.get(tx, decision_id))

    async def decisions_of(self, run_id: str) -> list[Decided]:
        """The decisions of a run, in order."""
        return await self._database.read(lambda tx: decided.of_run(tx, run_id))

    async def stats(self, workflow: str | None = None) -> list[Stats]:
        """How much was decided by whom, and how well, for each workflow and prompt version."""
        aims = {name: self.aim(name) for name in self._workflows}
        return await self._database.read(lambda tx: quality.stats(tx, self._environment, workflow, aims))

    def _note_down(self, tx: sa.Connection, entry: Entry, item: Item) -> None:
        of = {"subject": item.id, "workflow": item.workflow, "tenant": item.tenant}
        self._audit.append(tx, replace(entry, **of))

    def _emit(self, event: EventName, item: Item, **more: Any) -> None:
        if item.answered_at is not None:
            more["waited_seconds"] = (item.answered_at - item.created_at) / 1000
        self._telemetry.emit(
            event,
            review_id=item.id,
            kind=item.kind.value,
            environment=item.environment,
            run_id=item.run_id,
            step_id=item.step_id,
            call_id=item.call_id,
            workflow=item.workflow or None,
            prompt_id=item.prompt_id or None,
            prompt_version=item.prompt_version or None,
            **more,
        )
