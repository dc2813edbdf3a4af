"""What all dialects have in common: from an order to a call, and from its answer to a response.

`Desk` makes the call through the project's pipeline, so routes, budgets, cache, retries and records are those
of every other call. Headers say what became of it: `Roadworthy-Call-Id`, `-Rung`, `-Model`, `-Cost-Usd`,
`-Degraded`, `-Stale`; a stream's headers go out before its cost is known.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa
from fastapi import Request
from starlette.responses import Response

from roadworthy.calls import Answer, Call, Conversation, Output, Recording, Reply, ad_hoc_version
from roadworthy.errors import NotFound, did_you_mean
from roadworthy.prompts import CallSettings
from roadworthy.releases import Exposure
from roadworthy.service.gateway.again import Again, Claim
from roadworthy.service.gateway.asking import Asking, ClientGone, Mailbox, UnderWay
from roadworthy.service.gateway.caller import About
from roadworthy.service.gateway.fault import fault_of, refuse
from roadworthy.service.gateway.stream import Events, Stream

if TYPE_CHECKING:
    from roadworthy.app import App

T = TypeVar("T")

_MOST_METADATA = 16
_LONGEST_METADATA = 200
_CLIENT_GONE = 499


@dataclass(frozen=True, slots=True)
class Order(Generic[T]):
    """What a client asks for."""

    route: str
    conversation: Conversation
    settings: CallSettings
    output: Output[T]
    about: About
    user: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


class Desk:
    """Takes orders. One for an application."""

    def __init__(self, app: "App", under_way: UnderWay, *, most_bytes: int) -> None:
        self._app = app
        self._under_way = under_way
        self._again = Again(app.database, app.clock)
        self.most_bytes = most_bytes

    @property
    def routes(self) -> Mapping[str, Any]:
        """The routes of the settings, by name."""
        return self._app.settings.routes

    def now_ms(self) -> int:
        """The time."""
        return self._app.clock.now_ms()

    async def whole(
        self,
        order: Order[T],
        request: Request,
        raw: bytes,
        encode: Callable[[Answer[T]], bytes],
    ) -> Response:
        """The answer in one piece. Raises what the call does."""
        asking = await self._ask(order, request, raw)
        try:
            answer = await asking.answer()
        except ClientGone:
            return Response(status_code=_CLIENT_GONE)
        finally:
            await asking.end()
        headers = _headers(answer, replayed=asking.replayed)
        return Response(encode(answer), 200, headers, media_type="application/json")

    async def stream(
        self,
        order: Order[Reply],
        request: Request,
        raw: bytes,
        events: Callable[[str, str], Events],
    ) -> Response:
        """The answer as it comes; whole, but as a stream, where something forces it to be held back."""
        asking = await self._ask(order, request, raw, streams=True)
        mailbox, call_id = asking.mailbox, asking.call_id
        try:
            await asking.first()
            if asking.done and not mailbox.begun:
                answer = await asking.answer()
                headers = _headers(answer, replayed=asking.replayed)
                call_id, model = answer.call_id, answer.model or answer.rung
            else:
                headers = {"Roadworthy-Call-Id": call_id, "Roadworthy-Rung": _plain(mailbox.model)}
                model = mailbox.provider_model
        except BaseException as error:
            await asking.end()
            if isinstance(error, ClientGone):
                return Response(status_code=_CLIENT_GONE)
            raise
        return Stream(asking, events(call_id, model), partial(fault_of, now_ms=self.now_ms()), headers)

    async def _ask(
        self, order: Order[T], request: Request, raw: bytes, *, streams: bool = False
    ) -> Asking[T]:
        self.require_route(order.route)
        mailbox, its = Mailbox(), order.about
        call_id = self._app.ids.new("call")
        await self._app.releases.fresh()
        exposures: list[Exposure] = []
        key = its.user_id or order.user or its.tenant or call_id
        order = replace(order, route=self._app.switched(order.route, key, exposures))
        streams = streams and self._may_stream(order.route)
        conversation = replace(order.conversation, sink=mailbox) if streams else order.conversation
        call = replace(self._call(order, conversation), exposures=tuple(exposures))
        if not its.idempotency_key:
            task = self._under_way.begin(self._app.pipeline.call(call, call_id=call_id))
            return Asking(task, mailbox, request.receive, call_id=call_id, leaves=True)
        name = (its.caller_id, its.tenant, request.url.path, its.idempotency_key)
        seconds = self.routes[order.route].timeout_seconds
        claim = await self._again.claim(name, raw, call_id, seconds, order.output)
        replayed = isinstance(claim, Answer)
        task = self._under_way.begin(_known(claim) if isinstance(claim, Answer) else self._once(call, claim))
        return Asking(task, mailbox, request.receive, call_id=call_id, leaves=False, replayed=replayed)

    async def _once(self, call: Call[T], claim: Claim) -> Answer[T]:
        """Make the call, and store its answer for the key together with its record."""
        recordings: list[Recording] = []
        asked = replace(call, commit=recordings.append)
        try:
            answer = await self._app.pipeline.call(asked, call_id=claim.call_id)
        except BaseException as error:
            await _to_its_end(self._give_up(claim, recordings, error))
            raise
        await _to_its_end(self._store(claim, recordings, answer, call.output))
        return answer

    async def _store(
        self, claim: Claim, recordings: Sequence[Recording], answer: Answer[T], output: Output[T]
    ) -> None:
        def store(tx: sa.Connection) -> None:
            for one in recordings:
                one.write(tx)
            self._again.keep(tx, claim, answer, output)

        try:
            await self._app.database.write(store)
        except Exception as error:
            await self._give_up(claim, recordings, error)
            raise
        for one in recordings:
            one.stored()

    async def _give_up(self, claim: Claim, recordings: Sequence[Recording], error: BaseException) -> None:
        """Store what the call has cost all the same, and let its key be used again."""
        for one in recordings:
            await one.refused(error)
        await self._again.release(claim)

    def require_route(self, name: str) -> None:
        """Raise `NotFound` when there is no such route."""
        if name not in self.routes:
            hint = did_you_mean(name[:_LONGEST_METADATA], self.routes)
            raise NotFound(f"There is no route {name[:_LONGEST_METADATA]!r}.", hint=hint)

    def _call(self, order: Order[T], conversation: Conversation) -> Call[T]:
        its = order.about
        return Call(
            ad_hoc_version(its.prompt_id, conversation, order.settings),
            {},
            order.output,
            order.route,
            conversation=conversation,
            task=its.task,
            tenant=its.tenant,
            user_id=its.user_id or order.user,
            tags=(*its.tags, *_tags(order.metadata)),
            data=its.data,
        )

    def _may_stream(self, route: str) -> bool:
        """Whether pieces may go out before the answer is whole."""
        # Not where two models are asked at a time, or an answer may turn out not to be sure enough.
        seen: set[str] = set()
        name: str | None = route
        while name is not None and name in self.routes and name not in seen:
            seen.add(name)
            its = self.routes[name]
            hedged = its.hedge_after_seconds is not None and len(its.models) > 1
            if hedged or its.choose == "difficulty":
                return False
            name = its.degrade_to
        return True


async def _to_its_end(storing: Coroutine[Any, Any, None]) -> None:
    """Wait for a transaction that was begun, also when cancelled: its outcome decides what is settled."""
    task = asyncio.create_task(storing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


async def _known(answer: Answer[T]) -> Answer[T]:
    return answer


def _tags(metadata: Mapping[str, str]) -> tuple[str, ...]:
    if len(metadata) > _MOST_METADATA or any(
        len(part) > _LONGEST_METADATA or not part.isprintable() for pair in metadata.items() for part in pair
    ):
        told = f"'metadata' takes {_MOST_METADATA} pairs of at most {_LONGEST_METADATA} printable characters."
        raise refuse(told, "metadata")
    return tuple(f"{key}:{value}" for key, value in metadata.items())


def _headers(answer: Answer[Any], *, replayed: bool) -> dict[str, str]:
    headers = {
        "Roadworthy-Call-Id": answer.call_id,
        "Roadworthy-Rung": _plain(answer.rung),
        "Roadworthy-Model": _plain(answer.model),
        "Roadworthy-Cost-Usd": f"{answer.cost_usd:f}" if answer.cost_known else "unknown",
    }
    if answer.degraded:
        headers["Roadworthy-Degraded"] = "true"
    if answer.stale:
        headers["Roadworthy-Stale"] = "true"
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return headers


def created_of(call_id: str) -> int:
    """When a call was made, in seconds: the same for an answer that is given again. Its id holds the time."""
    return int(call_id.removeprefix("call_")[:12], 16) // 1000


def _plain(text: str) -> str:
    """Text as a header may hold it: a provider's name of a model could be anything."""
    shown = text.encode("ascii", errors="backslashreplace").decode()
    return "".join(one if one.isprintable() else "?" for one in shown)[:_LONGEST_METADATA]


def to_json(value: Mapping[str, Any]) -> bytes:
    """JSON, as compact as it can be; half characters that a model wrote are replaced."""
    with suppress(UnicodeEncodeError):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return json.dumps(value, separators=(",", ":")).encode()
