"""OpenAI's files and batches: `/v1/files`, `/v1/batches`, also as Azure and compatible servers have them."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from roadworthy.testing.simulated.batches.batch import Batch, Entry
from roadworthy.testing.simulated.batches.running import request_id
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
from roadworthy.testing.simulated.dialects import CHAT, RESPONSES, Dialect
from roadworthy.testing.simulated.received import BadBody, mapping, require, without_keys

_PREFIX = "batch_"
_ROOTS = ("/v1", "/openai/v1", "/openai")
_ENDPOINTS: Mapping[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/responses": RESPONSES,
}
_DAY_SECONDS = 86_400


def routes(batches: Batches, new_line: NewLine) -> list[Route]:
    """Every call of the API."""
    api = Api(batches, CHAT, new_line)
    found: list[Route] = []
    for root in _ROOTS:
        found += [
            api.route("POST", root + "/files", "upload", partial(_upload, batches)),
            api.route("GET", root + "/files/{id}", "file", partial(_file, batches)),
            api.route("DELETE", root + "/files/{id}", "delete", partial(_delete_file, batches)),
            api.route("GET", root + "/files/{id}/content", "results", partial(_content, batches)),
            api.route("POST", root + "/batches", "create", partial(_create, batches)),
            api.route("GET", root + "/batches", "list", partial(_list, batches)),
            api.route("GET", root + "/batches/{id}", "get", partial(_get, batches)),
            api.route("POST", root + "/batches/{id}/cancel", "cancel", partial(_cancel, batches)),
        ]
    return found


async def _upload(batches: Batches, request: Request) -> Mapping[str, Any]:
    fields = _form(await request.body(), request.headers.get("content-type", ""))
    if "file" not in fields or "purpose" not in fields:
        raise BadBody("'file' and 'purpose' are required.", param="file")
    name, content = fields["file"]
    return _file_object(batches, batches.store(name, content), fields["purpose"][1].decode())


async def _file(batches: Batches, request: Request) -> Mapping[str, Any]:
    return _file_object(batches, request.path_params["id"])


async def _delete_file(batches: Batches, request: Request) -> Mapping[str, Any]:
    file_id: str = request.path_params["id"]
    if batches.files.pop(file_id, None) is None:
        raise Missing(f"No such File object: {file_id}")
    return {"id": file_id, "object": "file", "deleted": True}


async def _content(batches: Batches, request: Request) -> Content:
    file_id: str = request.path_params["id"]
    if file_id not in batches.files:
        raise Missing(f"No such File object: {file_id}")
    return Content(batches.files[file_id][1], "application/octet-stream")


async def _create(batches: Batches, request: Request) -> Mapping[str, Any]:
    asked = object_in(await request.body())
    file_id: str = require(asked, "input_file_id", str)
    endpoint: str = require(asked, "endpoint", str)
    if endpoint not in _ENDPOINTS:
        raise BadBody(f"Invalid value: {endpoint!r}.", param="endpoint")
    if require(asked, "completion_window", str) != "24h":
        raise BadBody("Invalid value: expected '24h'.", param="completion_window")
    if file_id not in batches.files:
        raise BadBody(f"No such File object: {file_id}", param="input_file_id")
    entries, errors = _entries(batches.files[file_id][1], endpoint)
    batch = batches.create(
        _PREFIX,
        _ENDPOINTS[endpoint],
        endpoint,
        entries,
        without_keys(request.headers.items()),
        errors=errors,
        metadata=mapping(asked.get("metadata")) or None,
        input_file_id=file_id,
    )
    return _batch_object(batches, batch)


async def _list(batches: Batches, request: Request) -> Mapping[str, Any]:
    found, more = page(request, await batches.newest_first(_PREFIX), "after")
    data = [_batch_object(batches, batch) for batch in found]
    ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {}
    return {"object": "list", "data": data, **ends, "has_more": more}


async def _get(batches: Batches, request: Request) -> Mapping[str, Any]:
    return _batch_object(batches, await _found(batches, request))


async def _cancel(batches: Batches, request: Request) -> Mapping[str, Any]:
    batch = await _found(batches, request)
    if batch.end is not None:
        raise BadBody(f"Cannot cancel a batch with status '{batch.end}'.")
    batches.cancel(batch)
    return _batch_object(batches, batch)


async def _found(batches: Batches, request: Request) -> Batch:
    batch = await batches.get(request.path_params["id"], _PREFIX)
    if batch is None:
        raise Missing(f"No batch found with id '{request.path_params['id']}'.")
    return batch


def _entries(content: bytes, endpoint: str) -> tuple[list[Entry], list[dict[str, Any]]]:
    """The requests in a file, and what is wrong with its lines."""
    entries: dict[str, Entry] = {}
    models: set[Any] = set()
    errors: list[dict[str, Any]] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            asked = object_in(line)
        except BadBody:
            errors.append(_error("invalid_json_line", "This line is not parseable as valid JSON.", number))
            continue
        custom_id = asked.get("custom_id")
        models.add(mapping(asked.get("body")).get("model"))
        if not isinstance(custom_id, str) or not isinstance(asked.get("body"), dict):
            errors.append(_error("missing_required_parameter", "Missing required parameter.", number))
        elif custom_id in entries:
            errors.append(_error("duplicate_custom_id", "The custom_id has been used before.", number))
        elif asked.get("method") != "POST" or asked.get("url") != endpoint:
            errors.append(_error("mismatched_url", "The url does not match the batch's endpoint.", number))
        elif len(models) > 1:
            errors.append(_error("mismatched_model", "All requests must have the same model.", number))
        else:
            entries[custom_id] = Entry(custom_id, asked["body"])
    if not entries and not errors:
        errors.append(_error("empty_file", "The input file is empty.", None))
    return list(entries.values()), errors


def _error(code: str, message: str, line: int | None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": None, "line": line}


def _file_object(batches: Batches, file_id: str, purpose: str = "batch") -> Mapping[str, Any]:
    if file_id not in batches.files:
        raise Missing(f"No such File object: {file_id}")
    name, content, created_ms = batches.files[file_id]
    return {
        "id": file_id,
        "object": "file",
        "bytes": len(content),
        "created_at": created_ms // 1000,
        "filename": name,
        "purpose": purpose,
        "status": "processed",
    }


def _batch_object(batches: Batches, batch: Batch) -> Mapping[str, Any]:
    _write_results(batches, batch)
    created = batch.created_ms // 1000
    ended = None if batch.ended_ms is None else batch.ended_ms // 1000
    total = 0 if batch.status == "validating" or batch.end == "failed" else len(batch.entries)
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.path,
        "errors": {"object": "list", "data": batch.errors} if batch.end == "failed" else None,
        "input_file_id": batch.input_file_id,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": created,
        "in_progress_at": created if batch.status != "validating" else None,
        "expires_at": created + _DAY_SECONDS,
        "finalizing_at": ended if batch.end == "completed" else None,
        "completed_at": ended if batch.end == "completed" else None,
        "failed_at": ended if batch.end == "failed" else None,
        "expired_at": ended if batch.end == "expired" else None,
        "cancelling_at": None if batch.cancelled_ms is None else batch.cancelled_ms // 1000,
        "cancelled_at": ended if batch.end == "cancelled" else None,
        "request_counts": {
            "total": total,
            "completed": batch.count("answered"),
            "failed": batch.count("errored", "expired"),
        },
        "metadata": batch.metadata,
    }


def _write_results(batches: Batches, batch: Batch) -> None:
    """The files of a batch that has ended. What was not run has a line if it expired, none if cancelled."""
    if batch.end in (None, "failed") or batch.written:
        return
    batch.written = True
    answered = [entry for entry in batch.entries if entry.outcome and entry.outcome.kind == "answered"]
    others = [
        entry for entry in batch.entries if entry.outcome and entry.outcome.kind in ("errored", "expired")
    ]
    if answered:
        batch.output_file_id = _store(batches, batch, answered, "output")
    if others:
        batch.error_file_id = _store(batches, batch, others, "error")


def _store(batches: Batches, batch: Batch, entries: Iterable[Entry], what: str) -> str:
    content = json_lines((_line(batch, entry) for entry in entries), batch.fault)
    return batches.store(f"{batch.id}_{what}.jsonl", content)


def _line(batch: Batch, entry: Entry) -> Mapping[str, Any]:
    outcome = entry.outcome
    head = {"id": f"batch_req_{batch.id}_{entry.custom_id}", "custom_id": entry.custom_id}
    if outcome is None or not outcome.status:
        says = "This request could not be executed before the completion window expired."
        return {**head, "response": None, "error": {"code": "batch_expired", "message": says}}
    response = {
        "status_code": outcome.status,
        "request_id": request_id(outcome.number),
        "body": outcome.body,
    }
    return {**head, "response": response, "error": None}


def _form(body: bytes, content_type: str) -> dict[str, tuple[str, bytes]]:
    """The parts of a form by their names, each with the name of its file and its content."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    if not boundary:
        raise BadBody("The body has to be multipart/form-data.")
    fields: dict[str, tuple[str, bytes]] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        words = head.decode(errors="replace")
        name = words.partition('name="')[2].partition('"')[0]
        file_name = words.partition('filename="')[2].partition('"')[0]
        fields[name] = (file_name, content.removesuffix(b"\r\n"))
    return fields
