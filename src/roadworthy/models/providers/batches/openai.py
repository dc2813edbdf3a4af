"""OpenAI's Batch API, and that of Azure and of servers that speak the same, for Chat and for Responses.

The requests are uploaded as a file with a line for each, the batch names that file, and the results are two
files: answers and errors. The key stands in the batch's metadata, which lists show. On Azure, `model` has to
be a deployment of a batch type.
"""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing, suppress
from urllib.parse import quote

from pydantic_core import to_json

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.provider import Blueprint
from roadworthy.models.provider_batch import BatchState
from roadworthy.models.providers import faults
from roadworthy.models.providers.batches.api import Api
from roadworthy.models.providers.batches.manifest import Manifest
from roadworthy.models.providers.batches.network import NetworkBatches
from roadworthy.models.providers.batches.replay import Replay
from roadworthy.models.providers.batches.service import CLOCKS_DIFFER_MS, Cause, Created, Line, Look
from roadworthy.models.providers.batches.spool import Spool
from roadworthy.models.providers.clients import build
from roadworthy.records import Json

_KEY = "roadworthy_key"
_PATHS = {"chat": "/chat/completions", "responses": "/responses"}
_STATES: dict[str, BatchState] = {
    "completed": "done",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_BECAUSE = {
    "expired": Cause(ErrorKind.TIMEOUT, "was not run: its batch expired"),
    "cancelled": Cause(ErrorKind.TIMEOUT, "was not run: its batch was cancelled"),
}
_NOT_RUN = {"batch_expired": _BECAUSE["expired"], "batch_cancelled": _BECAUSE["cancelled"]}
"""By the code of a line's error."""
_PAGE = 100
_SERVER_ERROR = 500
_FULL_QUEUE = frozenset({"token_limit_exceeded", "request_limit_exceeded"})
"""Codes of a batch that came on top of too many others: nothing is wrong with it."""


def make(blueprint: Blueprint) -> NetworkBatches:
    """The batches for a model of OpenAI's kind. Takes seconds the first time: call it in a thread."""
    client = build(blueprint)
    # Azure's own paths have no version in front.
    prefix = "" if blueprint.settings.provider == "azure-openai" else "/v1"
    service = OpenAIBatches(Api.through(blueprint, client), prefix + _PATHS[client.dialect])
    return NetworkBatches(blueprint.name, blueprint.settings.provider, service, Replay(blueprint))


class OpenAIBatches:
    """The `Service` for `/files` and `/batches`."""

    most_items = 50_000
    most_bytes = 200_000_000
    opening, between, closing = b"", b"\n", b"\n"

    def __init__(self, api: Api, endpoint: str) -> None:
        self._api = api
        self._endpoint = endpoint

    def line(self, custom_id: str, body: bytes, key: str) -> bytes:
        """The line that asks for one request."""
        del key
        head = to_json({"custom_id": custom_id, "method": "POST", "url": self._endpoint})
        return b"%b,%b}" % (head[:-1], b'"body":' + body)

    async def create(self, spool: Spool, key: str, betas: Collection[str]) -> Created:
        """Upload the file, and have it run."""
        del betas
        file = await self._api.upload("/files", await spool.file(), "batch.jsonl", purpose="batch")
        file_id = self._api.text(file, "id")
        asked: Json = {
            "input_file_id": file_id,
            "endpoint": self._endpoint,
            "completion_window": "24h",
            "metadata": {_KEY: key},
        }
        try:
            batch = await self._api.create("/batches", asked)
        except ProviderError as error:
            if not error.may_be_billed:  # nothing reads the file, which would be kept for 30 days
                with suppress(ProviderError):
                    await self._api.delete(f"/files/{quote(file_id)}")
            raise
        return Created(self._api.text(batch, "id", submits=True))

    async def find(
        self, key: str, *, most_items: int | None, since_ms: int, known: Collection[str]
    ) -> Created | None:
        """The newest batch that has the key in its metadata."""
        del most_items, known
        after: dict[str, str | int] = {}
        while True:
            page = await self._api.get("/batches", limit=_PAGE, **after)
            batches = self._api.objects(page, "data")
            for batch in batches:
                created_at = batch.get("created_at")
                if isinstance(created_at, int) and created_at * 1000 < since_ms - CLOCKS_DIFFER_MS:
                    return None
                metadata = batch.get("metadata")
                if isinstance(metadata, dict) and metadata.get(_KEY) == key:
                    return Created(self._api.text(batch, "id"))
            if not batches or not page.get("has_more"):
                return None
            after = {"after": self._api.text(batches[-1], "id")}

    async def look(self, id_: str) -> Look:
        """How far the batch is. A status that is not known is not an end."""
        batch = await self._api.get(f"/batches/{quote(id_)}")
        return Look(_STATES.get(self._api.text(batch, "status"), "running"), batch)

    async def lines(self, look: Look) -> AsyncGenerator[Line]:
        """Answers, then errors."""
        for name in ("output_file_id", "error_file_id"):
            file_id = look.batch.get(name)
            if not isinstance(file_id, str):
                continue
            async with aclosing(self._api.lines(f"/files/{quote(file_id)}/content")) as objects:
                async for raw in objects:
                    line = _read(raw)
                    if line is not None:
                        yield line

    async def manifest(self, look: Look) -> Manifest | None:
        """What the uploaded file asked for; JSON is taken to be wanted, as that loses no text."""
        manifest = Manifest()
        path = f"/files/{quote(self._api.text(look.batch, 'input_file_id'))}/content"
        async with aclosing(self._api.lines(path)) as objects:
            async for raw in objects:
                custom_id = raw.get("custom_id")
                if isinstance(custom_id, str):
                    manifest.custom_ids[custom_id] = None
                    manifest.structured.add(custom_id)
        return manifest

    def cause(self, look: Look, number: int) -> Cause | None:
        """By the batch's own end. If that was a rejection, by what was wrong with this line or the whole."""
        if look.state in _BECAUSE:
            return _BECAUSE[look.state]
        if look.state != "failed":
            return None
        errors = look.batch.get("errors")
        found = self._api.objects(errors, "data") if isinstance(errors, dict) else []
        own = [error for error in found if error.get("line") in (number, None)]
        if found and not own:
            return Cause(ErrorKind.SERVER, "was not run: another request had its batch rejected")
        return Cause(_kind(own[0]) if own else ErrorKind.BAD_REQUEST, "was not run: its batch was rejected")

    async def cancel(self, id_: str) -> None:
        """Ask for its end."""
        await self._api.post(f"/batches/{quote(id_)}/cancel")

    async def forget(self, look: Look) -> None:
        """Delete its files. The batch itself, which holds no text, stays in the list."""
        for name in ("input_file_id", "output_file_id", "error_file_id"):
            file_id = look.batch.get(name)
            if isinstance(file_id, str):
                await self._api.delete(f"/files/{quote(file_id)}")

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


def _read(raw: Mapping[str, Json]) -> Line | None:
    """A line of either file."""
    custom_id, response, error = raw.get("custom_id"), raw.get("response"), raw.get("error")
    if not isinstance(custom_id, str):
        return None
    if isinstance(response, dict) and isinstance(status := response.get("status_code"), int):
        request_id = response.get("request_id")
        header = ("x-request-id", request_id) if isinstance(request_id, str) else None
        return Line(custom_id, status, response.get("body"), header)
    if isinstance(error, dict):
        cause = _NOT_RUN.get(str(error.get("code")))
        return Line(custom_id, _SERVER_ERROR, {"error": error}, cause=cause)
    return None


def _kind(error: Mapping[str, Json]) -> ErrorKind:
    """The kind of an error that had a whole batch rejected."""
    if error.get("code") in _FULL_QUEUE:
        return ErrorKind.RATE_LIMIT
    kind = faults.kind_by_words({"error": error})
    return ErrorKind.BAD_REQUEST if kind in (None, ErrorKind.SERVER) else kind
