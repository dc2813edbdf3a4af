"""Models whose answers come from the tape where it knows them, for what asks by itself: a workflow.

A request that was answered before is given the same answer, without tokens: nothing was read or written now.
What it cost when it was recorded is on tape, too, so that it can be told what was saved.
The n-th equal request of an experiment is given the n-th answer, so that repeats are not all alike. Functions
of the project (`provider = "python"`) run as ever: they are part of what is evaluated.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, cast

from typing_extensions import override

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.evals.case import digest
from roadworthy.evals.tape import Tape
from roadworthy.evals.target import Outcome
from roadworthy.models import Digests, Models, Request, Response, Target, price
from roadworthy.models.conversation import ToolCall
from roadworthy.records import Json, Usage

_KEPT = ("text", "model", "finish_reason", "notes")


class TapedTarget(Target):
    """A model behind the tape."""

    __slots__ = ("_asked", "_identity", "_tape", "_target")

    def __init__(self, target: Target, tape: Tape) -> None:
        super().__init__(target.blueprint, lambda: None)
        self._target = target
        self._tape = tape
        self._identity = Digests().of_models((target,))
        self._asked = Counter[str]()

    @override
    async def prepare(self) -> None:
        """Nothing to build before something is asked."""

    @override
    async def request(self, request: Request, tenant: str = "") -> Response:
        base = _key(self._identity, request)
        key = f"{base}:{self._asked[base]}"
        self._asked[base] += 1
        known = (await self._tape.find([key])).get(key)
        if known is not None:
            return _response(known)
        if self._tape.mode == "strict":
            message = f"The tape has no answer to this request to model {self.name!r}."
            raise ProviderError(message, kind=ErrorKind.NOT_CONFIGURED, hint="Record it with a model.")
        response = await self._target.request(request, tenant)
        at_ms = self._tape.now_ms()
        cost = price(self._target, response.usage, at_ms, served_model=response.model or "").cost_usd
        await self._tape.record(key, _outcome(response, cost or Decimal(0)))
        return response

    @override
    async def batch(self) -> None:
        """Nothing is sent in batches: an experiment is waited for."""

    @override
    async def close(self) -> None:
        """The model is closed by its owner."""


def taped(models: Models, tape: Tape) -> Models:
    """The same models behind the tape."""
    return models.each(lambda target: target if target.provider == "python" else TapedTarget(target, tape))


def _key(identity: str, request: Request) -> str:
    return digest(
        [
            identity,
            [{name: said for name, said in asdict(one).items() if said} for one in request.messages],
            request.output_schema,
            [request.temperature, request.max_tokens, request.seed, list(request.stop)],
            asdict(request.options) if request.options is not None else None,
            [request.vectors, request.dimensions],
        ]
    )


def _outcome(response: Response, cost_usd: Decimal) -> Outcome:
    told: dict[str, Json] = {name: getattr(response, name) for name in _KEPT}
    told["notes"] = list(response.notes)
    told["tool_calls"] = [asdict(one) for one in response.tool_calls]
    return Outcome(output=told, usage=response.usage, cost_usd=cost_usd)


def _response(known: Outcome) -> Response:
    said = cast("Mapping[str, Any]", known.output)
    return Response(
        text=said["text"],
        usage=Usage(),
        model=said["model"],
        finish_reason=said["finish_reason"],
        provider_request_id=None,
        sent=None,
        received=None,
        notes=tuple(said["notes"]),
        tool_calls=tuple(ToolCall(**one) for one in said["tool_calls"]),
    )
