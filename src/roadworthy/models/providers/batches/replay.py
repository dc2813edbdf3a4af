"""What the live way would send, and what it would make of an answer, without a network: `Replay`.

A batch has to ask the same and read the same as a live request. So both are done by the live provider
itself, on a transport in this process: to write a request it keeps the body and stops; to read an answer it
hands out the one that the batch brought.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import httpx2

from roadworthy.errors import ProviderError
from roadworthy.models.provider import Blueprint, Request, Response
from roadworthy.models.providers.pydantic_ai import make

_SECONDS = 60.0
"""Far more than it takes: a deadline of the caller's must not end work that no network is part of."""


@dataclass(frozen=True, slots=True)
class Written:
    """A request as it would be sent."""

    body: bytes
    headers: Mapping[str, str]
    """Lower-case names. Has the key in it: never store or log it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as a live request would have got it."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Replay:
    """The live provider of one model, with its network taken away."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._live = make(replace(blueprint, transport=_Transport()))

    async def write(self, request: Request) -> Written:
        """The request as the live provider would send it.

        Raises:
            ProviderError: The library cannot say this request to this model; it would not have been sent.
        """
        stage = _Stage()
        token = _stage.set(stage)
        try:
            await self._live.request(replace(request, timeout_seconds=_SECONDS))
        except ProviderError:
            if stage.written is None:
                raise
        finally:
            _stage.reset(token)
        assert stage.written is not None  # noqa: S101  # without an answer the request cannot succeed
        return stage.written

    async def read(self, request: Request, answer: Answer) -> Response:
        """What the live provider would have made of the answer to the request.

        Raises:
            ProviderError: by kind, as the live request would have raised it.
        """
        token = _stage.set(_Stage(answer))
        try:
            return await self._live.request(replace(request, timeout_seconds=_SECONDS))
        finally:
            _stage.reset(token)

    async def close(self) -> None:
        """Free what the library holds."""
        await self._live.close()


@dataclass(slots=True)
class _Stage:
    """What one task's request meets."""

    answer: Answer | None = None
    written: Written | None = field(default=None, repr=False)


_stage: ContextVar[_Stage] = ContextVar("roadworthy_replay_stage")


class _Stopped(Exception):
    """The request is written; there is nobody to send it to."""


class _Transport(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        stage = _stage.get()
        if stage.answer is None:
            stage.written = Written(await request.aread(), dict(request.headers.items()))
            raise _Stopped
        answer = stage.answer
        return httpx2.Response(answer.status, headers=dict(answer.headers), content=answer.body)
