"""The providers around a recording: `Recorder` writes what passes through, `Replayer` answers from it."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from roadworthy.errors import ErrorKind
from roadworthy.models.conversation import ToolCall
from roadworthy.models.provider import Provider, Request, RequestFailed, Response
from roadworthy.records import Usage
from roadworthy.testing.recording.exchange import Exchange, canonical, clean
from roadworthy.testing.recording.recording import Recording


class Recorder:
    """A provider that passes requests on and records what comes of those that reach the model."""

    def __init__(self, provider: Provider, recording: Recording, *, model: str) -> None:
        self._provider = provider
        self._recording = recording
        self._model = model

    async def request(self, request: Request) -> Response:
        """Ask the wrapped provider, and record answer or failure."""
        try:
            response = await self._provider.request(request)
        except RequestFailed as error:  # other errors are about this machine, not about the answer
            await self._record(request, None, _error_fields(error))
            raise
        kept = {key: item for key, item in asdict(response).items() if key != "sent"}
        await self._record(request, kept, None)
        return response

    async def close(self) -> None:
        """Close the wrapped provider."""
        await self._provider.close()

    async def _record(
        self, request: Request, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
    ) -> None:
        scrubber = self._recording.scrubber
        exchange = Exchange(
            self._model,
            canonical(request, scrubber),
            None if response is None else clean(response, scrubber.scrub),
            None if error is None else clean(error, scrubber.scrub),
        )
        await asyncio.to_thread(self._recording.add, exchange)


class Replayer:
    """A provider that answers from a recording and reaches nothing."""

    def __init__(self, recording: Recording, *, model: str) -> None:
        self._recording = recording
        self._model = model

    async def request(self, request: Request) -> Response:
        """The recorded answer.

        Raises:
            ProviderError: The recorded failure; `NOT_CONFIGURED` when nothing is recorded for this request.
        """
        exchange = self._recording.find(self._model, request)
        if exchange.response is None:
            raise _error(exchange)
        fields = dict(exchange.response)
        fields["usage"] = Usage(**fields["usage"])
        fields["notes"] = tuple(fields.get("notes", ()))
        fields["tool_calls"] = tuple(ToolCall(**one) for one in fields.get("tool_calls", ()))
        return Response(**fields, sent=dict(exchange.request))

    async def close(self) -> None:
        """Nothing to close."""


def _error_fields(error: RequestFailed) -> dict[str, Any]:
    return {
        "message": error.message,
        "hint": error.hint,
        "kind": error.kind.value,
        "status": error.status,
        "retry_after_seconds": error.retry_after_seconds,
        "may_be_billed": error.may_be_billed,
        "provider_text": error.provider_text,
        "received": error.received,
        "model": error.model,
        "usage": None if error.usage is None else asdict(error.usage),
    }


def _error(exchange: Exchange) -> RequestFailed:
    fields: dict[str, Any] = dict(exchange.error or {})
    usage = fields.pop("usage", None)
    received, model = fields.pop("received", None), fields.pop("model", "")
    error = RequestFailed(fields.pop("message"), kind=ErrorKind(fields.pop("kind")), **fields)
    error.sent, error.received, error.model = dict(exchange.request), received, model
    error.usage = None if usage is None else Usage(**usage)
    return error
