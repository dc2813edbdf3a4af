"""How a call of a batch API is served: noted, handled, and answered, or whatever is to happen instead."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from roadworthy.testing.simulated.batches.batch import Batch
from roadworthy.testing.simulated.batches.faults import BatchFault
from roadworthy.testing.simulated.batches.store import Batches, Call
from roadworthy.testing.simulated.delivery import BEFORE_RESET_SECONDS, HTML_PAGE, Line
from roadworthy.testing.simulated.dialects import Dialect
from roadworthy.testing.simulated.faults import (
    BadRequest,
    EmptyBody,
    ErrorFault,
    Fault,
    Hang,
    HtmlPage,
    MalformedJson,
    Problem,
    ResetConnection,
    ServerError,
    TransportFault,
)
from roadworthy.testing.simulated.received import NOTHING, BadBody

NewLine = Callable[[Scope, Receive, Send], Line]
"""The connection of a request; see `delivery.Line`."""


@dataclass(frozen=True, slots=True)
class Content:
    """The body of a good answer."""

    body: bytes
    kind: str = "application/json"


Handler = Callable[[Request], Awaitable[Mapping[str, Any] | Content]]
"""Does what was asked; raises `BadBody`, or `Missing`."""


class Missing(Exception):
    """What was asked for does not exist."""


@dataclass(frozen=True, slots=True)
class Api:
    """One family of batch APIs."""

    batches: Batches
    dialect: Dialect
    """How it words its errors."""
    new_line: NewLine

    def route(self, method: str, path: str, call: Call, handler: Handler) -> Route:
        """One of its calls."""
        return Route(path, _Endpoint(self, call, handler), methods=[method])


class _Endpoint:
    """One call; a class, because Starlette takes those as plain ASGI applications."""

    def __init__(self, api: Api, call: Call, handler: Handler) -> None:
        self._api = api
        self._call: Call = call
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()
        line = self._api.new_line(scope, receive, send)
        fault = self._api.batches.called(self._call)
        if isinstance(fault, ErrorFault):
            await self._error(line, fault.problem(NOTHING))
        elif isinstance(fault, ResetConnection) and fault.when == "before":
            line.reset()
        else:
            await self._answer(request, line, fault)

    async def _answer(self, request: Request, line: Line, fault: Fault | None) -> None:
        try:
            found = await self._handler(request)
        except Missing as error:
            kind = "invalid_request_error"
            await self._error(line, Problem(404, str(error), kind, None, "not_found_error"))
            return
        except BadBody as error:
            await self._error(line, BadRequest(str(error), error.param).problem(NOTHING))
            return
        content = found if isinstance(found, Content) else Content(_json(found))
        if fault is None:
            await self._send(line, 200, content)
        elif isinstance(fault, TransportFault):
            await self._break(line, content, fault)
        elif isinstance(fault, HtmlPage):
            await self._send(line, fault.status, Content(HTML_PAGE.encode(), "text/html; charset=utf-8"))
        elif isinstance(fault, EmptyBody):
            await self._send(line, 200, Content(b""))
        elif isinstance(fault, MalformedJson):
            await self._send(line, 200, Content(content.body[: len(content.body) // 2], content.kind))
        else:
            body = self._api.dialect.error(ServerError().problem(NOTHING), "")[1]
            await self._send(line, 200, Content(_json(body)))

    async def _break(self, line: Line, content: Content, fault: TransportFault) -> None:
        if isinstance(fault, Hang):
            await line.pause(fault.seconds)
        else:
            await line.start(200, _headers(content))
            await line.send(content.body[: len(content.body) // 2], more=True)
            await line.pause(BEFORE_RESET_SECONDS)
        line.reset()

    async def _error(self, line: Line, problem: Problem) -> None:
        status, body = self._api.dialect.error(problem, "")
        await self._send(line, status, Content(_json(body)), problem.headers)

    async def _send(
        self, line: Line, status: int, content: Content, headers: Mapping[str, str] | None = None
    ) -> None:
        await line.start(status, {**_headers(content), **(headers or {})})
        await line.send(content.body, more=False)


def object_in(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is; raises `BadBody`."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadBody("We could not parse the JSON body of your request.")
    return cast("dict[str, Any]", value)


def page(request: Request, batches: list[Batch], after: str) -> tuple[list[Batch], bool]:
    """The part of a list that was asked for, and whether more follows; `after` names the parameter."""
    last = request.query_params.get(after)
    ids = [batch.id for batch in batches]
    start = ids.index(last) + 1 if last in ids else 0
    limit = int(request.query_params.get("limit", "20"))
    return batches[start : start + limit], len(batches) > start + limit


def json_lines(values: Iterable[Mapping[str, Any]], fault: BatchFault | None) -> bytes:
    """A file of results, as the batch's fault has it."""
    lines = [_json(value) for value in values]
    content = b"".join(line + b"\n" for line in (fault.order(lines) if fault else lines))
    return fault.cut(content) if fault else content


def _headers(content: Content) -> dict[str, str]:
    return {"content-type": content.kind, "content-length": str(len(content.body))}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
