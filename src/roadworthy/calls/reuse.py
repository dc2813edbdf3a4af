"""Answers that are given again: the key of a call, the fresh hit, single flight, and what is kept.

A key says: the same rendered request, to the same models with the same settings, for an answer of the same
schema, past the same checks, by somebody who may see the same. Whatever of it changes, the answer is asked
for anew.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from roadworthy.calls.call import Call, Progress
from roadworthy.calls.plan import Plan
from roadworthy.calls.rungs import Given, PutOff
from roadworthy.errors import ErrorKind, ProviderError, RoadworthyError
from roadworthy.models import AnswerCache, Cached, Digests, Message, answer_key
from roadworthy.records import Clock, to_micro_usd
from roadworthy.settings import AnswerCacheSettings

T = TypeVar("T")

_KEPT = AnswerCacheSettings()
"""How answers are kept that only help out when no model answers."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """The call that others waited for had no answer: they make their own, all at once."""

    error: RoadworthyError


class Reuse:
    """The answers of a project that are given again."""

    def __init__(self, *, cache: AnswerCache, clock: Clock, calibrated: Callable[[str], str]) -> None:
        """`calibrated` changes with what turns a prompt's signals into confidence, which is kept too."""
        self._cache = cache
        self._clock = clock
        self._calibrated = calibrated
        self._digests = Digests()

    def key(self, call: Call[Any], plan: Plan, messages: tuple[Message, ...]) -> str | None:
        """The key of a call's answer; None where answers are not kept."""
        settings = plan.settings.cache
        if settings is None and "cache" not in plan.settings.then:
            return None
        scope = {"everyone": (), "tenant": (call.tenant,), "user": (call.tenant, call.user_id)}
        wanted = call.version.settings
        return answer_key(
            messages,
            digests=self._digests,
            targets=plan.targets,
            prompt_hash=call.version.content_hash,
            output_schema=call.output.schema,
            temperature=wanted.temperature,
            max_tokens=wanted.max_tokens,
            seed=wanted.seed,
            stop=wanted.stop,
            policy=call.rules.policy
            + (call.conversation.digest if call.conversation else "")
            + self._calibrated(call.version.prompt_id),
            scope=scope[(settings or _KEPT).scope],
            permissions=call.permissions,
            inputs=call.inputs,
        )

    def gives_fresh(self, plan: Plan) -> bool:
        """Whether an answer is given again although a model could be asked."""
        return plan.settings.cache is not None and plan.settings.cache.ttl_seconds > 0

    async def once(
        self,
        call: Call[T],
        key: str,
        progress: Progress,
        make: Callable[[], Awaitable[Given[T] | PutOff]],
        otherwise: Callable[[RoadworthyError], Awaitable[Given[T] | PutOff]],
    ) -> Given[T] | PutOff:
        """The answer that is known, or that an equal call is just being given, or else what `make` gives.

        When the equal call takes longer than this one may, there is what `otherwise` gives.
        """
        known = await self._cache.get(key)
        if known is not None:
            return self._again(call, known, progress)

        async def leading() -> Given[T] | PutOff | _Failed:
            try:
                return await make()
            except RoadworthyError as error:
                return _Failed(error)

        try:
            result, mine = await self._cache.once(key, leading, seconds=max(0.0, progress.seconds_left))
        except TimeoutError:
            late = ProviderError(
                "An equal call that this one waited for was not answered in time.",
                kind=ErrorKind.TIMEOUT,
                hint="Raise timeout_seconds of the route.",
            )
            return await otherwise(late)
        if mine:
            if isinstance(result, _Failed):
                raise result.error
            return result
        if isinstance(result, Given) and result.kept is not None:
            return self._again(call, result.kept, progress)
        return await make()

    def keep(
        self, call: Call[T], plan: Plan, key: str | None, given: Given[T], progress: Progress
    ) -> Given[T]:
        """Have an answer of a model stored for others, in the transaction that records its call."""
        attempt = given.attempt
        if key is None or attempt is None or attempt.response is None:
            return given
        entry = Cached.make(
            key,
            call.output.dump(given.value),
            prompt_id=call.version.prompt_id,
            tenant=call.tenant,
            model=attempt.served_model,
            rung=given.rung,
            usage=attempt.usage,
            cost_micro_usd=to_micro_usd(progress.cost_usd),
            confidence=given.confidence,
            degraded=given.degraded,
            complete=attempt.response.finish_reason in ("stop", "tool_calls"),
            now_ms=self._clock.now_ms(),
            settings=plan.settings.cache or _KEPT,
        )
        if not entry.complete:
            return given
        progress.keep = lambda tx: self._cache.store(tx, entry)
        return replace(given, kept=entry)

    def recorded(self, given: Given[Any]) -> None:
        """Hold a new answer in memory: its call is on record, or in the transaction that ends its step."""
        if given.kept is not None:
            self._cache.remember(given.kept)

    def _again(self, call: Call[T], known: Cached, progress: Progress) -> Given[T]:
        progress.keep = lambda tx: self._cache.hits(tx, {known.key: 1})
        return Given(
            call.output.load(known.value),
            "cache",
            cached=known,
            confidence=known.confidence,
            degraded=known.degraded,
            saved_micro_usd=known.cost_micro_usd,
        )
