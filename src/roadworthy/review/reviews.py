"""What waits for a person: `Reviews`, for whoever looks, answers, decides or declines.

    new / hold    an open item, to be stored with what led to it
    answer        a question that no model could answer: checked against the schema, stored
    decline       the same without an answer: the call that waits for it fails
    decide        approve, edit or reject an answer; two people where the workflow asks for two
    escalate      what is overdue goes to the next role

Whatever closes an item wakes the run that waits for it, in the same transaction. The app hands in how a run
is woken (`wake`) and told of it (`ring`, after the transaction).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from roadworthy.audit import Action, Audit, Entry
from roadworthy.db import Database
from roadworthy.errors import InvalidInput
from roadworthy.records import Clock, Ids, Json
from roadworthy.review import decided, quality, store, votes
from roadworthy.review.band import Bands
from roadworthy.review.decided import Decided
from roadworthy.review.held import Held
from roadworthy.review.item import Item, ItemStatus, Kind
from roadworthy.review.quality import Quality, Stats
from roadworthy.review.question import Question
from roadworthy.review.reviewer import Reviewer
from roadworthy.review.sampling import Aim
from roadworthy.review.verdict import Choice, Vote
from roadworthy.review.votes import Given
from roadworthy.settings import ReviewSettings, WorkflowSettings
from roadworthy.telemetry import EventName, Telemetry

Wake = Callable[[sa.Connection, str, str, int], None]
"""Wakes a run: the transaction, the run's id, the item's id, and the time in milliseconds."""

_ACTIONS: Mapping[Choice, Action] = {
    Choice.APPROVE: Action.REVIEW_APPROVED,
    Choice.EDIT: Action.REVIEW_EDITED,
    Choice.REJECT: Action.REVIEW_REJECTED,
}
_LONGEST_NAME = 200
_LONGEST_NOTE = 2_000
_AN_HOUR_MS = 3_600_000
_ESCALATED_AT_ONCE = 200
_MOST_CLAIMED_SECONDS = 3_600


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
        workflows: Mapping[str, WorkflowSettings] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._environment = environment
        self._wake = wake
        self._ring = ring
        self._telemetry = telemetry
        self._audit = audit
        self._workflows = workflows or {}

    # What the settings say of a workflow

    def policy(self, workflow: str) -> ReviewSettings:
        """Who decides what this workflow hands over, and by when."""
        chosen = self._workflows.get(workflow)
        return chosen.review if chosen else ReviewSettings()

    def bands(self, workflow: str) -> Bands | None:
        """What is decided without a person; None: nothing."""
        chosen = self._workflows.get(workflow)
        bands = chosen.bands if chosen else None
        return None if bands is None else Bands(bands.proceed, bands.reject)

    def aim(self, workflow: str) -> Aim:
        """What the sampling of this workflow's automatic decisions is to hold."""
        chosen = self._workflows.get(workflow)
        return Aim(**chosen.review_sample.model_dump()) if chosen else Aim()

    # Items

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

    # Questions that no model could answer

    async def answer(self, review_id: str, value: Json, by: Reviewer | str, note: str = "") -> Item:
        """Answer in a model's place: `value` is what the schema of the question describes, or plain text.

        Raises `InvalidInput` with `details["faults"]` when it does not fit, `NotFound`, `Forbidden`, and
        `StateConflict` when somebody was first.
        """
        who, note = _reviewer(by), _note(note)
        item = await self._question(review_id, who)
        if item.status is ItemStatus.OPEN and (faults := Question.from_json(item.question).faults(value)):
            raise _does_not_fit(review_id, faults)
        now_ms = self._clock.now_ms()
        closed = await self._close(
            lambda tx: store.answer(tx, review_id, value, who.name, note, now_ms),
            now_ms,
            Action.REVIEW_ANSWERED,
        )
        self._emit("review.answered", closed)
        return closed

    async def decline(self, review_id: str, by: Reviewer | str, note: str) -> Item:
        """Say that there is no answer, and in `note` why; the call that waits for it fails.

        Raises `InvalidInput` without a note, `NotFound`, `Forbidden`, and `StateConflict` when somebody was
        first.
        """
        who, note = _reviewer(by), _note(note)
        if not note:
            raise InvalidInput("Say in a note why there is no answer.")
        await self._question(review_id, who)
        now_ms = self._clock.now_ms()
        closed = await self._close(
            lambda tx: store.decline(tx, review_id, who.name, note, now_ms), now_ms, Action.REVIEW_DECLINED
        )
        self._emit("review.declined", closed)
        return closed

    # Answers that are to be decided on, or were

    async def decide(
        self,
        review_id: str,
        verdict: Choice | str,
        *,
        by: Reviewer | str,
        value: Json = None,
        note: str = "",
        expected_version: int | None = None,
    ) -> Item:
        """Approve an answer, edit it (`value` is the whole new one) or reject it (`note` says why).

        An edit that changes nothing approves. With the two-person rule the item stays open after the first
        verdict. A sampled item says whether an automatic decision was right. `expected_version` is the
        `version` of the item that was looked at.

        Raises `InvalidInput` with `details["faults"]` for an edit that does not fit the schema, or without a
        reason for a rejection; `NotFound`; `Forbidden`; `StateConflict`, which says who was first.
        """
        who, note, choice = _reviewer(by), _note(note), _choice(verdict)
        item = await self.get(review_id)
        if item.kind is Kind.ANSWER:
            raise InvalidInput(
                f"{review_id} asks for an answer, not for a decision.",
                hint=f"Answer it: roadworthy reviews answer {review_id}",
            )
        votes.require_role(item, who)
        if item.status is not ItemStatus.OPEN:
            raise store.closed_already(item)
        held = Held.from_json(item.question)
        if choice is Choice.REJECT and not note:
            raise InvalidInput("Say in a note why it is rejected.")
        if choice is Choice.EDIT:
            if faults := held.faults(value):
                raise _does_not_fit(review_id, faults)
            choice = Choice.APPROVE if held.is_same(value) else choice
        now_ms = self._clock.now_ms()
        edited = value if choice is Choice.EDIT else None
        said = Vote(who.id, store.storable(who.name), choice, edited, note, now_ms)
        entry = self._audit.entry(_ACTIONS[choice])

        def give(tx: sa.Connection) -> tuple[Given, Quality | None]:
            given, alarm = self._give(tx, review_id, who, said, held, expected_version)
            self._note_down(tx, entry, given.item)
            return given, alarm

        given, alarm = await self._database.write(give)
        self._report(given, alarm)
        return given.item

    async def verdicts(self, review_id: str, for_by: Reviewer | str) -> list[Vote]:
        """What people have said. Of an open item, only whoever has given a verdict is shown the others'."""
        who = _reviewer(for_by)

        def look(tx: sa.Connection) -> list[Vote]:
            item, said = store.get(tx, review_id), votes.said_of(tx, review_id)
            known = item.status is not ItemStatus.OPEN or any(one.by_id == who.id for one in said)
            return said if known else []

        return await self._database.read(look)

    async def claim(self, review_id: str, by: Reviewer | str, seconds: float = 120) -> Item:
        """Say that one looks at an open item now; again before the time is over to go on.

        It is yours when the item's `claimed_by` is your id: else somebody else looks at it, who is only to be
        told of. A claim keeps nobody from deciding. Raises `NotFound`, `Forbidden`, `StateConflict`.
        """
        who, now_ms = _reviewer(by), self._clock.now_ms()
        until_ms = now_ms + int(min(seconds, _MOST_CLAIMED_SECONDS) * 1000)
        entry = self._audit.entry(Action.REVIEW_CLAIMED)

        def claim(tx: sa.Connection) -> Item:
            before = store.get(tx, review_id)
            votes.require_role(before, who)
            item = votes.claim(tx, review_id, who, until_ms, now_ms)
            if item.claimed_by == who.id != before.claimed_by:  # going on with one's own is no news
                self._note_down(tx, entry, item)
            return item

        return await self._database.write(claim)

    async def release(self, review_id: str, by: Reviewer | str) -> Item:
        """Give one's claim up; another's stays. Raises `NotFound`."""
        who = _reviewer(by)
        return await self._database.write(lambda tx: votes.release(tx, review_id, who.id))

    async def assign(self, review_id: str, to: str | None) -> Item:
        """Say by name who is to decide an open item, or nobody in particular; whoever may hand out work may.

        Raises `NotFound`, `StateConflict`.
        """
        name = None if to is None else _name(to)
        entry = self._audit.entry(Action.REVIEW_ASSIGNED)

        def assign(tx: sa.Connection) -> Item:
            item = votes.assign(tx, review_id, name)
            self._note_down(tx, entry, item)
            return item

        return await self._database.write(assign)

    async def save_draft(self, review_id: str, draft: Json, *, by: Reviewer | str) -> int:
        """Keep what somebody has written so far, for them alone; returns the time, in milliseconds.

        It stays when somebody else decides first. Raises `NotFound`, `Forbidden`, `InvalidInput`.
        """
        who, now_ms = _reviewer(by), self._clock.now_ms()

        def save(tx: sa.Connection) -> None:
            votes.require_role(store.get(tx, review_id), who)
            votes.save_draft(tx, review_id, who.id, draft, now_ms)

        await self._database.write(save)
        return now_ms

    async def draft(self, review_id: str, by: Reviewer | str) -> tuple[Json, int] | None:
        """One's own draft, and when it was saved; None without one."""
        who = _reviewer(by)
        return await self._database.read(lambda tx: votes.draft(tx, review_id, who.id))

    # The clock

    async def escalate(self, now_ms: int | None = None) -> int:
        """Hand what is overdue to the next role, some hundred items at a time; returns how many that were."""
        now = self._clock.now_ms() if now_ms is None else now_ms
        escalated, left = await self._database.write(lambda tx: votes.escalate(tx, now, _ESCALATED_AT_ONCE))
        for item in escalated:
            self._emit("review.escalated", item, role=item.roles[0])
        for item in left:
            self._emit("review.overdue", item)
        return len(escalated) + len(left)

    # Inside

    async def _question(self, review_id: str, who: Reviewer) -> Item:
        item = await self.get(review_id)
        if item.kind is not Kind.ANSWER:
            raise InvalidInput(
                f"{review_id} asks for a decision, not for an answer.",
                hint=f"Decide it: roadworthy reviews approve, edit or reject {review_id}",
            )
        votes.require_role(item, who)
        return item

    def _give(
        self,
        tx: sa.Connection,
        review_id: str,
        who: Reviewer,
        said: Vote,
        held: Held,
        expected_version: int | None,
    ) -> tuple[Given, Quality | None]:
        given = votes.give(tx, review_id, who, said, expected_version=expected_version, now_ms=said.at)
        item = given.item
        if given.led_to != "decided" or not given.first_time:
            return given, None
        if item.kind is Kind.DECISION and item.run_id is not None:
            self._wake(tx, item.run_id, item.id, said.at)
        if item.kind is not Kind.SAMPLE:
            return given, None
        agrees = Choice.REJECT if held.verdict == "rejected" else Choice.APPROVE
        found, alarm = quality.record(
            tx,
            item.environment,
            item.workflow,
            item.prompt_version,
            wrong=said.choice is not agrees,
            aim=self.aim(item.workflow),
            now_ms=said.at,
        )
        return given, found if alarm else None

    def _report(self, given: Given, alarm: Quality | None) -> None:
        item = given.item
        if given.led_to == "disputed":
            self._emit("review.disputed", item, role=item.roles[0])
        if given.led_to != "decided":
            return
        if item.kind is Kind.DECISION and item.run_id is not None:
            self._ring(item.run_id)
        self._emit("review.decided", item, verdict=item.status.value)
        if alarm is not None:
            self._telemetry.emit(
                "sampling.alarm",
                environment=item.environment,
                workflow=item.workflow,
                prompt_version=item.prompt_version,
                reviewed=alarm.reviewed,
                errors=alarm.errors,
            )

    async def _close(self, write: Callable[[sa.Connection], Item], now_ms: int, action: Action) -> Item:
        entry = self._audit.entry(action)

        def close_and_wake(tx: sa.Connection) -> Item:
            item = write(tx)
            if item.run_id is not None:
                self._wake(tx, item.run_id, item.id, now_ms)
            self._note_down(tx, entry, item)
            return item

        item = await self._database.write(close_and_wake)
        if item.run_id is not None:
            self._ring(item.run_id)
        return item

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


def _reviewer(by: Reviewer | str) -> Reviewer:
    """Who it is; code that gives a bare name speaks for the machine that holds the database."""
    if isinstance(by, str):
        return Reviewer.terminal(_name(by))
    _name(by.name)
    return by


def _choice(verdict: Choice | str) -> Choice:
    try:
        return Choice(verdict)
    except ValueError:
        known = ", ".join(repr(one.value) for one in Choice)
        raise InvalidInput(f"A verdict is one of {known}.") from None


def _does_not_fit(review_id: str, faults: list[str]) -> InvalidInput:
    return InvalidInput(
        f"This does not answer {review_id}: {'; '.join(faults)}.",
        hint=f"See what is asked for: roadworthy reviews show {review_id}",
        details={"faults": faults},
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
