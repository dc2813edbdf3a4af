"""Gemini's batches of inlined requests: `models/{model}:batchGenerateContent`, and `/v1beta/batches`."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from roadworthy.records import iso
from roadworthy.testing.simulated.batches.batch import Batch, Entry
from roadworthy.testing.simulated.batches.serving import Api, Missing, NewLine, object_in
from roadworthy.testing.simulated.batches.store import Batches
from roadworthy.testing.simulated.dialects import GENERATE
from roadworthy.testing.simulated.received import BadBody, mapping, objects, require, without_keys

_PREFIX = "batches/"
_ROOT = "/v1beta/"
_STATES = {
    "completed": "BATCH_STATE_SUCCEEDED",
    "failed": "BATCH_STATE_FAILED",
    "expired": "BATCH_STATE_EXPIRED",
    "cancelled": "BATCH_STATE_CANCELLED",
    "validating": "BATCH_STATE_PENDING",
}
_ERRORS = {"failed": 3, "expired": 4, "cancelled": 1}
"""The `google.rpc.Code` of an operation that ended otherwise than well."""
_CODES = {
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}


def routes(batches: Batches, new_line: NewLine) -> list[Route]:
    """Every call of the API."""
    api = Api(batches, GENERATE, new_line)
    named, one = _ROOT + "models/{model}:batchGenerateContent", _ROOT + "batches/{id}"
    return [
        api.route("POST", named, "create", partial(_create, batches)),
        api.route("GET", _ROOT + "batches", "list", partial(_list, batches)),
        api.route("POST", one + ":cancel", "cancel", partial(_cancel, batches)),
        api.route("GET", one, "get", partial(_get, batches)),
        api.route("DELETE", one, "delete", partial(_delete, batches)),
    ]


async def _create(batches: Batches, request: Request) -> Mapping[str, Any]:
    asked: dict[str, Any] = require(object_in(await request.body()), "batch", dict)
    name: str = require(asked, "displayName", str)
    inlined = objects(mapping(mapping(asked.get("inputConfig")).get("requests")).get("requests"))
    if not inlined:
        raise BadBody("The batch has no requests.", param="batch.inputConfig")
    entries = [
        Entry(str(mapping(item.get("metadata")).get("key", "")), require(item, "request", dict))
        for item in inlined
    ]
    model: str = request.path_params["model"]
    batch = batches.create(
        _PREFIX,
        GENERATE,
        f"{_ROOT}models/{model}:generateContent",
        entries,
        without_keys(request.headers.items()),
        metadata={"display_name": name, "model": model},
        params={"model": model},
    )
    return _operation(batch)


async def _list(batches: Batches, request: Request) -> Mapping[str, Any]:
    found = await batches.newest_first(_PREFIX)
    start = int(request.query_params.get("pageToken") or 0)
    end = start + int(request.query_params.get("pageSize", "50"))
    more = {"nextPageToken": str(end)} if end < len(found) else {}
    return {"operations": [_operation(batch) for batch in found[start:end]], **more}


async def _get(batches: Batches, request: Request) -> Mapping[str, Any]:
    return _operation(await _found(batches, request))


async def _delete(batches: Batches, request: Request) -> Mapping[str, Any]:
    batches.delete(await _found(batches, request))
    return {}


async def _cancel(batches: Batches, request: Request) -> Mapping[str, Any]:
    batch = await _found(batches, request)
    if batch.end is not None:
        raise BadBody("A batch that has ended cannot be cancelled.")
    batches.cancel(batch)
    return {}


async def _found(batches: Batches, request: Request) -> Batch:
    batch = await batches.get(_PREFIX + request.path_params["id"], _PREFIX)
    if batch is None:
        raise Missing(f"Operation {request.path_params['id']} not found.")
    return batch


def _operation(batch: Batch) -> Mapping[str, Any]:
    known = batch.metadata or {}
    output = _output(batch) if batch.end else {}
    metadata: dict[str, Any] = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "name": batch.id,
        "model": f"models/{known.get('model')}",
        "displayName": known.get("display_name"),
        "state": _STATES.get(batch.status, "BATCH_STATE_RUNNING"),
        "createTime": iso(batch.created_ms),
        "batchStats": _stats(batch),
        **({"endTime": iso(batch.ended_ms)} if batch.ended_ms is not None else {}),
        **({"output": output} if output else {}),
    }
    operation: dict[str, Any] = {"name": batch.id, "metadata": metadata}
    if batch.end is None:
        return operation
    if batch.end in _ERRORS:
        says = str(batch.errors[0]["message"]) if batch.errors else f"The batch is {batch.end}."
        return {**operation, "done": True, "error": {"code": _ERRORS[batch.end], "message": says}}
    return {**operation, "done": True, "response": output}


def _stats(batch: Batch) -> dict[str, str]:
    """Counts, which are texts on the wire; those of zero are left out."""
    counts = {
        "requestCount": len(batch.entries),
        "successfulRequestCount": batch.count("answered"),
        "failedRequestCount": batch.count("errored"),
        "pendingRequestCount": 0 if batch.end else len(batch.entries),
    }
    return {name: str(count) for name, count in counts.items() if count}


def _output(batch: Batch) -> dict[str, Any]:
    """The answers and errors; what was not run is not among them."""
    if batch.end == "failed":
        return {}
    lines = [_line(entry) for entry in batch.entries if entry.outcome and entry.outcome.status]
    ordered = batch.fault.order(lines) if batch.fault else lines
    return {"inlinedResponses": {"inlinedResponses": ordered}} if ordered else {}


def _line(entry: Entry) -> dict[str, Any]:
    outcome = entry.outcome
    assert outcome is not None  # noqa: S101 - the batch has ended
    metadata = {"metadata": {"key": entry.custom_id}} if entry.custom_id else {}
    error = mapping(outcome.body.get("error"))
    if outcome.kind == "answered" or not error:
        return {**metadata, "response": outcome.body}
    status = {"code": _CODES[error["status"]], "message": error["message"]}
    return {**metadata, "error": {**status, **({"details": error["details"]} if "details" in error else {})}}
