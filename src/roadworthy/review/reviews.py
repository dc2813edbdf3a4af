"""What waits for a person: `Reviews`, for whoever looks, answers or declines.

    new       an open item with its question, to be stored with what led to it
    answer    checked against the schema of the answer, stored, and its run woken, in one transaction
    decline   the same without an answer: the call that waits for it fails

The app hands in how a run is woken (`wake`, inside the transaction) and told of it (`ring`, after it).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from roadworthy.audit import Action, Audit
from roadworthy.db import Database
from roadworthy.errors import InvalidInput
from roadworthy.records import Clock, Ids, Json
from roadworthy.review import store
from roadworthy.review.item import Item, ItemStatus
from roadworthy.review.question import Question
from roadworthy.telemetry import EventName, Telemetry

Wake = Callable[[sa.Connection, str, str, int], None]
"""Wakes a run: the transaction, the run's id, the item's id, and the time in milliseconds."""

_LONGEST_NAME = 200
_LONGEST_NOTE = 2_000


class Reviews:
    """The review items of a project."""

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
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._environment = environment
        self._wake = wake
        self._ring = ring
        self._telemetry = telemetry
        self._audit = audit

    def new(
        self,
        question: Question,
        *,
        reason: str,
        workflow: str = "",
        tenant: str = "",
        user_id: str = "",
        prompt_id: str = "",
        prompt_version: str = "",
        call_id: str | None = None,
        run_id: str | None = None,
        step_id: str | None = None,
        due_at: int | None = None,
    ) -> Item:
        """An open item that is not stored yet: `store.add` does so in the transaction of what led to it.

        `reason` quotes neither inputs nor answers: lists show it.
        """
        return Item(
            id=self._ids.new("review"),
            environment=self._environment,
            workflow=workflow,
            tenant=tenant,
            user_id=user_id,
            prompt_id=prompt_id,
            prompt_version=prompt_version,
            call_id=call_id,
            run_id=run_id,
            step_id=step_id,
            reason=reason,
            created_at=self._clock.now_ms(),
            due_at=due_at,
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

    async def answer(self, review_id: str, value: Json, by: str, note: str = "") -> Item:
        """Answer in a model's place: `value` is what the schema of the question describes, or plain text.

        Raises `InvalidInput` with `details["faults"]` when it does not fit, `NotFound`, and `StateConflict`
        when somebody was first.
        """
        by, note = _name(by), _note(note)
        item = await self.get(review_id)
        if item.status is ItemStatus.OPEN and (faults := Question.from_json(item.question).faults(value)):
            raise InvalidInput(
                f"This does not answer {review_id}: {'; '.join(faults)}.",
                hint=f"See what is asked for: roadworthy reviews show {review_id}",
                details={"faults": faults},
            )
        now_ms = self._clock.now_ms()
        closed = await self._close(
            lambda tx: store.answer(tx, review_id, value, by, note, now_ms), now_ms, Action.REVIEW_ANSWERED
        )
        self._emit("review.answered", closed)
        return closed

    async def decline(self, review_id: str, by: str, note: str) -> Item:
        """Say that there is no answer, and in `note` why; the call that waits for it fails.

        Raises `InvalidInput` without a note, `NotFound`, and `StateConflict` when somebody was first.
        """
        by, note = _name(by), _note(note)
        if not note:
            raise InvalidInput("Say in a note why there is no answer.")
        now_ms = self._clock.now_ms()
        closed = await self._close(
            lambda tx: store.decline(tx, review_id, by, note, now_ms), now_ms, Action.REVIEW_DECLINED
        )
        self._emit("review.declined", closed)
        return closed

    async def _close(self, write: Callable[[sa.Connection], Item], now_ms: int, action: Action) -> Item:
        entry = self._audit.entry(action)

        def close_and_wake(tx: sa.Connection) -> Item:
            item = write(tx)
            if item.run_id is not None:
                self._wake(tx, item.run_id, item.id, now_ms)
            of = {"subject": item.id, "workflow": item.workflow, "tenant": item.tenant}
            self._audit.append(tx, replace(entry, **of))
            return item

        item = await self._database.write(close_and_wake)
        if item.run_id is not None:
            self._ring(item.run_id)
        return item

    def _emit(self, event: EventName, item: Item) -> None:
        measures: dict[str, Any] = {}
        if item.answered_at is not None:
            measures["waited_seconds"] = (item.answered_at - item.created_at) / 1000
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
            **measures,
        )


def _name(by: str) -> str:
    """A person's name, as it is stored. Raises `InvalidInput`."""
    name = by.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"Say who answers: a name of 1 to {_LONGEST_NAME} printable characters.")
    return name


def _note(note: str) -> str:
    """A note, as it is stored. Raises `InvalidInput`."""
    text = note.strip()
    if len(text) > _LONGEST_NOTE:
        raise InvalidInput(f"The note has {len(text)} characters; at most {_LONGEST_NOTE} are kept.")
    return store.storable(text)
