"""What waits for a person: `Reviews`, for whoever looks, answers, decides or declines.

    register      opens items and finds them
    desk          who is at work on which
    answer        a question that no model could answer: checked against the schema, stored
    decline       the same without an answer: the call that waits for it fails
    decide        approve, edit or reject an answer; two people where the workflow asks for two
    escalate      what is overdue goes to the next role

Whatever closes an item wakes the run that waits for it, in the same transaction. The app hands in how a run
is woken (`wake`) and told of it (`ring`, after the transaction).
"""

import hashlib
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from roadworthy.audit import Action
from roadworthy.db.payloads import canonical, pack
from roadworthy.errors import InvalidInput
from roadworthy.records import Json
from roadworthy.review import quality, store, votes
from roadworthy.review.desk import Desk
from roadworthy.review.held import Held
from roadworthy.review.item import Item, ItemStatus, Kind
from roadworthy.review.quality import Quality
from roadworthy.review.question import Question
from roadworthy.review.reviewer import Reviewer, reviewer_of
from roadworthy.review.verdict import Choice, Vote, choice_of
from roadworthy.review.votes import Given

_ACTIONS: Mapping[Choice, Action] = {
    Choice.APPROVE: Action.REVIEW_APPROVED,
    Choice.EDIT: Action.REVIEW_EDITED,
    Choice.REJECT: Action.REVIEW_REJECTED,
}
_LONGEST_NOTE = 2_000
_ESCALATED_AT_ONCE = 200


class Reviews(Desk):
    """The review items of a project."""

    # Questions that no model could answer

    async def answer(self, review_id: str, value: Json, by: Reviewer | str, note: str = "") -> Item:
        """Answer in a model's place: `value` is what the schema of the question describes, or plain text.

        Raises `InvalidInput` with `details["faults"]` when it does not fit, `NotFound`, `Forbidden`, and
        `StateConflict` when somebody was first.
        """
        who, note = reviewer_of(by), _note(note)
        item = await self._question(review_id, who)
        if item.status is ItemStatus.OPEN and (faults := Question.from_json(item.question).faults(value)):
            raise _does_not_fit(review_id, faults)
        now_ms = self._clock.now_ms()
        closed = await self._close(
            lambda tx: store.answer(tx, review_id, value, who.name, note, now_ms),
            now_ms,
            Action.REVIEW_ANSWERED,
            _digests(answer=value),
        )
        self._emit("review.answered", closed)
        return closed

    async def decline(self, review_id: str, by: Reviewer | str, note: str) -> Item:
        """Say that there is no answer, and in `note` why; the call that waits for it fails.

        Raises `InvalidInput` without a note, `NotFound`, `Forbidden`, and `StateConflict` when somebody was
        first.
        """
        who, note = reviewer_of(by), _note(note)
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
        who, note, choice = reviewer_of(by), _note(note), choice_of(verdict)
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
        entry = self._audit.entry(_ACTIONS[choice], detail=_digests(answer=held.value, edited=edited))

        def give(tx: sa.Connection) -> tuple[Given, Quality | None]:
            given, alarm = self._give(tx, review_id, who, said, held, expected_version)
            self._note_down(tx, entry, given.item)
            return given, alarm

        given, alarm = await self._database.write(give)
        self._report(given, alarm)
        return given.item

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

    async def _close(
        self,
        write: Callable[[sa.Connection], Item],
        now_ms: int,
        action: Action,
        detail: Mapping[str, Json] | None = None,
    ) -> Item:
        entry = self._audit.entry(action, detail=detail)

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


def _digests(**values: Json) -> dict[str, Json]:
    """What the audit log keeps of answers: the SHA-256 of their canonical JSON. Raises `InvalidInput`."""
    given: dict[str, Json] = {name: value for name, value in values.items() if value is not None}
    pack(given)  # what cannot be stored has no canonical form
    return {
        f"{name}_sha256": hashlib.sha256(canonical(value).encode()).hexdigest()
        for name, value in given.items()
    }


def _does_not_fit(review_id: str, faults: list[str]) -> InvalidInput:
    return InvalidInput(
        f"This does not answer {review_id}: {'; '.join(faults)}.",
        hint=f"See what is asked for: roadworthy reviews show {review_id}",
        details={"faults": faults},
    )


def _note(note: str) -> str:
    """A note, as it is stored. Raises `InvalidInput`."""
    text = note.strip()
    if len(text) > _LONGEST_NOTE:
        raise InvalidInput(f"The note has {len(text)} characters; at most {_LONGEST_NOTE} are kept.")
    return store.storable(text)
