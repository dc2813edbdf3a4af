"""`app.decide`: a model has judged, now a rule or people decide.

    rule       the bands say yes, no, or that a person is needed (`review/band.py`); one step
    sample     a yes or a no by the rule is drawn for a later look, or not, in that step's transaction
    hold       the run waits for people, held by no process
    take       what they decided becomes the decision; one step

Each decision is a record under its id, stored with the outcome of the step that makes it. An edit that is
not of the declared type, or an answer that has another form by now, is asked about again.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from roadworthy.calls import Answer, By, Decision, Output, Verdict
from roadworthy.calls.decision import made as made_decision
from roadworthy.db import pack
from roadworthy.errors import InvalidAnswer, InvalidInput
from roadworthy.records import Json
from roadworthy.review import (
    RULE,
    Bands,
    Decided,
    Held,
    Item,
    ItemStatus,
    Kind,
    Reviews,
    decided,
    quality,
    rule_on,
    signal_name,
    store,
)
from roadworthy.review.verdict import same
from roadworthy.workflows import wait
from roadworthy.workflows.context import RunContext, StepContext
from roadworthy.workflows.run import StepKind
from roadworthy.workflows.signature import as_json, content_hash
from roadworthy.workflows.step import Spec, execute

T = TypeVar("T")

_UNFORESEEN = secrets.SystemRandom()
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_VERDICTS: Mapping[ItemStatus, Verdict] = {
    ItemStatus.APPROVED: "approved",
    ItemStatus.EDITED: "edited",
    ItemStatus.REJECTED: "rejected",
}


class Decider:
    """Decides on answers, for workflows."""

    def __init__(
        self,
        reviews: Callable[[], Reviews],
        output_of: Callable[[Answer[Any]], tuple[Output[Any], tuple[str, ...]]],
        draw: Callable[[], float] = _UNFORESEEN.random,
    ) -> None:
        """`output_of` says of what type an answer is, and by what names its checks go.

        `draw` gives a number from 0 to 1 that nobody can foresee.
        """
        self._reviews = reviews
        self._output_of = output_of
        self._draw = draw

    async def decide(
        self, answer: Answer[T], *, evidence: Iterable[object] | str, conflict: bool, edge_case: str
    ) -> Decision[T]:
        """The decision on an answer; the run waits for people where the bands do not say."""
        if not isinstance(answer, Answer):  # pyright: ignore[reportUnnecessaryIsInstance] - users may err
            raise InvalidInput(f"app.decide takes an Answer, not a {type(answer).__name__}.")
        context = wait.in_main_task("app.decide")
        one = _OneAnswer(context, self._reviews(), answer, *self._output_of(answer), self._draw)
        stored = await one.ruled(_listed(evidence), conflict=conflict, edge_case=edge_case)
        while "ask" in stored:
            await wait.wait_for_signal(signal_name(stored["ask"]))
            stored = await one.taken(stored["ask"], stored["because"])
        return one.loaded(stored)


class _OneAnswer:
    """One answer's way to a decision."""

    def __init__(
        self,
        context: RunContext,
        reviews: Reviews,
        answer: Answer[Any],
        output: Output[Any],
        checks: tuple[str, ...],
        draw: Callable[[], float],
    ) -> None:
        self._context = context
        self._reviews = reviews
        self._answer = answer
        self._output = output
        self._checks = checks
        self._draw = draw
        self._prompt_id = answer.prompt_version.rpartition("@")[0] or answer.prompt_version
        self._made: list[Decided] = []
        self._opened: list[Item] = []

    async def ruled(self, evidence: Json, *, conflict: bool, edge_case: str) -> dict[str, Any]:
        """What the bands say."""
        answer = self._answer

        async def work(step: StepContext) -> Json:
            bands, confidence = await self._bands()
            ruling = rule_on(
                confidence,
                bands,
                conflict=conflict,
                edge_case=edge_case,
                degraded=answer.degraded,
                stale=answer.stale,
            )
            held = Held(
                value=self._output.as_said(answer.value),
                schema=self._output.schema,
                evidence=evidence,
                because=ruling.because,
                verdict="" if ruling.outcome == "ask" else ruling.outcome,
                confidence=confidence,
                proceed=bands.proceed if bands else None,
                reject=bands.reject if bands else None,
                rung=answer.rung,
                model=answer.model,
                checks=self._checks,
            )
            self._require_room(held)
            if ruling.outcome == "ask":
                return self._ask(step, held, ruling.because)
            return await self._by_rule(step, held, ruling.outcome)

        recorded: dict[str, Json] = {
            "call_id": answer.call_id,
            "prompt": answer.prompt_version,
            "confidence": answer.confidence,
            "conflict": conflict,
            "edge_case": edge_case,
            "value": content_hash(as_json(answer.value, "The answer")),
        }
        return await self._step(f"decide {self._prompt_id}", recorded, work)

    async def _bands(self) -> tuple[Bands | None, float | None]:
        """What decides by itself, and how sure one may be of the answer by the same measure."""
        answer, workflow = self._answer, self._context.run.workflow
        proven = await self._reviews.proven(
            workflow, self._prompt_id, answer.prompt_hash, answer.model, answer.call_id
        )
        return proven or (self._reviews.bands(workflow), answer.confidence)

    async def taken(self, review_id: str, because: str) -> dict[str, Any]:
        """What people decided; or what is to be waited for instead."""

        async def work(step: StepContext) -> Json:
            item = await self._context.parts.database.read(lambda tx: store.get(tx, review_id))
            verdict = _VERDICTS.get(item.status)
            if verdict is None:  # somebody else sent the signal: it has no say
                return {"ask": review_id, "because": because}
            held = Held.from_json(item.question)
            if verdict == "approved" and not same(held.value, self._output.as_said(self._answer.value)):
                now = replace(
                    held, value=self._output.as_said(self._answer.value), schema=self._output.schema
                )
                return self._ask(step, now, "the answer has another form since the code changed")
            edited: dict[str, Json] = {}
            value = self._answer.value
            if verdict == "edited":
                try:
                    edited["value"] = self._output.dump(self._output.parse(item.answer_text))
                except InvalidAnswer as error:
                    return self._ask(step, replace(held, because=str(error)), "an edit was not of its type")
                value = self._output.load(edited["value"])
            by: By = "people" if item.people > 1 else "person"
            record = self._record(
                step,
                held,
                verdict=verdict,
                by=by,
                name=item.answered_by or "",
                reason=item.note,
                asked_because=because,
                review_id=review_id,
                value_hash=value_hash(value),
            )
            return self._keep(step, record, edited)

        recorded: dict[str, Json] = {"review_id": review_id}
        return await self._step(f"decide {self._prompt_id} by a person", recorded, work)

    def loaded(self, stored: dict[str, Any]) -> Decision[Any]:
        """The decision as the workflow gets it: the same live and on a replay."""
        edited = "value" in stored
        return made_decision(
            self._output.load(stored["value"]) if edited else self._answer.value,
            stored["by"],
            stored["name"],
            reason=stored["reason"],
            call_id=self._answer.call_id,
            verdict=stored["verdict"],
            decision_id=stored["decision_id"],
        )

    async def _by_rule(self, step: StepContext, held: Held, verdict: Verdict) -> Json:
        run, parts = self._context.run, self._context.parts
        aim, version = self._reviews.aim(run.workflow), self._answer.prompt_version
        known = await parts.database.read(
            lambda tx: quality.of(tx, parts.settings.environment, run.workflow, version)
        )
        share = aim.share(known.watch.upper)
        record = self._record(
            step,
            held,
            verdict=verdict,
            by="rule",
            name=RULE,
            reason=held.because,
            value_hash=value_hash(self._answer.value),
            sampled=self._draw() < share,
            sample_share=share,
        )
        if record.sampled:
            item = self._item(step, held, f"{verdict} by rule: {held.because}", Kind.SAMPLE, record.id)
            record = replace(record, review_id=item.id)
            self._open(step, item)
        return self._keep(step, record, {})

    def _record(self, step: StepContext, held: Held, **more: Any) -> Decided:
        run, parts, answer = self._context.run, self._context.parts, self._answer
        return Decided(
            id=parts.ids.new("dec"),
            run_id=run.id,
            step_id=step.step_id,
            call_id=answer.call_id,
            environment=parts.settings.environment,
            workflow=run.workflow,
            tenant=run.tenant,
            prompt_version=answer.prompt_version,
            prompt_hash=answer.prompt_hash,
            confidence=held.confidence,
            band_proceed=held.proceed,
            band_reject=held.reject,
            created_at=parts.clock.now_ms(),
            **more,
        )

    def _keep(self, step: StepContext, record: Decided, edited: dict[str, Json]) -> Json:
        step.effects.append(partial(decided.add, made=record))
        self._made.append(record)
        about = {name: getattr(record, name) for name in ("verdict", "by", "name", "reason")}
        return {**about, "decision_id": record.id, **edited}

    def _ask(self, step: StepContext, held: Held, because: str) -> Json:
        item = self._item(step, held, because, Kind.DECISION, None)
        self._open(step, item)
        return {"ask": item.id, "because": because}

    def _item(self, step: StepContext, held: Held, reason: str, kind: Kind, decision_id: str | None) -> Item:
        run = self._context.run
        return self._reviews.new(
            held,
            reason=reason,
            kind=kind,
            workflow=run.workflow,
            tenant=run.tenant,
            user_id=run.user_id,
            prompt_id=self._prompt_id,
            prompt_version=self._answer.prompt_version,
            call_id=self._answer.call_id,
            run_id=run.id,
            step_id=step.step_id,
            decision_id=decision_id,
        )

    def _open(self, step: StepContext, item: Item) -> None:
        step.effects.append(partial(_store, item=item))
        self._opened.append(item)

    async def _step(self, name: str, recorded: dict[str, Json], work: Any) -> dict[str, Any]:
        """Take a step, and report what it stored once that is stored."""
        stored = await execute(self._context, Spec(name, StepKind.DECISION), recorded, work)
        emit, run = self._context.parts.telemetry.emit, self._context.run
        for made in self._made:
            emit(
                "decision.made",
                run_id=run.id,
                workflow=run.workflow,
                step_id=made.step_id,
                decision_id=made.id,
                call_id=made.call_id,
                prompt_version=made.prompt_version,
                verdict=made.verdict,
                by=made.by,
                sampled=made.sampled,
            )
        for item in self._opened:
            self._reviews.opened(item)
        self._made, self._opened = [], []
        return cast("dict[str, Any]", stored)

    def _require_room(self, held: Held) -> None:
        size, limit = len(pack(held.as_json())), self._context.parts.settings.limits.max_input_bytes
        if size > limit:
            raise InvalidInput(
                f"Answer and evidence are {size} bytes, more than limits.max_input_bytes ({limit}).",
                hint="Give the passages that matter, or where the rest is found.",
            )


def value_hash(value: Any) -> str:
    """A hash of what was decided on, the same in every process."""
    plain = _ordered(_ANYTHING.dump_python(value, warnings=False))
    return content_hash(as_json(plain, "The value of a decision"))


def _ordered(value: Any) -> Any:
    """Sets in an order: their own is another one in each process."""
    if isinstance(value, Mapping):
        return {key: _ordered(one) for key, one in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, set | frozenset):
        return sorted((_ordered(one) for one in cast("set[Any]", value)), key=repr)
    if isinstance(value, list | tuple):
        return [_ordered(one) for one in cast("list[Any]", value)]
    return value


def _store(tx: Any, item: Item) -> None:
    store.add(tx, item)


def _listed(evidence: Iterable[object] | str) -> Json:
    """Evidence as a list; one text, object or model is a list of one, for iterating it gives its parts."""
    alone = isinstance(evidence, str | bytes | Mapping) or hasattr(evidence, "model_dump")
    given: list[object] = [evidence] if alone else list(cast("Iterable[object]", evidence))
    return as_json(given, "The evidence of a decision")
