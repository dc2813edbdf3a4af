"""A version of a prompt by a route, as it would serve: rules, checks, repairs, fallbacks and all.

Calls go through the project's own pipeline, on record and within budgets. Nobody is asked for an answer:
where a person would be, that is the outcome (`needs_person`).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from roadworthy.calls import Answer, AttemptStatus, Call, CallPutOff, Output, Pipeline, Rules
from roadworthy.db import Database
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.errors import (
    BudgetSpent,
    ErrorKind,
    InvalidAnswer,
    ProviderError,
    RenderError,
    RoadworthyError,
)
from roadworthy.evals.case import Case, digest
from roadworthy.evals.tape import Tape
from roadworthy.evals.target import NOT_ON_TAPE, Asked, Outcome
from roadworthy.models import Digests, Message, Models, Target, answer_key
from roadworthy.prompts import Version, render
from roadworthy.settings import Settings

NEEDS_PERSON = "needs_person"
"""The failure of a call that a person would have been asked for."""


_OF_ANSWERS = frozenset({ErrorKind.REFUSED, ErrorKind.CONTEXT_WINDOW})
"""Failures that say something of a request and its answer, not of a moment."""
_ANSWERED = frozenset({AttemptStatus.SUCCEEDED, AttemptStatus.INVALID})


@dataclass(frozen=True, slots=True)
class Asking:
    """What all prompts of one experiment are asked with."""

    pipeline: Pipeline
    models: Models
    settings: Settings
    database: Database
    tape: Tape
    task: str
    """What its calls are for: an experiment's id, by which they are on record and have their budget."""


class PromptTarget:
    """One version of a prompt, by one route."""

    def __init__(
        self, version: Version, output: Output[Any], rules: Rules, route: str, asking: Asking
    ) -> None:
        self._version = version
        self._output = output
        self._rules = rules
        self._route = route
        self._asking = asking
        self._digests = Digests()
        named = [name for rule in asking.settings.routes[route].rules for name in rule.models]
        self._targets = (*asking.models.route(route), *map(asking.models.target, named))
        functions = (
            *rules.before,
            *rules.checks,
            *rules.signals,
            *((rules.fallback,) if rules.fallback else ()),
        )
        routed = asking.settings.routes[route].model_dump(
            mode="json", exclude={"cache", "timeout_seconds"}, exclude_defaults=True
        )
        in_code = _functions(self._targets, asking.settings.root)
        self._parts = {
            "prompt": version.content_hash,
            "answer type": digest(output.schema),
            "rules": digest([[one.name, one.version] for one in functions]),
            "models": self._digests.of_models(self._targets) + in_code,
            "route": digest(routed),
        }
        self._policy = "".join(self._parts[name] for name in ("rules", "route", "models"))
        self._keys: dict[str, str | None] = {}

    @property
    def parts(self) -> dict[str, str]:
        """What it is made of."""
        return self._parts

    def running(self) -> AbstractAsyncContextManager[None]:
        """Nothing is needed."""
        return nullcontext()

    async def recall(self, asked: Sequence[Asked]) -> Mapping[tuple[str, int], Outcome]:
        """What the tape knows of these."""
        keys = {
            f"{key}:{repeat}": (case.id, repeat)
            for case, repeat in asked
            if (key := self._key(case)) is not None
        }
        known = await self._asking.tape.find(keys)
        return {keys[key]: outcome for key, outcome in known.items()}

    async def answer(self, case: Case, repeat: int) -> Outcome:
        """Ask. What only fails this time is not recorded."""
        key = self._key(case)
        if self._asking.tape.mode == "strict":
            missing = f"The tape has no answer to case {case.id!r} for {self._version.name}."
            return Outcome(error=NOT_ON_TAPE, message=missing)
        outcome, lasts = await self._asked(case.inputs)
        if lasts and key is not None:
            await self._asking.tape.record(f"{key}:{repeat}", outcome)
        return outcome

    async def ask(self, inputs: Mapping[str, Any], repeat: int) -> Outcome:
        """Ask with inputs that belong to no case, as judges are asked; from the tape where it knows."""
        case = Case(digest(dict(inputs)), dict(inputs))
        known = await self.recall([(case, repeat)])
        return known.get((case.id, repeat)) or await self.answer(case, repeat)

    def _key(self, case: Case) -> str | None:
        if case.id not in self._keys:
            self._keys[case.id] = self._made_key(case.inputs)
        return self._keys[case.id]

    def _made_key(self, inputs: Mapping[str, Any]) -> str | None:
        try:
            rendered = render(self._version, inputs)
        except RenderError:
            return None
        wanted = self._version.settings
        return answer_key(
            tuple(Message(role, text) for role, text in rendered.messages),
            digests=self._digests,
            targets=self._targets,
            prompt_hash="",  # other texts that render to the same messages are answered alike
            output_schema=self._output.schema,
            temperature=wanted.temperature,
            max_tokens=wanted.max_tokens,
            seed=wanted.seed,
            stop=wanted.stop,
            policy=self._policy,
            inputs=inputs,
        )

    async def _asked(self, inputs: Mapping[str, Any]) -> tuple[Outcome, bool]:
        """What came of it, and whether the same would come of it again."""
        call = Call(self._version, inputs, self._output, self._route, self._rules, task=self._asking.task)
        try:
            answer = await self._asking.pipeline.call(call)
        except BudgetSpent:
            raise
        except CallPutOff as waiting:
            return Outcome(error=NEEDS_PERSON, message=waiting.put_off.error.message, rung="review"), False
        except RoadworthyError as error:
            return Outcome(error=_kind(error), message=error.message), _lasts(error)
        return self._told(answer), not answer.degraded or await self._says_something(answer.call_id)

    async def _says_something(self, call_id: str) -> bool:
        """Whether a fallback answered because of what models said, and not because one could not be asked."""

        def look(tx: sa.Connection) -> bool:
            skipped = tx.execute(sa.select(calls.c.skipped).where(calls.c.id == call_id)).scalar()
            columns = (call_attempts.c.status, call_attempts.c.error_kind)
            tried = tx.execute(sa.select(*columns).where(call_attempts.c.call_id == call_id)).all()
            return not skipped and all(
                one.status in (AttemptStatus.SUCCEEDED, AttemptStatus.INVALID)
                or one.error_kind in _OF_ANSWERS
                for one in tried
            )

        return await self._asking.database.read(look)

    def _told(self, answer: Answer[Any]) -> Outcome:
        return Outcome(
            output=self._output.dump(answer.value),
            cost_usd=answer.cost_usd,
            latency_seconds=answer.latency_seconds,
            usage=answer.usage,
            rung=answer.rung,
            model=answer.model,
            confidence=answer.confidence,
            record_id=answer.call_id,
        )


def _functions(targets: Iterable[Target], root: Path) -> str:
    """A digest of the files of models that are functions of the project; empty without any."""
    names = (target.model.partition(":")[0] for target in targets if target.provider == "python")
    files = [root.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()]
    return digest(texts) if texts else ""


def _kind(error: RoadworthyError) -> str:
    return error.kind.value if isinstance(error, ProviderError) else error.code


def _lasts(error: RoadworthyError) -> bool:
    """Whether a failure says something of the model's answer, not of a moment."""
    return isinstance(error, InvalidAnswer) or (
        isinstance(error, ProviderError) and error.kind in _OF_ANSWERS
    )
