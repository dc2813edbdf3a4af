"""Gemini's batches of inlined requests: all in one body, and all answers in the operation that it becomes.

An answer belongs to a request by the key in its metadata alone: the order is documented, and not kept
(googleapis/python-genai, issue 1909). Our key for the batch is its display name. The answers come in one
body, which is in memory as a whole; the 20 MB that the requests may have bound it.

Read from Google's reference and from `google-genai` 2.34 (2026-11). Neither says: in which order batches are
listed; how long a display name may be; what is billed of a batch that was cancelled or has expired
(`batchStats` decides here); what comes of cancelling one that has ended; and whether the answers to inlined
requests ever come as a file, which would be taken for missing here.
"""

from collections.abc import AsyncGenerator, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic_core import from_json, to_json

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
from roadworthy.models.providers.clients import http_client, required_key
from roadworthy.records import Json

if TYPE_CHECKING:
    import httpx2

_ADDRESS = "https://generativelanguage.googleapis.com"
_PATH = "/v1beta/"
_PAGE = 100
_STATES: dict[str, BatchState] = {
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "EXPIRED": "expired",
    "CANCELLED": "cancelled",
}
_SAYS = {
    "failed": "was not answered: its batch was rejected",
    "expired": "was not answered: its batch expired",
    "cancelled": "was not answered: its batch was cancelled",
}
_CODES = {
    1: (499, "CANCELLED"),
    2: (500, "UNKNOWN"),
    3: (400, "INVALID_ARGUMENT"),
    4: (504, "DEADLINE_EXCEEDED"),
    5: (404, "NOT_FOUND"),
    6: (409, "ALREADY_EXISTS"),
    7: (403, "PERMISSION_DENIED"),
    8: (429, "RESOURCE_EXHAUSTED"),
    9: (400, "FAILED_PRECONDITION"),
    10: (409, "ABORTED"),
    11: (400, "OUT_OF_RANGE"),
    12: (501, "UNIMPLEMENTED"),
    13: (500, "INTERNAL"),
    14: (503, "UNAVAILABLE"),
    15: (500, "DATA_LOSS"),
    16: (401, "UNAUTHENTICATED"),
}
"""HTTP status and name of each code that an error has in a batch (google/rpc/code.proto)."""


def make(blueprint: Blueprint) -> NetworkBatches:
    """The batches for a Gemini model. Takes seconds the first time: call it in a thread."""
    http = http_client(blueprint)
    sender = _Sender(http, blueprint.settings.base_url or _ADDRESS, required_key(blueprint))
    service = GoogleBatches(Api(blueprint, sender, http.aclose), blueprint.settings.model)
    return NetworkBatches(blueprint.name, blueprint.settings.provider, service, Replay(blueprint))


