"""Anthropic's Message Batches: `/v1/messages/batches`."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from roadworthy.records import iso
from roadworthy.testing.simulated.batches.batch import Batch, Entry
from roadworthy.testing.simulated.batches.serving import (
    Api,
    Content,
    Missing,
    NewLine,
    json_lines,
    object_in,
    page,
)
from roadworthy.testing.simulated.batches.store import Batches
from roadworthy.testing.simulated.dialects import MESSAGES
from roadworthy.testing.simulated.received import BadBody, mapping, objects, require, without_keys

_PREFIX = "msgbatch_"
_PATH = "/v1/messages/batches"
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DAY_MS = 86_400_000
_RESULTS = {"answered": "succeeded", "errored": "errored", "expired": "expired", "cancelled": "canceled"}


def routes(batches: Batches, new_line: NewLine) -> list[Route]:
    """Every call of the API."""
    api = Api(batches, MESSAGES, new_line)
    return [
        api.route("POST", _PATH, "create", partial(_create, batches)),
        api.route("GET", _PATH, "list", partial(_list, batches)),
        api.route("GET", _PATH + "/{id}", "get", partial(_get, batches)),
        api.route("DELETE", _PATH + "/{id}", "delete", partial(_delete, batches)),
        api.route("GET", _PATH + "/{id}/results", "results", partial(_results, batches)),
        api.route("POST", _PATH + "/{id}/cancel", "cancel", partial(_cancel, batches)),
    ]


async def _create(batches: Batches, request: Request) -> Mapping[str, Any]:
    asked = objects(require(object_in(await request.body()), "requests", list))
    if not asked:
        raise BadBody("requests: List should have at least 1 item.", param="requests")
    entries: dict[str, Entry] = {}
    for number, item in enumerate(asked):
        custom_id: str = require(item, "custom_id", str)
        if not _CUSTOM_ID.fullmatch(custom_id):
            raise BadBody(f"requests.{number}.custom_id: String should match the pattern.")
        if custom_id in entries:
            raise BadBody(f"requests.{number}.custom_id: Not unique.")
        entries[custom_id] = Entry(custom_id, mapping(item.get("params")))
    headers = without_keys(request.headers.items())
    batch = batches.create(_PREFIX, MESSAGES, "/v1/messages", list(entries.values()), headers)
    return _batch_object(batch, request)


async def _list(batches: Batches, request: Request) -> Mapping[str, Any]:
    found, more = page(request, await batches.newest_first(_PREFIX), "after_id")
    ids = {"first_id": found[0].id, "last_id": found[-1].id} if found else {"first_id": None, "last_id": None}
    return {"data": [_batch_object(batch, request) for batch in found], **ids, "has_more": more}


async def _get(batches: Batches, request: Request) -> Mapping[str, Any]:
    return _batch_object(await _found(batches, request), request)


async def _delete(batches: Batches, request: Request) -> Mapping[str, Any]:
    batch = await _found(batches, request)
    if batch.end is None:
        raise BadBody("A batch can be deleted only when its processing has ended.")
    batches.delete(batch)
    return {"id": batch.id, "type": "message_batch_deleted"}


async def _results(batches: Batches, request: Request) -> Content:
    batch = await _found(batches, request)
    if batch.end is None:
        raise Missing(f"The results of {batch.id} are not there yet.")
    return Content(json_lines(map(_line, batch.entries), batch.fault), "application/x-jsonl")


async def _cancel(batches: Batches, request: Request) -> Mapping[str, Any]:
    batch = await _found(batches, request)
    if batch.end is not None:
        raise BadBody("A batch that has ended cannot be canceled.")
    batches.cancel(batch)
    return _batch_object(batch, request)


async def _found(batches: Batches, request: Request) -> Batch:
    batch = await batches.get(request.path_params["id"], _PREFIX)
    if batch is None:
        raise Missing(f"message_batch: {request.path_params['id']}")
    return batch


def _batch_object(batch: Batch, request: Request) -> Mapping[str, Any]:
    status = "canceling" if batch.stage == "cancelling" else "in_progress"
    running = 0 if batch.end else len(batch.entries)
    counts = {result: batch.count(kind) for kind, result in _RESULTS.items()}
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if batch.end else status,
        "request_counts": {"processing": running, **counts},
        "created_at": iso(batch.created_ms),
        "expires_at": iso(batch.created_ms + _DAY_MS),
        "ended_at": None if batch.ended_ms is None else iso(batch.ended_ms),
        "cancel_initiated_at": None if batch.cancelled_ms is None else iso(batch.cancelled_ms),
        "archived_at": None,
        "results_url": f"{request.base_url}v1/messages/batches/{batch.id}/results" if batch.end else None,
    }


def _line(entry: Entry) -> Mapping[str, Any]:
    outcome = entry.outcome
    assert outcome is not None  # noqa: S101 - the batch has ended
    result: dict[str, Any] = {"type": _RESULTS[outcome.kind]}
    if outcome.kind == "answered":
        result["message"] = outcome.body
    elif outcome.kind == "errored":
        result["error"] = outcome.body
    return {"custom_id": entry.custom_id, "result": result}
