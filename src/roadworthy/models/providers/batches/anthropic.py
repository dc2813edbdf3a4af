"""Anthropic's Message Batches: the requests go in one body, the results are one file.

A batch carries no words of ours, so the key is found again by the ids of its requests: each has a tag made of
the key in front. They can be read only once the batch has ended; until then `find` cannot tell, and says so,
unless every batch that runs is known to be another, or holds more requests than were asked for.
"""

import hashlib
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from datetime import datetime
from urllib.parse import quote

from pydantic_core import to_json

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.provider import Blueprint
from roadworthy.models.providers.batches.api import Api
from roadworthy.models.providers.batches.manifest import Manifest
from roadworthy.models.providers.batches.network import NetworkBatches
from roadworthy.models.providers.batches.replay import Replay
from roadworthy.models.providers.batches.service import CLOCKS_DIFFER_MS, Cause, Created, Line, Look
from roadworthy.models.providers.batches.spool import Spool
from roadworthy.models.providers.clients import build
from roadworthy.records import Json

_PATH = "/v1/messages/batches"
_BETA = "?beta=true"
"""The live provider asks the same of Messages: it decides which fields a request may have."""
_PAGE = 100
_LOOK_AGAIN_SECONDS = 60.0
_TAG_LENGTH = 17
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status of each type of error, which a batch's results leave out (documented, 2026-11)."""
_NOT_RUN = {
    "expired": Cause(ErrorKind.TIMEOUT, "was not run: its batch expired"),
    "canceled": Cause(ErrorKind.TIMEOUT, "was not run: its batch was cancelled"),
}


def make(blueprint: Blueprint) -> NetworkBatches:
    """The batches for a model of Anthropic's. Takes seconds the first time: call it in a thread."""
    service = AnthropicBatches(Api.through(blueprint, build(blueprint)), blueprint.name)
    return NetworkBatches(blueprint.name, blueprint.settings.provider, service, Replay(blueprint))


class AnthropicBatches:
    """The `Service` for `/v1/messages/batches`."""

    most_items = 100_000
    most_bytes = 256_000_000
    opening, between, closing = b'{"requests":[', b",", b"]}"

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self._name = name

    def line(self, custom_id: str, body: bytes, key: str) -> bytes:
        """The entry that asks for one request."""
        return b'{"custom_id":%b,"params":%b}' % (to_json(_tag(key) + custom_id), body)

    async def create(self, spool: Spool, key: str, betas: Collection[str]) -> Created:
        """Send the body."""
        del key
        headers = {"anthropic-beta": ",".join(betas)} if betas else {}
        pieces = spool.pieces()
        batch = await self._api.create_from(_PATH + _BETA, pieces, spool.size_bytes, headers)
        return Created(self._api.text(batch, "id", submits=True))

    async def find(
        self, key: str, *, most_items: int | None, since_ms: int, known: Collection[str]
    ) -> Created | None:
        """The batch whose requests have the key's tag; looks into all that have ended."""
        undecided = False
        after: dict[str, str | int] = {}
        while True:
            page = await self._api.get(_PATH, limit=_PAGE, **after)
            batches = self._api.objects(page, "data")
            for batch in batches:
                id_ = self._api.text(batch, "id")
                if _created_ms(batch) < since_ms - CLOCKS_DIFFER_MS:
                    return self._nothing_else(undecided=undecided)
                if id_ in known or (most_items is not None and _size(batch) > most_items):
                    continue
                if batch.get("processing_status") != "ended":
                    undecided = True
                elif await self._is_tagged(id_, _tag(key)):
                    return Created(id_)
            if not batches or not page.get("has_more"):
                return self._nothing_else(undecided=undecided)
            after = {"after_id": self._api.text(batches[-1], "id")}

    def _nothing_else(self, *, undecided: bool) -> None:
        if undecided:
            raise ProviderError(
                f"Whether a batch of model {self._name!r} was submitted cannot be told yet.",
                kind=ErrorKind.UNAVAILABLE,
                hint="It shows when the batches that run now have ended.",
                retry_after_seconds=_LOOK_AGAIN_SECONDS,
            )

    async def _is_tagged(self, id_: str, tag: str) -> bool:
        """Whether the first result that can be read has the tag. Results are gone after 29 days."""
        try:
            async with aclosing(self._api.lines(f"{_PATH}/{quote(id_)}/results")) as objects:
                async for raw in objects:
                    custom_id = raw.get("custom_id")
                    if isinstance(custom_id, str):
                        return custom_id.startswith(tag)
        except ProviderError as error:
            if error.kind is not ErrorKind.MODEL_NOT_FOUND:
                raise
        return False

    async def look(self, id_: str) -> Look:
        """How far the batch is. A status that is not known is not an end."""
        batch = await self._api.get(f"{_PATH}/{quote(id_)}")
        if self._api.text(batch, "processing_status") != "ended":
            return Look("running", batch)
        if batch.get("cancel_initiated_at"):
            return Look("cancelled", batch)
        return Look("expired" if _counts(batch).get("expired") else "done", batch)

    async def lines(self, look: Look) -> AsyncGenerator[Line]:
        """The results, without the tags."""
        path = f"{_PATH}/{quote(self._api.text(look.batch, 'id'))}/results"
        async with aclosing(self._api.lines(path)) as objects:
            async for raw in objects:
                line = _read(raw)
                if line is not None:
                    yield line

    async def manifest(self, look: Look) -> Manifest | None:
        """Nothing: the requests cannot be read again."""
        del look

    def cause(self, look: Look, number: int) -> Cause | None:
        """Nothing: every request has its own line, also one that was not run."""
        del look, number

    async def cancel(self, id_: str) -> None:
        """Ask for its end."""
        await self._api.post(f"{_PATH}/{quote(id_)}/cancel")

    async def forget(self, look: Look) -> None:
        """Delete the batch."""
        await self._api.delete(f"{_PATH}/{quote(self._api.text(look.batch, 'id'))}")

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


def _tag(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[: _TAG_LENGTH - 1] + "-"


def _created_ms(batch: Mapping[str, Json]) -> float:
    """When it was created; the end of time when it does not say."""
    try:
        return datetime.fromisoformat(str(batch.get("created_at"))).timestamp() * 1000
    except ValueError:
        return float("inf")


def _counts(batch: Mapping[str, Json]) -> dict[str, int]:
    counts = batch.get("request_counts")
    if not isinstance(counts, dict):
        return {}
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def _size(batch: Mapping[str, Json]) -> int:
    return sum(_counts(batch).values())


def _read(raw: Mapping[str, Json]) -> Line | None:
    """One result."""
    custom_id, result = raw.get("custom_id"), raw.get("result")
    if not isinstance(custom_id, str) or not isinstance(result, dict):
        return None
    ours = custom_id[_TAG_LENGTH:]
    if result.get("type") == "succeeded":
        return Line(ours, 200, result.get("message"))
    if str(result.get("type")) in _NOT_RUN:
        return Line(ours, cause=_NOT_RUN[str(result["type"])])
    error = result.get("error")
    inner = error.get("error") if isinstance(error, dict) else None
    kind = inner.get("type") if isinstance(inner, dict) else None
    return Line(ours, _STATUSES.get(str(kind), 500), error)