class GoogleBatches:
    """The `Service` for `batchGenerateContent` and `/batches`."""

    most_items = 100_000
    """No number is documented; the bytes are."""
    most_bytes = 19_000_000
    """Of 20 MB, less what stands around the requests."""
    opening, between, closing = b'{"batch":{"inputConfig":{"requests":{"requests":[', b",", b"]}}"

    def __init__(self, api: Api, model: str) -> None:
        self._api = api
        self._model = model.removeprefix("models/")
        self._cause: tuple[Look, Cause | None] | None = None

    def line(self, custom_id: str, body: bytes, key: str) -> bytes:
        """The entry that asks for one request."""
        del key
        try:
            from_json(body)
        except ValueError:  # the library escapes halves of characters, which no JSON may have
            raise ProviderError(
                "A request has characters that are none.", kind=ErrorKind.BAD_REQUEST
            ) from None
        return b'{"metadata":{"key":%b},"request":%b}' % (to_json(custom_id), body)

    async def create(self, spool: Spool, key: str, betas: Collection[str]) -> Created:
        """Send the body, with the key behind the requests."""
        del betas
        await spool.add(b',"displayName":%b}}' % to_json(key))
        path = f"{_PATH}models/{quote(self._model)}:batchGenerateContent"
        operation = await self._api.create_from(path, spool.pieces(), spool.size_bytes, {})
        return Created(self._api.text(operation, "name", submits=True))

    async def find(
        self, key: str, *, most_items: int | None, since_ms: int, known: Collection[str]
    ) -> Created | None:
        """The batch with the key as its name. Looks through the whole list, as its order is not known."""
        del most_items, known
        token: dict[str, str | int] = {}
        while True:
            page = await self._api.get(_PATH + "batches", pageSize=_PAGE, **token)
            for operation in self._api.objects(page, "operations"):
                batch = _object(operation, "metadata")
                if batch.get("displayName") == key and _created_ms(batch) >= since_ms - CLOCKS_DIFFER_MS:
                    return Created(self._api.text(operation, "name"))
            if not page.get("nextPageToken"):
                return None
            token = {"pageToken": self._api.text(page, "nextPageToken")}

    async def look(self, id_: str) -> Look:
        """How far the batch is. A state that is not known is no end, unless the operation says that it is."""
        operation = await self._api.get(_PATH + quote(id_))
        self._api.text(operation, "name")
        said = str(_object(operation, "metadata").get("state")).rpartition("_STATE_")[2]
        ended: BatchState = "failed" if operation.get("error") else "done"
        return Look(_STATES.get(said, ended if operation.get("done") is True else "running"), operation)

    async def lines(self, look: Look) -> AsyncGenerator[Line]:
        """The answers in the operation. One without a key is nobody's."""
        for raw in self._inlined(look):
            line = _read(raw)
            if line is not None:
                yield line

    async def manifest(self, look: Look) -> Manifest | None:
        """Nothing: that an operation repeats its requests is not documented."""
        del look

    def cause(self, look: Look, number: int) -> Cause | None:
        """By the batch's own end, the same for all."""
        del number
        if self._cause is None or self._cause[0] is not look:
            self._cause = look, self._why(look)
        return self._cause[1]

    def _why(self, look: Look) -> Cause | None:
        """What the batch says to have answered and does not show may be billed."""
        if look.state not in _SAYS:
            return None
        shown = sum("response" in one for one in self._inlined(look))
        stats = _object(_object(look.batch, "metadata"), "batchStats")
        may_be_billed = _count(stats, "successfulRequestCount") > shown
        kind = ErrorKind.TIMEOUT
        if look.state == "failed":
            kind = faults.kind_by_status(_as_live(_object(look.batch, "error"))[0])
        return Cause(kind, _SAYS[look.state], may_be_billed)

    async def cancel(self, id_: str) -> None:
        """Ask for its end."""
        await self._api.post(f"{_PATH}{quote(id_)}:cancel")

    async def forget(self, look: Look) -> None:
        """Delete the operation, and what it holds."""
        await self._api.delete(_PATH + quote(self._api.text(look.batch, "name")))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    def _inlined(self, look: Look) -> list[dict[str, Json]]:
        """The answers, from the response or, where Google's own client looks for them, the metadata."""
        for output in (_object(look.batch, "response"), _object(_object(look.batch, "metadata"), "output")):
            found = self._api.objects(_object(output, "inlinedResponses"), "inlinedResponses")
            if found:
                return found
        return []


class _Sender:
    """Sends what `Api` asks for, and looks to it as the generated clients of other providers do."""

    def __init__(self, http: "httpx2.AsyncClient", address: str, key: str) -> None:
        self._http = http
        self._address = address.rstrip("/")
        self._key = key

    async def get(self, path: str, *, options: Mapping[str, Any], **_: Any) -> "httpx2.Response":
        return await self._send("GET", path, options)

    async def post(
        self, path: str, *, options: Mapping[str, Any], content: Any = None, **_: Any
    ) -> "httpx2.Response":
        return await self._send("POST", path, options, content)

    async def delete(self, path: str, *, options: Mapping[str, Any], **_: Any) -> "httpx2.Response":
        return await self._send("DELETE", path, options)

    async def _send(
        self, method: str, path: str, options: Mapping[str, Any], content: Any = None
    ) -> "httpx2.Response":
        given = {name: options[name] for name in ("params", "timeout") if name in options}
        headers = {**options["headers"], "x-goog-api-key": self._key}
        answer = await self._http.request(
            method, self._address + path, headers=headers, content=content, **given
        )
        return answer.raise_for_status()


def _object(found: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _count(found: Mapping[str, Json], name: str) -> int:
    """A count, which is text on the wire, and left out where it is zero."""
    value = str(found.get(name, 0))
    return int(value) if value.isdigit() else 0


def _created_ms(batch: Mapping[str, Json]) -> float:
    """When it was created; the end of time when it does not say."""
    try:
        return datetime.fromisoformat(str(batch.get("createTime"))).timestamp() * 1000
    except ValueError:
        return float("inf")


def _read(raw: Mapping[str, Json]) -> Line | None:
    """One entry of the answers."""
    custom_id = _object(raw, "metadata").get("key")
    if not isinstance(custom_id, str):
        return None
    if isinstance(raw.get("response"), dict):
        return Line(custom_id, 200, raw["response"])
    if isinstance(raw.get("error"), dict):
        return Line(custom_id, *_as_live(_object(raw, "error")))
    return None


def _as_live(error: Mapping[str, Json]) -> tuple[int, Json]:
    """Status and body that a live request would have got for an error of a batch."""
    code = error.get("code")
    status, name = _CODES.get(code if isinstance(code, int) else 0, (500, "UNKNOWN"))
    return status, {"error": {**error, "code": status, "status": name}}
