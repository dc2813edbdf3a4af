"""Requests to a batch API through the provider's own client, and their failures by kind: `Api`.

The client brings the key, the address and the headers; what it would make of an answer is not used, so that
a proxy's page or an empty body is a failure by kind here and not an `AttributeError` somewhere. The clients
of OpenAI and Anthropic are made by the same generator, and Google's (`google.Sender`) looks like them, so one
class serves all.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import IO, Any, cast

import httpx2
from pydantic_core import from_json

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.provider import Blueprint, RequestFailed
from roadworthy.models.providers import faults, wire
from roadworthy.models.providers.clients import Client, secret_texts
from roadworthy.records import Json

_SUBMIT_SECONDS = 600.0
"""For one read or write of a submission: providers look through the whole of it before they answer."""
_CONNECT_SECONDS = 10.0
_NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_SAID_IN_WORDS = frozenset({ErrorKind.QUOTA, ErrorKind.CONTEXT_WINDOW, ErrorKind.REFUSED})
"""What shares its status with something else."""


class Api:
    """One model's batch API."""

    def __init__(self, blueprint: Blueprint, client: Any, close: Callable[[], Awaitable[None]]) -> None:
        self._name = blueprint.name
        self._seconds = blueprint.settings.timeout_seconds
        self._secrets = secret_texts(blueprint)
        self._client = client
        self._headers = cast("Mapping[str, str]", blueprint.settings.options.get("extra_headers") or {})
        self._close = close

    @classmethod
    def through(cls, blueprint: Blueprint, client: Client) -> "Api":
        """Through the client that the library has for the model."""
        provider = client.model.provider
        assert provider is not None  # noqa: S101  # `clients` gives every model one
        return cls(blueprint, provider.client, client.close)

    async def get(self, path: str, **params: str | int) -> dict[str, Json]:
        """Ask for a JSON object."""
        return await self._json(self._client.get(path, **self._raw(params=params)), self._seconds)

    async def post(self, path: str) -> dict[str, Json]:
        """Ask for something to be done that needs no more words."""
        return await self._json(self._client.post(path, **self._raw()), self._seconds)

    async def create(self, path: str, body: Json) -> dict[str, Json]:
        """Send JSON that is paid for, and may have had its effect even if it fails."""
        options = self._raw(seconds=_SUBMIT_SECONDS)
        return await self._json(self._client.post(path, body=body, **options), submits=True)

    async def upload(self, path: str, file: IO[bytes], name: str, **fields: str) -> dict[str, Json]:
        """Send a file as a form. It is read from disk in the event loop, 64 kB at a time, by the client."""
        options = self._raw(seconds=_SUBMIT_SECONDS, headers={"Content-Type": "multipart/form-data"})
        parts = {"file": (name, file, "application/jsonl")}
        return await self._json(self._client.post(path, body=fields, files=parts, **options))

    async def create_from(
        self, path: str, content: AsyncIterator[bytes], size_bytes: int, headers: Mapping[str, str]
    ) -> dict[str, Json]:
        """The same, with a body in pieces."""
        head = {"Content-Type": "application/json", "Content-Length": str(size_bytes), **headers}
        options = self._raw(seconds=_SUBMIT_SECONDS, headers=head)
        return await self._json(self._client.post(path, content=content, **options), submits=True)

    async def delete(self, path: str) -> None:
        """Delete something; that it is not there is as good."""
        try:
            await self._json(self._client.delete(path, **self._raw()), self._seconds)
        except ProviderError as error:
            if error.kind is not ErrorKind.MODEL_NOT_FOUND:
                raise

    async def lines(self, path: str) -> AsyncGenerator[dict[str, Json]]:
        r"""The objects of a JSONL file, as they arrive; what is none is left out.

        Only `\n` ends a line: JSON may hold the other characters that Unicode calls line ends.
        """
        response: httpx2.Response | None = None
        rest = b""
        try:
            response = cast("httpx2.Response", await self._client.get(path, stream=True, **self._raw()))
            async for piece in response.aiter_bytes():
                *whole, rest = (rest + piece).split(b"\n")
                for found in filter(None, map(_object, whole)):
                    yield found
        except Exception as error:  # noqa: BLE001  # whatever a library raises becomes an error by kind
            raise self._failed(error, submits=False) from None
        finally:
            if response is not None:
                await response.aclose()
        last = _object(rest)
        if last is not None:
            yield last

    def text(self, found: Mapping[str, Json], name: str, *, submits: bool = False) -> str:
        """A field that has to be there.

        Raises:
            ProviderError: `MALFORMED`, when it is not.
        """
        value = found.get(name)
        if isinstance(value, str) and value:
            return value
        exchange = wire.Exchange(self._secrets)
        raise faults.failed(self._name, ErrorKind.MALFORMED, exchange, may_be_billed=submits)

    def objects(self, found: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
        """The objects in a list of that name."""
        items = found.get(name)
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    async def close(self) -> None:
        """Close the connections."""
        await self._close()

    def _raw(
        self,
        *,
        seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> dict[str, Any]:
        options: dict[str, Any] = {
            "headers": {**self._headers, **(headers or {})},
            "params": dict(params or {}),
        }
        if seconds is not None:
            options["timeout"] = httpx2.Timeout(seconds, connect=_CONNECT_SECONDS)
        return {"cast_to": httpx2.Response, "options": options}

    async def _json(
        self, asking: Any, seconds: float | None = None, *, submits: bool = False
    ) -> dict[str, Json]:
        try:
            async with asyncio.timeout(seconds):
                response = cast("httpx2.Response", await asking)
        except Exception as error:  # noqa: BLE001  # whatever a library raises becomes an error by kind
            raise self._failed(error, submits=submits) from None
        exchange = self._exchange(response)
        received = exchange.received()
        # An operation of Google's tells its own end as `error`, beside its name.
        if isinstance(received, dict) and (not received.get("error") or "name" in received):
            return received
        kind = faults.kind_by_words(received) or ErrorKind.MALFORMED
        raise faults.failed(self._name, kind, exchange, may_be_billed=submits)

    def _exchange(self, response: httpx2.Response | None) -> wire.Exchange:
        exchange = wire.Exchange(self._secrets)
        if response is not None:
            wire.note_head(exchange, response.status_code, response.headers.items())
            exchange.response = response.content
        return exchange

    def _failed(self, raised: Exception, *, submits: bool) -> RequestFailed:
        response = cast("httpx2.Response | None", getattr(raised, "response", None))
        exchange = self._exchange(response)
        if response is None:
            causes = (raised, raised.__cause__)  # the generated clients wrap what httpx2 raises
            timed_out = any(isinstance(one, (TimeoutError, httpx2.TimeoutException)) for one in causes)
            kind = ErrorKind.TIMEOUT if timed_out else ErrorKind.CONNECTION
            may_be_billed = submits and not any(isinstance(one, _NEVER_LEFT) for one in causes)
        else:
            worded = faults.kind_by_words(exchange.received())
            kind = (
                worded if worded and worded in _SAID_IN_WORDS else faults.kind_by_status(response.status_code)
            )
            may_be_billed = submits and response.status_code >= 500  # noqa: PLR2004
        return faults.failed(
            self._name,
            kind,
            exchange,
            may_be_billed=may_be_billed,
            provider_text=exchange.scrub(f"{type(raised).__name__}: {raised}"),
            retry_after_seconds=faults.retry_after_seconds(exchange),
        )


def _object(line: bytes) -> dict[str, Json] | None:
    """The JSON object that a line is."""
    try:
        value: Json = from_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
